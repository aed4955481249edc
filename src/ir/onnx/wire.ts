import { asciiText } from '#platform';
import type { Int } from '../attr.js';
import type { ByteSource } from '../carried.js';
import { limitExceeded, malformed } from '../codes/load.js';
import { fail } from '../diagnostics.js';

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** Reads go through a window of this size; payloads larger than it are never loaded by the scanner. */
const WINDOW = 256 << 10;
/** Names and documentation: far above any exporter's, and small enough to hold. */
const MAX_STRING = 64 << 20;

/** Up to this many bytes a loop over them is cheaper than a call of the decoder. */
const SHORT = 256;

/** Number of names that a scanner remembers; a power of two. */
const KNOWN = 4096;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Protobuf wire format (protobuf.dev/programming-guides/encoding), read by position; payloads can be skipped unread. */
export class Scanner {
  pos: number;
  /** wire type of the last tag that was read */
  wire = 0;
  #window: Uint8Array = new Uint8Array(0);
  /** a window of a file, which is filled again for the next part */
  #own: Uint8Array | null = null;
  #from = 0;
  #to = 0;
  /** names that were read a short while ago: see `name` */
  readonly #names: string[] = new Array(KNOWN).fill('');

  constructor(
    readonly source: ByteSource,
    start: number,
  ) {
    this.pos = start;
  }

  fail(why: string, offset = this.pos): never {
    return fail(malformed({ file: this.source.path, offset, why }));
  }

  exceeds(what: string, limit: string): never {
    return fail(limitExceeded({ file: this.source.path, offset: this.pos, what, limit }));
  }

  byte(): number {
    const pos = this.pos;
    if (pos < this.#from || pos >= this.#to) this.#load(pos);
    this.pos = pos + 1;
    return this.#window[pos - this.#from]!;
  }

  #load(pos: number): void {
    if (pos >= this.source.size) this.fail('the file ends in the middle of a field');
    const { source } = this;
    const length = Math.min(WINDOW, source.size - pos);
    const own = this.#own;
    this.#from = this.#to = 0; // nothing is in the window while it is filled
    if (source.readInto && own?.byteLength === length) {
      source.readInto(own, pos);
      this.#window = own;
    } else {
      this.#window = source.read(pos, length);
      this.#own = source.readInto ? this.#window : null;
    }
    this.#from = pos;
    this.#to = pos + length;
  }

  /** An unsigned varint as number; values above 2^53 lose low bits, so use it for tags, lengths and enums only. */
  uint(): number {
    const start = this.pos;
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let factor = 128, count = 1; ; factor *= 128, count++) {
      if (count >= 10) this.fail('a varint has more than 10 bytes', start);
      byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  /** True when the length prefix at the cursor is 0; the cursor stays. */
  peekEmpty(): boolean {
    const pos = this.pos;
    const empty = this.byte() === 0;
    this.pos = pos;
    return empty;
  }

  /** A signed 64-bit varint (int64): a number when it is a safe integer, else a bigint. */
  int64(): Int {
    const start = this.pos;
    let low = 0;
    let high = 0;
    for (let count = 0; ; count++) {
      if (count >= 10) this.fail('a varint has more than 10 bytes', start);
      const byte = this.byte();
      const bits = byte & 0x7f;
      if (count < 4) low |= bits << (7 * count);
      else if (count === 4) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (7 * count - 32);
      if (byte < 0x80) break;
    }
    return int64Of(low >>> 0, high | 0);
  }

  /** A 32-bit enum or int32; int32 is sign-extended on the wire. */
  int32(): number {
    return Number(BigInt.asIntN(32, BigInt(this.int64())));
  }

  /** A length prefix; the payload must end at or before `end`. */
  length(end: number): number {
    const start = this.pos;
    const length = this.uint();
    if (this.pos + length > end) {
      this.fail(`a length of ${length} bytes runs past the end of the enclosing message`, start);
    }
    return length;
  }

  /** The bytes [pos, pos + length), copied out of the window. */
  bytes(length: number): Uint8Array {
    if (length > MAX_STRING) this.exceeds(`a string of ${length} bytes`, `${MAX_STRING} bytes`);
    const pos = this.pos;
    this.pos = pos + length;
    if (pos >= this.#from && pos + length <= this.#to) {
      return this.#window.slice(pos - this.#from, pos - this.#from + length);
    }
    if (length > WINDOW) return this.source.read(pos, length).slice();
    if (length === 0) return new Uint8Array(0);
    this.#load(pos);
    if (pos + length > this.#to) this.fail('the file ends in the middle of a field', pos);
    return this.#window.slice(0, length);
  }

  string(length: number): string {
    const start = this.pos;
    const from = start - this.#from;
    if (from >= 0 && start + length <= this.#to && length <= SHORT) {
      // nearly all names are ASCII: no copy and no decoder for them
      if (isAscii(this.#window, from, length)) {
        this.pos = start + length;
        return asciiText(this.#window, from, from + length);
      }
    }
    const raw = this.bytes(length);
    try {
      return utf8.decode(raw);
    } catch {
      return this.fail('a name or text is not valid UTF-8', start);
    }
  }

  /**
   * As {@link string}, for names that a file repeats: of operators, and of values, which are read soon after they are
   * made. One that was read a short while ago is not made again, so that equal names are mostly one string.
   */
  name(length: number): string {
    const from = this.pos - this.#from;
    if (from < 0 || this.pos + length > this.#to || length > SHORT || length === 0)
      return this.string(length);
    const bytes = this.#window;
    // a sample of the bytes will do, as what is found is compared
    let hash = length;
    for (let at = from + length - 1, step = 1 + (length >> 4); at >= from; at -= step) {
      hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
    }
    const slot = (hash ^ (hash >>> 12)) & (KNOWN - 1);
    const known = this.#names[slot]!;
    if (known.length === length && isText(known, bytes, from)) {
      this.pos += length;
      return known;
    }
    const text = this.string(length);
    this.#names[slot] = text;
    return text;
  }

  /** float32 from a FIXED32 field. */
  float32(): number {
    const raw = this.bytes(4);
    return new DataView(raw.buffer, raw.byteOffset, 4).getFloat32(0, true);
  }

  /** Skips a field's payload, bounded by `end`. */
  skip(wire: number, end: number): void {
    if (wire === VARINT) this.uint();
    else if (wire === BYTES) {
      const length = this.length(end);
      this.pos += length;
    } else this.pos += wire === FIXED64 ? 8 : 4;
    if (this.pos > end) this.fail('a field runs past the end of the enclosing message');
  }

  /** Reads a tag: [field number, wire type]. Refuses field 0 and the group wire types, which ONNX never uses. */
  tag(): [number, number] {
    const field = this.field();
    return [field, this.wire];
  }

  /** As {@link tag}: returns the field number and leaves the wire type in `wire`, so that nothing is made for each field. */
  field(): number {
    const start = this.pos;
    const tag = this.uint();
    const wire = tag & 7;
    const field = Math.floor(tag / 8);
    if (field === 0 || field > 0x1fffffff) this.fail(`field number ${field} is not allowed`, start);
    if (wire !== VARINT && wire !== FIXED64 && wire !== BYTES && wire !== FIXED32) {
      this.fail(`wire type ${wire} is not used by ONNX`, start);
    }
    this.wire = wire;
    return field;
  }
}

/** Whether the bytes from there on are that text in ASCII. */
function isText(text: string, bytes: Uint8Array, from: number): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== bytes[from + at] || code > 0x7f) return false;
  }
  return true;
}

function isAscii(bytes: Uint8Array, from: number, length: number): boolean {
  for (let at = from; at < from + length; at++) if (bytes[at]! > 0x7f) return false;
  return true;
}

/** Combines two 32-bit halves of a two's complement 64-bit integer. */
function int64Of(low: number, high: number): Int {
  const value = high * 4294967296 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}
