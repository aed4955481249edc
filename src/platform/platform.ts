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
  join(folder: string, path: string): string;
  /** The way from a folder to a file with slashes between names, as ONNX has it. */
  locationFrom(folder: string, path: string): string;
  /** The folder of the model file at a path. Throws LOTR1101 where there are no files at paths. */
  folderOf(modelPath: string): ModelFolder;
}
