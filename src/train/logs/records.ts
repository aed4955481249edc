import { closeSync, readSync } from 'node:fs';
import { cannotRead } from '../../ir/codes/load.js';
import { fail } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';
import { openRegular } from '../../ir/files/regular.js';
import { Unreadable } from '../../ir/files/unreadable.js';
import { maskedCrc32c } from './crc32c.js';

/** TFRecord framing: length u64, masked crc32c of it, data, masked crc32c of the data, all little-endian. */
const HEAD = 12;
const TAIL = 4;
const CHUNK = 1 << 20;

export function framed(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(HEAD + data.byteLength + TAIL);
  record.writeBigUInt64LE(BigInt(data.byteLength));
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, HEAD);
  record.writeUInt32LE(maskedCrc32c(data), HEAD + data.byteLength);
  return record;
}

/** A record, or a place where one should be and is not whole. `end` is the offset of what follows. */
export type Framed =
  | { readonly at: number; readonly end: number; readonly data: Uint8Array }
  | { readonly at: number; readonly end: number; readonly damage: string };

/**
 * Records of a file in order, every checksum checked. A record whose data is damaged is passed over; after a damaged
 * length nothing can be found, so that ends the file, as does a record that is cut off. Throws LOTR1002 when the file
 * cannot be read.
 */
export function* readRecords(file: string): Generator<Framed> {
  const bytes = new FileBytes(file);
  try {
    for (let at = 0; at < bytes.size; ) {
      const broken = (damage: string): Framed => ({ at, end: bytes.size, damage });
      if (at + HEAD > bytes.size) return yield broken('the file ends within a record');
      const head = bytes.range(at, HEAD);
      if (head.readUInt32LE(8) !== maskedCrc32c(head.subarray(0, 8)))
        return yield broken('the checksum of a record length does not fit');
      const length = Number(head.readBigUInt64LE(0));
      const end = at + HEAD + length + TAIL;
      if (end > bytes.size) return yield broken('the file ends within a record');
      const rest = bytes.range(at + HEAD, length + TAIL);
      const data = rest.subarray(0, length);
      if (rest.readUInt32LE(length) === maskedCrc32c(data)) yield { at, end, data };
      else yield { at, end, damage: 'the checksum of a record does not fit' };
      at = end;
    }
  } finally {
    bytes.close();
  }
}

/** A file read forward in large pieces. */
class FileBytes {
  readonly size: number;
  readonly #fd: number;
  readonly #file: string;
  #buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: string) {
    this.#file = file;
    const { fd, stat } = this.#try(() => openRegular(file));
    this.#fd = fd;
    this.size = Number(stat.size);
  }

  /** Bytes that lie in the file; they hold until the next call. */
  range(at: number, length: number): Buffer {
    if (at < this.#start || at + length > this.#start + this.#buffer.byteLength) {
      const wanted = Buffer.alloc(Math.max(length, Math.min(CHUNK, this.size - at)));
      let done = 0;
      while (done < wanted.byteLength) {
        const got = this.#try(() => readSync(this.#fd, wanted, done, wanted.byteLength - done, at + done));
        if (got === 0) break; // the file became shorter: what is missing reads as zeros, which no checksum fits
        done += got;
      }
      this.#buffer = wanted;
      this.#start = at;
    }
    return this.#buffer.subarray(at - this.#start, at - this.#start + length);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #try<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!isSystemError(error) && !(error instanceof Unreadable)) throw error;
      return fail(cannotRead({ file: this.#file, why: error.message }));
    }
  }
}
