import type { ByteSource } from '../carried.js';

/** Where the external data of a model lies: the names that its tensors give, and the bytes behind them. */
export interface ModelFolder {
  /**
   * What the file of that name is called in `TensorOrigin`; nothing need be there. Throws LOTR1101 when a name may not be
   * followed. `tensor` is for the message.
   */
  resolve(tensor: string, location: string): string;
  /** The bytes at a name, at least `end` of them. Throws LOTR1101, LOTR1102 when they are not there. */
  open(tensor: string, location: string, end: number): ByteSource;
}

/** Why a location is not a relative path, as its text shows; null for one that may be followed. */
export function locationProblem(location: string): string | null {
  if (location === '') return 'which names no file';
  if (location.includes('\0')) return 'which holds a zero character';
  return /^[A-Za-z]:|^[\\/]/.test(location) ? 'an absolute path' : null;
}
