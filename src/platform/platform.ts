import type { NamedFiles } from '../ir/files/named-files.js';
import type { ModelFolder } from '../ir/onnx/model-folder.js';

/** SHA-256 over bytes and UTF-8 texts, one after another. */
export interface Sha256 {
  update(data: Uint8Array | string): Sha256;
  /** the 32 bytes; nothing is added after that */
  digest(): Uint8Array;
}

/** What every platform has; see the README of this folder. */
export interface Platform {
  sha256(): Sha256;
  /** Whether two stretches of bytes are equal. */
  sameBytes(a: Uint8Array, b: Uint8Array): boolean;
  /** The text of ASCII bytes from `from` up to `to`, as fast as the platform can. */
  asciiText(bytes: Uint8Array, from: number, to: number): string;
  basename(path: string): string;
  dirname(path: string): string;
  /** The ending of a path with its dot; nothing where there is none. */
  extname(path: string): string;
  join(folder: string, path: string): string;
  /** The way from a folder to a file with slashes between names, as ONNX has it. */
  locationFrom(folder: string, path: string): string;
  /** The folder of the model file at a path. Throws LOTR1101 where there are no files at paths. */
  folderOf(modelPath: string): ModelFolder;
  /** Files at paths; there are none where there is no disk. */
  readonly diskFiles: NamedFiles;
  /** Whether what is held leaves too little of the memory for objects. */
  heapIsFull(): boolean;
  /** MiB that objects may take. */
  heapLimit(): number;
  /**
   * Gives the bytes that a packed file holds, from its own; null where such files are not read. What it gives throws Unreadable for
   * bytes that are not packed so.
   */
  unpacker(
    packing: 'gzip' | 'zstd',
  ): ((packed: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>) | null;
  /** Does work that computes only, and gives what it returns. Throws TooLong where work can be stopped, and what the work throws. */
  withinTime<T>(seconds: number, work: () => T): T;
  /** Ends when signals, timers and messages had their turn. */
  nextTurn(): Promise<void>;
}
