import type { ArrayDecl } from '../../../src/backends/kernel/ir/kir.js';
import { WARP } from '../../../src/backends/kernel/ir/units.js';
import type { Thread } from './memory.js';

/**
 * Number of banks of workgroup memory: this many invocations are served at once when they access different banks. A
 * bank is 4 bytes wide.
 */
const BANKS = 32;
const BYTES = { f32: 4, u32: 4, f16: 2, bf16: 2 } as const;

/**
 * Counts bank conflicts: invocations of a warp that access different words of one bank at once wait for one another. The
 * n-th accesses of all invocations since a barrier count as simultaneous, which is exact where all take the same branches.
 */
export class Banks {
  readonly #first = new Map<string, { readonly at: number; readonly bytes: number }>();
  /** words accessed, by number of the access and warp */
  readonly #asked = new Map<string, Set<number>>();
  readonly #turns = new Map<number, number>();

  constructor(
    arrays: readonly ArrayDecl[],
    readonly threads: number,
  ) {
    let at = 0;
    for (const { name, space, size, elem = 'f32', vector } of arrays) {
      if (space !== 'workgroup') continue;
      const bytes = BYTES[elem] * (vector ? 4 : 1);
      this.#first.set(name, { at, bytes });
      // an array begins at a multiple of 16 bytes
      at += 16 * Math.ceil((size * bytes) / 16);
    }
  }

  /** An element of an array, or `count` neighbours at once, are read or written; register arrays have no banks. Returns the index. */
  touch(array: string, index: number, { global }: Thread, count = 1): number {
    const first = this.#first.get(array);
    if (!first) return index;
    const turn = this.#turns.get(global) ?? 0;
    this.#turns.set(global, turn + 1);
    const wide = Math.ceil((first.bytes * count) / 4);
    // of vectors as many invocations are served at once as ask for a word of every bank
    const key = `${turn} ${Math.floor((global % this.threads) / (WARP / wide))}`;
    const words = this.#asked.get(key) ?? new Set();
    const from = Math.floor((first.at + index * first.bytes) / 4);
    for (let word = 0; word < wide; word++) words.add(from + word);
    this.#asked.set(key, words);
    return index;
  }

  /** The conflicts since the last barrier: additional accesses that a warp had to make. */
  take(): number {
    let conflicts = 0;
    for (const words of this.#asked.values()) {
      const each = new Uint32Array(BANKS);
      for (const word of words) each[word % BANKS]!++;
      conflicts += Math.max(...each) - 1;
    }
    this.#asked.clear();
    this.#turns.clear();
    return conflicts;
  }
}
