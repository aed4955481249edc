import type { Attr, Int } from '../attr.js';
import type { Carried } from '../carried.js';
import { NO_FIELDS } from '../carried.js';
import { MemorySource } from '../onnx/source.js';
import { setLabel } from '../tensor-label.js';
import type { ParsedGraph } from './drafts.js';
import type { Lexer } from './lexer.js';
import { message } from './nested-type.js';
import { parseFloatText } from './numbers.js';
import { isFloatWord } from './strings.js';
import { parseTensor } from './tensor-parse.js';
import { atType, attrTypeFromText, attrTypeText, parseHexCall, parseType } from './types.js';

/** One value of an attribute; lists of them become list attributes. */
type Single = Extract<Attr, { kind: 'float' | 'int' | 'string' | 'tensor' | 'graph' }>;

/** What the attribute parser needs of the parser around it. */
export interface AttrHost {
  readonly lex: Lexer;
  readonly file: string | null;
  name(what: string): string;
  /** a nested graph whose name was read */
  graph(name: string): ParsedGraph;
}

/** The value of an attribute and the graphs in it. */
export interface ParsedAttr {
  readonly attr: Attr & { readonly carried?: Carried };
  readonly graphs: readonly ParsedGraph[];
}

/** AttributeProto.type numbers. */
const FLOAT = 1;
const FLOATS = 6;
const GRAPHS = 10;
const TYPES: ReadonlyMap<string, number> = new Map([
  ['float', 1],
  ['int', 2],
  ['string', 3],
  ['tensor', 4],
  ['graph', 5],
]);

/**
 * `: type = value` or `= value` after an attribute's name. `field` is the number of the field that holds the
 * AttributeProto (5 in nodes, 11 in functions). Throws LOTR1401 and LOTR1402.
 */
export function parseAttr(host: AttrHost, field: number): ParsedAttr {
  const { lex } = host;
  let type: number | null = null;
  if (lex.take(':')) {
    type = lex.kind === 'id' ? attrTypeFromText(lex.text) : null;
    if (type === null)
      lex.unexpected('an attribute type', lex.found(), 'for example int, floats, string, tensor, graph');
    lex.advance();
  }
  lex.need('=', 'before the value of an attribute');
  if (lex.take('@'))
    return only({ kind: 'ref', name: host.name('an attribute of the function'), type: type ?? 0 });
  const bytes = lex.kind === 'id' && lex.text === 'proto';
  if (type !== null && (bytes || type > GRAPHS || type === 0)) return only(parseRaw(lex, type, field));
  const graphs: ParsedGraph[] = [];
  const start = lex.start;
  if (!lex.take('[')) {
    const value = parseSingle(host, type === FLOAT, graphs);
    if (type !== null && type !== TYPES.get(value.kind)) mismatch(lex, type, value.kind, start);
    return { attr: value, graphs };
  }
  const values: Single[] = [];
  if (!lex.is(']')) {
    do values.push(parseSingle(host, type === FLOATS, graphs));
    while (lex.take(','));
  }
  lex.need(']', 'or "," after a value');
  const kind = values[0]?.kind;
  if (kind === undefined && (type === null || type < FLOATS)) {
    lex.invalid(
      'the type of an empty list is not known',
      'write it before the value: name: ints = []',
      start,
    );
  }
  const listType = type ?? TYPES.get(kind!)! + 5;
  const other = values.find((value) => TYPES.get(value.kind)! + 5 !== listType);
  if (other) mismatch(lex, listType, other.kind, start);
  return { attr: listOf(listType, values), graphs };
}

function mismatch(lex: Lexer, type: number, kind: string, at: number): never {
  return lex.invalid(
    `the attribute is of type ${attrTypeText(type)}, its value is of type ${kind}`,
    'floats have a point or an exponent, ints have none',
    at,
  );
}

const only = (attr: ParsedAttr['attr']): ParsedAttr => ({ attr, graphs: [] });

function listOf(type: number, values: readonly Single[]): Attr {
  switch (type) {
    case FLOATS:
      return { kind: 'floats', value: values.flatMap((one) => (one.kind === 'float' ? [one.value] : [])) };
    case 7:
      return { kind: 'ints', value: values.flatMap((one) => (one.kind === 'int' ? [one.value] : [])) };
    case 8:
      return { kind: 'strings', value: values.flatMap((one) => (one.kind === 'string' ? [one.value] : [])) };
    case 9:
      return { kind: 'tensors', value: values.flatMap((one) => (one.kind === 'tensor' ? [one.value] : [])) };
    default:
      return { kind: 'graphs', value: values.flatMap((one) => (one.kind === 'graph' ? [one.value] : [])) };
  }
}

/** `proto("hex of the AttributeProto")`: kept as a message in memory, as if it had been read. */
function parseRaw(lex: Lexer, type: number, field: number): ParsedAttr['attr'] {
  if (lex.kind !== 'id' || lex.text !== 'proto') {
    lex.unexpected(
      'proto("hex of the AttributeProto")',
      lex.found(),
      'attributes of this type are carried as bytes',
    );
  }
  lex.advance();
  const body = parseHexCall(lex);
  if (body.byteLength === 0) return { kind: 'raw', type };
  const whole = message(field, body);
  const offset = whole.byteLength - body.byteLength;
  const source = new MemorySource(whole, '<text>');
  return {
    kind: 'raw',
    type,
    carried: { source, start: 0, offset, length: body.byteLength, unknown: NO_FIELDS },
  };
}

function parseSingle(host: AttrHost, wantFloat: boolean, graphs: ParsedGraph[]): Single {
  const { lex } = host;
  const { kind, text } = lex;
  if (kind === 'float' || (kind === 'int' && wantFloat) || (kind === 'id' && isFloatWord(text))) {
    lex.advance();
    return { kind: 'float', value: Math.fround(parseFloatText(text)) };
  }
  if (kind === 'int') return { kind: 'int', value: parseInt64(lex) };
  if (kind === 'string') {
    // a quoted name before "(" is a graph's
    const held = lex.checkpoint();
    const value = lex.stringBytes();
    if (!lex.is('(')) return { kind: 'string', value };
    lex.restore(held);
    return nested(host, lex.stringText(), graphs);
  }
  if (kind !== 'id') lex.unexpected('the value of an attribute');
  if (!atType(lex)) {
    lex.advance();
    return nested(host, text, graphs);
  }
  const type = parseType(lex);
  const named = lex.kind === 'id' || lex.kind === 'string' ? host.name('the name of a tensor') : '';
  lex.take('=');
  const value = parseTensor(lex, type, named, host.file);
  if (named !== '') setLabel(value, { name: named });
  return { kind: 'tensor', value };
}

function nested(host: AttrHost, name: string, graphs: ParsedGraph[]): Single {
  const draft = host.graph(name);
  graphs.push(draft);
  return { kind: 'graph', value: draft.graph };
}

/** An int64 literal; goes on. A bigint when it is not a safe integer. */
export function parseInt64(lex: Lexer): Int {
  if (lex.kind !== 'int') lex.unexpected('an integer');
  const exact = BigInt(lex.text);
  if (exact !== BigInt.asIntN(64, exact))
    lex.invalid(`${lex.text} is not a 64-bit integer`, 'ints are 64-bit and signed');
  lex.advance();
  const value = Number(exact);
  return Number.isSafeInteger(value) ? value : exact;
}
