import type { ByteSource } from '../carried.js';

/** Files by the names that a user gives them: on disk, or those that a page was given. */
export interface NamedFiles {
  has(name: string): boolean;
  /** A regular file whole. Throws {@link Unreadable}. */
  read(name: string): Uint8Array;
  /** A regular file of which parts are read; throws as `FileSource`. */
  source(name: string): ByteSource & { close(): void };
  /**
   * A file to be read once, from its start to its end. `regularOnly`: a stranger named it, and opening does not wait for a pipe.
   * Throws errors of the system, {@link Unreadable} where there is no such name.
   */
  open(name: string, regularOnly: boolean): Promise<OpenedFile>;
}

export interface OpenedFile {
  /** null: a pipe or a device, whose end is not known */
  readonly size: number | null;
  /** The next bytes; none at the end. */
  next(): Promise<Uint8Array>;
  /** Whether it still is the file that was opened. */
  unchanged(): Promise<boolean>;
  close(): Promise<void>;
}
