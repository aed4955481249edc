import { fromHex, toHex } from '../bytes.js';
import { textNesting } from '../codes/text.js';
import { fail } from '../diagnostics.js';
import { type DType, dtypeFromText, dtypeText } from '../dtype.js';
import { type Dim, tensorType, type ValueType } from '../shape.js';
import type { Lexer } from './lexer.js';
import { decodeNested, encodeNested, type Nested } from './nested-type.js';
import { isTypeWord, wordText } from './strings.js';

/** Sequences of sequences deeper than this are refused. */
const MAX_TYPE_DEPTH = 32;

/**
 * A type in ONNX's syntax: `float` is a scalar, `float[]` a tensor of unknown rank, `?` an unknown dimension. Raw
 * types print as `seq(...)`, `optional(...)`, `map(...)`, `sparse_tensor(...)` when that form says all of their bytes, else
 * as `proto("hex of the TypeProto")`.
 */
export function typeText(type: ValueType): string {
  if (type.kind === 'tensor') return tensorText(type.dtype, type.shape);
  const nested = decodeNested(type.proto);
  return nested ? nestedText(nested) : `proto("${toHex(type.proto)}")`;
}

function tensorText(dtype: DType, shape: readonly Dim[] | null): string {
  const name = dtypeText(dtype);
  if (shape === null) return `${name}[]`;
  return shape.length === 0 ? name : `${name}[${shape.map(dimText).join(',')}]`;
}

function dimText(dim: Dim): string {
  if (typeof dim === 'number') return String(dim);
  return dim === null || dim === '' ? '?' : wordText(dim);
}

function nestedText(type: Nested): string {
  if (type.kind === 'tensor') return tensorText(type.dtype, type.shape);
  if (type.kind === 'sparse') return `sparse_tensor(${tensorText(type.dtype, type.shape)})`;
  if (type.kind === 'map') return `map(${dtypeText(type.key)}, ${nestedText(type.of)})`;
  return `${type.kind}(${nestedText(type.of)})`;
}

/** Whether a type starts at the current token. */
export function atType(lex: Lexer): boolean {
  return lex.kind === 'id' && isTypeWord(lex.text);
}

/** Reads a type. Throws LOTR1401, LOTR1402, LOTR1404. */
export function parseType(lex: Lexer): ValueType {
  if (lex.kind === 'id' && lex.text === 'proto') {
    lex.advance();
    return { kind: 'raw', proto: parseHexCall(lex) };
  }
  const type = parseNested(lex, 0);
  return type.kind === 'tensor'
    ? tensorType(type.dtype, type.shape)
    : { kind: 'raw', proto: encodeNested(type) };
}

/** `("hex")` after `proto`. */
export function parseHexCall(lex: Lexer): Uint8Array {
  lex.need('(', 'after "proto"');
  if (lex.kind !== 'string') lex.unexpected('a string of hex digits');
  const bytes = fromHex(lex.text);
  if (!bytes) lex.invalid('the string is not a sequence of hex digit pairs', 'for example "0a04"');
  lex.advance();
  lex.need(')', 'after the hex digits');
  return bytes;
}

function parseNested(lex: Lexer, depth: number): Nested {
  if (depth > MAX_TYPE_DEPTH) fail(textNesting({ ...lex.place(lex.start), limit: MAX_TYPE_DEPTH }));
  if (lex.kind !== 'id') lex.unexpected('a type');
  const word = lex.text;
  const dtype = dtypeFromText(word);
  if (dtype !== null) {
    lex.advance();
    return { kind: 'tensor', dtype, shape: parseShape(lex) };
  }
  if (word === 'opaque') {
    lex.unexpected(
      'a type that lotrc knows',
      '"opaque"',
      'opaque types are written as proto("hex of the TypeProto")',
    );
  }
  if (word !== 'seq' && word !== 'optional' && word !== 'map' && word !== 'sparse_tensor')
    lex.unexpected('a type');
  lex.advance();
  lex.need('(', `after "${word}"`);
  const made = ((): Nested => {
    if (word === 'seq' || word === 'optional') return { kind: word, of: parseNested(lex, depth + 1) };
    const element = lex.kind === 'id' ? dtypeFromText(lex.text) : null;
    if (element === null) lex.unexpected('an element type');
    lex.advance();
    if (word === 'sparse_tensor') return { kind: 'sparse', dtype: element, shape: parseShape(lex) };
    lex.need(',', 'after the key type');
    return { kind: 'map', key: element, of: parseNested(lex, depth + 1) };
  })();
  lex.need(')', `to close "${word}("`);
  return made;
}

function parseShape(lex: Lexer): Dim[] | null {
  if (!lex.take('[')) return [];
  if (lex.take(']')) return null;
  const shape: Dim[] = [];
  do shape.push(parseDim(lex));
  while (lex.take(','));
  lex.need(']', 'after the last dimension');
  return shape;
}

function parseDim(lex: Lexer): Dim {
  if (lex.take('?')) return null;
  if (lex.kind === 'string') return lex.stringText() || null;
  const { kind, text } = lex;
  if (kind !== 'id' && kind !== 'int') lex.unexpected('a dimension (a number, a name or ?)');
  if (kind === 'int' && text.startsWith('-'))
    lex.invalid(`the dimension ${text} is negative`, 'an unknown dimension is ?');
  lex.advance();
  return kind === 'int' ? Number(text) : text;
}

/** AttributeProto.type by the word for it; other numbers are `type_N`. */
const ATTR_TYPES: readonly string[] = [
  '',
  'float',
  'int',
  'string',
  'tensor',
  'graph',
  'floats',
  'ints',
  'strings',
  'tensors',
  'graphs',
  'sparse_tensor',
  'sparse_tensors',
  'type_proto',
  'type_protos',
];

export function attrTypeText(type: number): string {
  return ATTR_TYPES[type] || `type_${type}`;
}

/** The AttributeProto.type number of a word; null when it is none. */
export function attrTypeFromText(word: string): number | null {
  const index = word === '' ? -1 : ATTR_TYPES.indexOf(word);
  if (index > 0) return index;
  const other = /^type_(\d{1,10})$/.exec(word);
  return other ? Number(other[1]) : null;
}
