/**
 * How read -> write is lossless: every object that was read keeps a reference to its bytes and the fields that
 * the IR does not model. An object that was not edited is written by copying its bytes; an edited one is encoded again
 * and its unmodelled fields are appended byte for byte.
 */

/** Random access to bytes that may be larger than memory. */
export interface ByteSource {
  /** the file's path, or a label in angle brackets for bytes in memory */
  readonly path: string;
  readonly size: number;
  /** Exactly `length` bytes at `offset`; possibly a view that the caller must not change. Throws a diagnostic when out of range. */
  read(offset: number, length: number): Uint8Array;
  /** Fills `into` from `offset`, of sources that copy anyway; the caller has checked the range. */
  readInto?(into: Uint8Array, offset: number): void;
  /** Of sources that may change: throws LOTR1006 when it is no longer what it was at first. */
  checkUnchanged?(): void;
}

/** One field that the IR does not model: its bytes, tag included, where they are in the file. */
export interface RawField {
  readonly field: number;
  readonly source: ByteSource;
  readonly offset: number;
  readonly length: number;
}

/** Where an object's message is, and which of its fields are not modelled. */
export interface Carried {
  readonly source: ByteSource;
  /** offset of the field's tag; equal to `offset` for the model itself */
  readonly start: number;
  /** offset of the message body, after tag and length prefix */
  readonly offset: number;
  /** length of the body */
  readonly length: number;
  readonly unknown: readonly RawField[];
}

/** The form of a tensor in its file: its TensorProto and, for external data, the entries that named the place. */
export interface TensorCarried extends Carried {
  readonly name: string;
  readonly docString: string;
  readonly metadata: readonly (readonly [string, string])[];
  /** entries of `external_data` in order; null when the data is inline */
  readonly external: readonly (readonly [string, string])[] | null;
}

/** A list of unmodelled fields when there are none. */
export const NO_FIELDS: readonly RawField[] = [];
