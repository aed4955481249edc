import type { ByteSource } from '../carried.js';

/**
 * FlatBuffers (https://flatbuffers.dev/internals) with every offset and length checked against the file before it is
 * followed. Tables are named by their position, fields by their number in the schema.
 */
export class FlatReader {
  constructor(
    readonly source: ByteSource,
    /** reports a place in the file and what is wrong there; does not return */
    readonly refuse: (offset: number, why: string) => never,
  ) {}

  /** Position of the root table. */
  root(identifier: string): number {
    const found = this.source.size < 8 ? '' : Buffer.from(this.source.read(4, 4)).toString('latin1');
    if (found !== identifier) this.refuse(0, `it does not carry the identifier "${identifier}"`);
    return this.#target(0);
  }

  /** An int32 field; 0 when it is absent. */
  int32(table: number, field: number): number {
    const at = this.#field(table, field);
    return at === null ? 0 : this.#view(at, 4).getInt32(0, true);
  }

  /** A string field as text; null when it is absent. */
  text(table: number, field: number): string | null {
    const found = this.bytes(table, field);
    if (!found) return null;
    try {
      const bytes = this.source.read(found.offset, found.length);
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return this.refuse(found.offset, 'a string is not UTF-8');
    }
  }

  /** A vector of at most `most` int64 as numbers, empty when it is absent; numbers that are not safe integers are refused. */
  int64s(table: number, field: number, most: number): readonly number[] {
    const found = this.#vector(table, field, 8);
    if (!found) return [];
    if (found.count > most)
      this.refuse(found.offset, `a vector has ${found.count} numbers, more than ${most}`);
    const view = this.#view(found.offset, 8 * found.count);
    return Array.from({ length: found.count }, (_, k) => {
      const value = Number(view.getBigInt64(8 * k, true));
      return Number.isSafeInteger(value)
        ? value
        : this.refuse(found.offset + 8 * k, 'a number is beyond 2^53');
    });
  }

  /** Where the bytes of a string or byte vector lie; null when it is absent. */
  bytes(table: number, field: number): { offset: number; length: number } | null {
    const found = this.#vector(table, field, 1);
    return found && { offset: found.offset, length: found.count };
  }

  /** Positions of the tables in a vector of tables, empty when it is absent. */
  tables(table: number, field: number): readonly number[] {
    const found = this.#vector(table, field, 4);
    if (!found) return [];
    return Array.from({ length: found.count }, (_, k) => this.#target(found.offset + 4 * k));
  }

  #vector(table: number, field: number, width: number): { offset: number; count: number } | null {
    const at = this.#field(table, field);
    if (at === null) return null;
    const start = this.#target(at);
    const count = this.#view(start, 4).getUint32(0, true);
    if (start + 4 + count * width > this.source.size) {
      this.refuse(start, `a vector of ${count} elements reaches beyond the end of the file`);
    }
    return { offset: start + 4, count };
  }

  /** Position of a field within a table, by way of its vtable; null when the field is absent. */
  #field(table: number, field: number): number | null {
    const vtable = table - this.#view(table, 4).getInt32(0, true);
    const head = this.#view(vtable, 4);
    const [size, length] = [head.getUint16(0, true), head.getUint16(2, true)];
    const entry = 4 + 2 * field;
    if (size < 4 || length < 4) this.refuse(vtable, 'a table description is too short');
    if (entry + 2 > size) return null;
    const offset = this.#view(vtable + entry, 2).getUint16(0, true);
    if (offset === 0) return null;
    if (offset + 4 > length) this.refuse(vtable + entry, 'a field lies outside its table');
    return table + offset;
  }

  /** What the forward offset stored at a position points to. */
  #target(at: number): number {
    const distance = this.#view(at, 4).getUint32(0, true);
    if (distance < 4 || at + distance + 4 > this.source.size) {
      this.refuse(at, `an offset of ${distance} leads out of the file`);
    }
    return at + distance;
  }

  #view(offset: number, length: number): DataView {
    if (offset < 0 || offset + length > this.source.size) {
      this.refuse(offset, `${length} bytes are needed here and the file has ${this.source.size}`);
    }
    const bytes = this.source.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }
}
