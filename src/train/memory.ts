import { totalmem } from 'node:os';
import type { Signature } from './signature.js';

/** Base models from this size on are trained with care for memory, smaller ones as fast as possible. */
const LARGE_BASE = 2 ** 26;
/** Copies of the matrices of a base that a run packs: forward and backward in training, forward in evaluation. */
const PACKED_COPIES = 3;
/** The part of the machine's memory that these may take. */
const PACKED_SHARE = 1 / 4;

/** Whether a base with that number of bytes is a large one. */
function isLargeBase(byteLength: number): boolean {
  return byteLength >= LARGE_BASE;
}

/** Bytes of memory that this process may use: of the machine, or of its container. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * Whether a base of that many bytes is trained with `SessionOptions.lowMemory` unless a user decides: its packed copies would take
 * more than a quarter of `memory`, the bytes that this process may use. Products take an eighth longer then.
 */
export function wantsLowMemory(byteLength: number, memory: number = usableMemory()): boolean {
  return isLargeBase(byteLength) && PACKED_COPIES * byteLength > PACKED_SHARE * memory;
}

/** How a session for a training directory uses memory. */
export interface MemoryUse {
  readonly lowMemory: boolean;
  readonly memoryPattern: boolean;
}

/**
 * `lowMemory` is what the user decided; by default see `wantsLowMemory`. Matrices in 8 bits are always packed: they are a
 * quarter of their size, and packing them in each run would take as long as their products. `processes`: how many share the memory.
 */
export function memoryUse({ base, baseProducts }: Signature, lowMemory?: boolean, processes = 1): MemoryUse {
  const bytes = base.reduce((total, { byteLength }) => total + byteLength, 0);
  return {
    lowMemory: baseProducts ? false : (lowMemory ?? wantsLowMemory(bytes, usableMemory() / processes)),
    memoryPattern: !isLargeBase(bytes),
  };
}
