import protobuf from 'protobufjs/minimal.js';

/** A field of a protobuf message: field number * 8 + wire type, and the reader, which is positioned before its value. */
export interface ProtoField {
  readonly tag: number;
  readonly reader: protobuf.Reader;
}

/** The fields of a message in order. A value that the loop's body does not read is passed over. */
export function* fields(bytes: Uint8Array): Generator<ProtoField> {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const before = reader.pos;
    yield { tag, reader };
    if (reader.pos === before) reader.skipType(tag & 7);
  }
}
