/**
 * ONNX files as trees of protobuf fields, so that a mutation can hit the structure: the lengths around a change are
 * right again after encoding, unless a mutation makes one lie.
 */
export type Kind = keyof typeof CHILDREN;

/** Fields that are messages, by message (onnx.proto and event.proto of TensorBoard). All other length-delimited fields are text or bytes. */
const CHILDREN = {
  Model: { 7: 'Graph', 8: 'Opset', 14: 'Entry', 20: 'Training', 25: 'Function' },
  Graph: {
    1: 'Node',
    5: 'Tensor',
    11: 'Info',
    12: 'Info',
    13: 'Info',
    14: 'Quant',
    15: 'Sparse',
    16: 'Entry',
  },
  Node: { 5: 'Attribute', 9: 'Entry' },
  Attribute: {
    5: 'Tensor',
    6: 'Graph',
    10: 'Tensor',
    11: 'Graph',
    14: 'Type',
    15: 'Type',
    22: 'Sparse',
    23: 'Sparse',
  },
  Tensor: { 3: 'Segment', 13: 'Entry', 16: 'Entry' },
  Info: { 2: 'Type', 4: 'Entry' },
  Type: { 1: 'TensorType', 4: 'Sequence', 5: 'MapType', 8: 'TensorType', 9: 'Sequence' },
  TensorType: { 2: 'Shape' },
  Sequence: { 1: 'Type' },
  MapType: { 2: 'Type' },
  Shape: { 1: 'Dim' },
  Dim: {},
  Function: { 7: 'Node', 9: 'Opset', 11: 'Attribute', 12: 'Info', 14: 'Entry' },
  Training: { 1: 'Graph', 2: 'Graph', 3: 'Entry', 4: 'Entry' },
  Sparse: { 1: 'Tensor', 2: 'Tensor' },
  Quant: { 2: 'Entry' },
  Opset: {},
  Entry: {},
  Segment: {},
  // TensorBoard's
  Event: { 5: 'Summary', 7: 'SessionLog' },
  Summary: { 1: 'SummaryValue' },
  SummaryValue: { 8: 'TensorProto', 9: 'SummaryMetadata' },
  SummaryMetadata: { 1: 'Plugin' },
  Plugin: { 2: 'Hparams' },
  Hparams: { 3: 'Hparams', 1: 'Hparams', 2: 'Hparams' },
  SessionLog: {},
  TensorProto: {},
} as const;

export interface Message {
  readonly kind: Kind;
  readonly fields: Field[];
}

export interface Field {
  number: number;
  wire: number;
  payload: bigint | Uint8Array | Message;
  /** added to the length that is written */
  lie: number;
  /** continuation bytes that a varint is padded with */
  padding: number;
}

export function isMessage(payload: Field['payload']): payload is Message {
  return typeof payload === 'object' && 'fields' in payload;
}

/** The kind of message that a field of a message is, or null. */
export function childKind(kind: Kind, field: number): Kind | null {
  const children: Readonly<Record<number, Kind>> = CHILDREN[kind];
  return children[field] ?? null;
}

/** The tree of a well-formed message. */
export function decode(bytes: Uint8Array, kind: Kind): Message {
  const fields: Field[] = [];
  let pos = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[pos++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (pos < bytes.byteLength) {
    const tag = Number(varint());
    const [number, wire] = [tag >> 3, tag & 7];
    let payload: Field['payload'];
    if (wire === 0) payload = varint();
    else {
      const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : 4;
      const body = bytes.subarray(pos, (pos += length));
      const child = wire === 2 ? childKind(kind, number) : null;
      payload = child ? decode(body, child) : body;
    }
    fields.push({ number, wire, payload, lie: 0, padding: 0 });
  }
  return { kind, fields };
}

export function encode({ fields }: Message): Buffer {
  return Buffer.concat(fields.flatMap(encodeField));
}

function encodeField({ number, wire, payload, lie, padding }: Field): Uint8Array[] {
  const tag = varintBytes(BigInt(number) * 8n + BigInt(wire), 0);
  if (typeof payload === 'bigint') return [tag, varintBytes(payload, padding)];
  const body = isMessage(payload) ? encode(payload) : payload;
  // another wire type than 2 is written for a field whose bytes no longer match its tag
  return wire === 2 ? [tag, varintBytes(BigInt(body.byteLength + lie), padding), body] : [tag, body];
}

/** A varint of 64 bits (two's complement), padded with bytes that add nothing. */
export function varintBytes(value: bigint, padding: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  } while (rest > 0n);
  for (let i = 0; i < padding; i++) bytes.push(0x80);
  bytes[bytes.length - 1]! &= 0x7f;
  return Uint8Array.from(bytes);
}

/** Every message of a tree with the depth it is at, the outermost first. */
export function* messages(root: Message): Iterable<Message> {
  yield root;
  for (const { payload } of root.fields) if (isMessage(payload)) yield* messages(payload);
}

/** A copy that can be changed without changing the original. */
export function clone(message: Message): Message {
  return {
    kind: message.kind,
    fields: message.fields.map((field) => ({
      ...field,
      payload: isMessage(field.payload) ? clone(field.payload) : field.payload,
    })),
  };
}
