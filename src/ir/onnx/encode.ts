import type { Int } from '../attr.js';
import { utf8Bytes } from '../bytes.js';
import type { ByteSource, Carried, RawField } from '../carried.js';
import type { ByteSink, TensorData } from '../tensor.js';
import { copyPart } from './source.js';
import { tag } from './types.js';

type Part =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'range'; readonly source: ByteSource; readonly offset: number; length: number }
  | { readonly kind: 'tensor'; readonly data: TensorData };

/** Small fields gather here before they become a part. */
const SMALL = 1 << 16;
/** Room that a message begins with; most are nodes. */
const FIRST = 512;
/** Up to this many characters a loop over them is cheaper than a call of the encoder. */
const SHORT = 128;

/** Buffers of messages that became fields of others, to be filled again. */
const spare: Uint8Array[] = [];

/**
 * A protobuf message under construction: encoded fields, ranges to be copied from the input, and tensor payloads that
 * are streamed. Its length is known before anything is written, so messages of any size are written in one pass.
 */
export class ProtoMessage {
  length = 0;
  readonly #parts: Part[] = [];
  /** fields that are not a part yet: the first `#used` bytes of `#bytes` */
  #bytes: Uint8Array = spare.pop() ?? new Uint8Array(FIRST);
  #used = 0;

  int(field: number, value: Int): this {
    this.#varint(field << 3);
    if (typeof value === 'number' && value >= 0) return this.#varint(value);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 0x7fffffffn) {
      this.#room(1);
      this.#bytes[this.#used++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    return this.#varint(Number(rest));
  }

  float(field: number, value: number): this {
    this.#varint((field << 3) | 5).#room(4);
    const { buffer, byteOffset } = this.#bytes;
    new DataView(buffer, byteOffset).setFloat32(this.#used, value, true);
    this.#used += 4;
    return this;
  }

  string(field: number, value: string): this {
    this.#varint(tag(field));
    const { length } = value;
    if (length <= SHORT) {
      this.#room(length + 1);
      const bytes = this.#bytes;
      // a length below 128 has one byte; text that turns out not to be ASCII is written again
      let at = this.#used;
      bytes[at++] = length;
      let all = length < 0x80 ? 0 : 0x80;
      for (let k = 0; k < length; k++) {
        const code = value.charCodeAt(k);
        all |= code;
        bytes[at++] = code;
      }
      if (all < 0x80) {
        this.#used = at;
        return this.#spill();
      }
    }
    return this.#field(utf8Bytes(value));
  }

  /** A string that proto2 presence rules let us leave out when empty. */
  text(field: number, value: string): this {
    return value === '' ? this : this.string(field, value);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#varint(tag(field)).#field(value);
  }

  entry(field: number, key: string, value: string): this {
    return this.message(field, new ProtoMessage().string(1, key).string(2, value));
  }

  /** A message as a field; `inner` is not used after that. */
  message(field: number, inner: ProtoMessage): this {
    this.#varint(tag(field)).#varint(inner.length + inner.#used);
    if (inner.#parts.length > 0) {
      inner.#flush();
      this.#flush();
      for (const part of inner.#parts) this.#push(part);
      return this;
    }
    this.#append(inner.#bytes, inner.#used);
    if (inner.#bytes.byteLength <= SMALL && spare.length < 16) spare.push(inner.#bytes);
    return this.#spill();
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
    const copied = new Set<ByteSource>();
    for (const part of this.#parts) {
      if (part.kind === 'bytes') sink.write(part.bytes);
      else if (part.kind === 'range') {
        copyPart(part.source, part.offset, part.length, sink);
        copied.add(part.source);
      } else {
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
    // one question for all ranges of a file
    for (const source of copied) source.checkUnchanged?.();
  }

  /** Length so far, everything included. */
  size(): number {
    this.#flush();
    return this.length;
  }

  /** A length can exceed 32 bits while the caller decides what to move out of the file. */
  #header(field: number, length: number): void {
    // beyond what protobuf allows: written out so that the whole has a size, which the caller refuses
    this.#varint(tag(field)).#varint(length).#flush();
  }

  /** A natural number that is a safe integer. */
  #varint(value: number): this {
    this.#room(10);
    let rest = value;
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) {
      this.#bytes[this.#used++] = (rest % 128) | 0x80;
    }
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[this.#used++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#used++] = rest;
    return this;
  }

  /** What follows the tag of a field of bytes. */
  #field(value: Uint8Array): this {
    return this.#varint(value.byteLength).#append(value, value.byteLength).#spill();
  }

  #append(bytes: Uint8Array, length: number): this {
    this.#room(length);
    this.#bytes.set(length === bytes.byteLength ? bytes : bytes.subarray(0, length), this.#used);
    this.#used += length;
    return this;
  }

  /** Makes place for that number of bytes more. */
  #room(length: number): void {
    const wanted = this.#used + length;
    if (wanted <= this.#bytes.byteLength) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * this.#bytes.byteLength));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
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
    if (this.#used > SMALL) this.#flush();
    return this;
  }

  /** Makes a part of the fields that are none yet. */
  #flush(): void {
    if (this.#used === 0) return;
    const bytes = this.#bytes.slice(0, this.#used);
    this.#used = 0;
    this.#push({ kind: 'bytes', bytes });
  }
}
