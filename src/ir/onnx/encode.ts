import protobuf from 'protobufjs/minimal.js';
import type { Int } from '../attr.js';
import type { ByteSource, Carried, RawField } from '../carried.js';
import type { ByteSink, TensorData } from '../tensor.js';
import { copyRange } from './source.js';
import { tag } from './types.js';

type Part =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'range'; readonly source: ByteSource; readonly offset: number; length: number }
  | { readonly kind: 'tensor'; readonly data: TensorData };

/** Small fields gather here before they become a part. */
const SMALL = 1 << 16;

/**
 * A protobuf message under construction: encoded fields, ranges to be copied from the input, and tensor payloads that
 * are streamed. Its length is known before anything is written, so messages of any size are written in one pass.
 */
export class ProtoMessage {
  length = 0;
  readonly #parts: Part[] = [];
  #writer = protobuf.Writer.create();

  int(field: number, value: Int): this {
    const big = BigInt.asUintN(64, BigInt(value));
    this.#writer.uint32(field << 3);
    this.#writer.uint64({ low: Number(big & 0xffffffffn) | 0, high: Number(big >> 32n) | 0, unsigned: true });
    return this;
  }

  float(field: number, value: number): this {
    this.#writer.uint32((field << 3) | 5).float(value);
    return this;
  }

  string(field: number, value: string): this {
    this.#writer.uint32(tag(field)).string(value);
    return this.#spill();
  }

  /** A string that proto2 presence rules let us leave out when empty. */
  text(field: number, value: string): this {
    return value === '' ? this : this.string(field, value);
  }

  bytes(field: number, value: Uint8Array): this {
    this.#writer.uint32(tag(field)).bytes(value);
    return this.#spill();
  }

  entry(field: number, key: string, value: string): this {
    return this.message(field, new ProtoMessage().string(1, key).string(2, value));
  }

  message(field: number, inner: ProtoMessage): this {
    inner.#flush();
    this.#writer.uint32(tag(field)).uint32(inner.length);
    this.#flush();
    for (const part of inner.#parts) this.#push(part);
    return this;
  }

  /** Tensor elements as a length-delimited field, streamed when the message is written. */
  payload(field: number, data: TensorData): this {
    this.#header(field, data.byteLength);
    this.#push({ kind: 'tensor', data });
    return this;
  }

  /** A field of the input, tag included. */
  copy(carried: Carried): this {
    return this.#range(carried.source, carried.start, carried.offset + carried.length - carried.start);
  }

  raw(fields: readonly RawField[]): this {
    for (const field of fields) this.#range(field.source, field.offset, field.length);
    return this;
  }

  writeTo(sink: ByteSink): void {
    this.#flush();
    for (const part of this.#parts) {
      if (part.kind === 'bytes') sink.write(part.bytes);
      else if (part.kind === 'range') copyRange(part.source, part.offset, part.length, sink);
      else {
        let written = 0;
        part.data.copyTo({
          write: (chunk) => {
            written += chunk.byteLength;
            sink.write(chunk);
          },
        });
        if (written !== part.data.byteLength) {
          throw new Error(`a tensor of ${part.data.byteLength} bytes delivered ${written}`);
        }
      }
    }
  }

  /** Length so far, everything included. */
  size(): number {
    this.#flush();
    return this.length;
  }

  /** A length can exceed 32 bits while the caller decides what to move out of the file. */
  #header(field: number, length: number): void {
    this.#writer.uint32(tag(field));
    // beyond what protobuf allows: written out so that the whole has a size, which the caller refuses
    if (length > 0xffffffff) this.#writer.uint64(length);
    else this.#writer.uint32(length);
    this.#flush();
  }

  #range(source: ByteSource, offset: number, length: number): this {
    this.#flush();
    const last = this.#parts.at(-1);
    // neighbours in the input are copied in one read
    if (last?.kind === 'range' && last.source === source && last.offset + last.length === offset) {
      last.length += length;
      this.length += length;
    } else this.#push({ kind: 'range', source, offset, length });
    return this;
  }

  #push(part: Part): void {
    const copy = part.kind === 'range' ? { ...part } : part;
    this.#parts.push(copy);
    this.length +=
      part.kind === 'bytes'
        ? part.bytes.byteLength
        : part.kind === 'range'
          ? part.length
          : part.data.byteLength;
  }

  #spill(): this {
    if (this.#writer.len > SMALL) this.#flush();
    return this;
  }

  #flush(): void {
    if (this.#writer.len === 0) return;
    const bytes = this.#writer.finish();
    this.#writer = protobuf.Writer.create();
    this.#push({ kind: 'bytes', bytes });
  }
}
