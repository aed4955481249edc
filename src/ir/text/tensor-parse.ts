import { fromHex } from '../bytes.js';
import { byteLengthOf } from '../dtype.js';
import { elementCount, staticShape, type ValueType } from '../shape.js';
import { MemoryTensor, StringTensor, type TensorData } from '../tensor.js';
import { hasLiterals, type Literal, parseElements } from './elements.js';
import type { Lexer } from './lexer.js';
import { isFloatWord } from './strings.js';
import { RawTensor, TextTensor } from './tensor.js';

/**
 * The data of a tensor of that type, at `{` or `[`. `name` and `file` are for tensors whose data lies elsewhere.
 * Throws LOTR1401 and LOTR1402.
 */
export function parseTensor(
  lex: Lexer,
  type: ValueType | null,
  name: string,
  file: string | null,
): TensorData {
  const shape = type?.kind === 'tensor' ? staticShape(type.shape) : null;
  if (type?.kind !== 'tensor' || shape === null) {
    return lex.invalid(
      `the tensor ${JSON.stringify(name)} needs an element type and dimensions that are numbers`,
      'write for example float[2,3]; float alone is a scalar',
    );
  }
  const { dtype } = type;
  const count = elementCount(shape);
  const start = lex.start;
  if (lex.is('[')) {
    const entries = parseEntries(lex);
    const raw = entries.find(([key]) => key === 'raw_data')?.[1];
    if (raw === undefined) {
      for (const [key, value] of entries) {
        if ((key === 'offset' || key === 'length') && !isCount(value)) {
          lex.invalid(
            `the ${key} ${JSON.stringify(value)} is not a number of bytes`,
            'write it in digits',
            start,
          );
        }
      }
      return new TextTensor(dtype, shape, entries, name, file);
    }
    const bytes = fromHex(raw);
    if (!bytes)
      return lex.invalid('raw_data is not a sequence of hex digit pairs', 'for example "0000803f"', start);
    const fits = byteLengthOf(dtype, count) === bytes.byteLength;
    return fits ? new MemoryTensor(dtype, shape, bytes) : new RawTensor(dtype, shape, bytes);
  }
  lex.need('{', 'or "[" before the data of a tensor');
  const literals: Literal[] = [];
  const strings: Uint8Array[] = [];
  const starts: number[] = [];
  if (!lex.is('}')) {
    do {
      starts.push(lex.start);
      if (dtype === 'string') {
        if (lex.kind !== 'string') lex.unexpected('a string');
        strings.push(lex.stringBytes());
      } else literals.push(parseLiteral(lex));
    } while (lex.take(','));
  }
  if (starts.length !== count) {
    lex.invalid(
      `the shape has ${count} element${count === 1 ? '' : 's'}, the list ${starts.length}`,
      'give one value per element, in row-major order',
      start,
    );
  }
  lex.need('}', 'or "," after an element');
  if (dtype === 'string') return new StringTensor(shape, strings);
  if (!hasLiterals(dtype)) {
    lex.invalid('elements of this type have no literals', 'write ["raw_data": "hex of the bytes"]', start);
  }
  const bytes = parseElements(dtype, literals);
  if (typeof bytes === 'number') {
    lex.invalid(
      `${literals[bytes]!.text} is not a value of the element type`,
      'check the range of the type; integers have no point',
      starts[bytes]!,
    );
  }
  return new MemoryTensor(dtype, shape, bytes);
}

const isCount = (text: string): boolean => /^\d+$/.test(text) && Number.isSafeInteger(Number(text));

function parseLiteral(lex: Lexer): Literal {
  const { kind, text } = lex;
  if (kind !== 'int' && kind !== 'float' && !(kind === 'id' && isFloatWord(text))) lex.unexpected('a number');
  lex.advance();
  return { kind: kind === 'int' ? 'int' : 'float', text };
}

/** `["key": "value", ...]`, possibly empty. */
export function parseEntries(lex: Lexer): (readonly [string, string])[] {
  lex.need('[', 'before a list of entries');
  const entries: (readonly [string, string])[] = [];
  if (lex.take(']')) return entries;
  do {
    const key = parseString(lex);
    lex.need(':', 'between key and value');
    entries.push([key, parseString(lex)]);
  } while (lex.take(','));
  lex.need(']', 'or "," after an entry');
  return entries;
}

export function parseString(lex: Lexer): string {
  if (lex.kind !== 'string') lex.unexpected('a string in double quotes');
  return lex.stringText();
}
