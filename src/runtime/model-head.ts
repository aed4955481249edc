/**
 * What a program that only runs a model needs to know of its file (ONNX, onnx.proto): the metadata, and which other files hold
 * weights. Nothing else is read.
 */
export interface ModelHead {
  readonly metadata: ReadonlyMap<string, string>;
  /** locations of weights, each once, relative to the model */
  readonly external: readonly string[];
}

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'function';

/** Fields that hold messages in which tensors may be. */
const INNER: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  function: { 7: 'node' },
  tensor: {},
};
/** Deeper than models nest: bodies of loops and branches. */
const MAX_DEPTH = 64;

/** Throws a RangeError for bytes that are not an ONNX model. */
export function modelHead(bytes: Uint8Array): ModelHead {
  const metadata = new Map<string, string>();
  const external = new Set<string>();
  const walk = (message: Message, start: number, end: number, depth: number): void => {
    if (depth > MAX_DEPTH) throw new RangeError('it is nested too deep');
    for (const { field, from, to } of fieldsOf(bytes, start, end)) {
      const inner = INNER[message][field];
      if (inner) walk(inner, from, to, depth + 1);
      else if (message === 'model' && field === 14) metadata.set(...entryOf(bytes, from, to));
      else if (message === 'tensor' && field === 13) {
        const [key, value] = entryOf(bytes, from, to);
        if (key === 'location') external.add(value);
      }
    }
  };
  walk('model', 0, bytes.length, 0);
  return { metadata, external: [...external] };
}

interface Field {
  readonly field: number;
  readonly from: number;
  readonly to: number;
}

/** The fields of a message that have a length; others are passed over. */
function* fieldsOf(bytes: Uint8Array, start: number, end: number): Generator<Field> {
  let at = start;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || at > end || scale > 2 ** 63) throw new RangeError('a field does not end');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < end) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1 || wire === 5) at += wire === 1 ? 8 : 4;
    else if (wire === 2) {
      const length = varint();
      if (at + length > end) throw new RangeError('a field does not end');
      yield { field: Math.floor(tag / 8), from: at, to: at + length };
      at += length;
    } else throw new RangeError('it has a field of no known kind');
  }
}

/** StringStringEntryProto. */
function entryOf(bytes: Uint8Array, start: number, end: number): [string, string] {
  const texts = ['', ''];
  for (const { field, from, to } of fieldsOf(bytes, start, end))
    texts[field - 1] = new TextDecoder().decode(bytes.subarray(from, to));
  return [texts[0]!, texts[1]!];
}
