import { joinedRows, orthonormalRows, productTransposed } from './dense.js';
import { fixSigns, symmetricEigen } from './eigen.js';
import { normalQuantile } from './normal.js';
import { RandomStream } from './rng.js';

/** Columns beyond the rank in the start block. */
export const OVERSAMPLING = 8;
/** Power iterations after the first product. */
export const POWER_STEPS = 2;

/**
 * Leading eigenvectors of a symmetric matrix G that is known only by products: a seeded random block is multiplied
 * POWER_STEPS + 1 times, or as often as is asked for, and the best vectors in the span of all blocks are taken (block Krylov iteration, Musco and
 * Musco 2015; at the same number of products it is never worse than keeping the last block only).
 *
 * Use: while `block()` is not null, compute its rows times G and pass them to `absorb`; then call `leading`.
 */
export class BlockKrylov {
  readonly #n: number;
  readonly #rank: number;
  readonly #basis: Float64Array[] = [];
  readonly #images: Float64Array[] = [];
  #next: Float64Array[];
  #steps: number;

  /** `start`: rows to begin with, e.g. the result of an earlier sweep; the rest of the block is random. `products`: at most so many. */
  constructor(
    n: number,
    rank: number,
    seed: number,
    name: string,
    start: Float64Array = new Float64Array(0),
    products = POWER_STEPS + 1,
  ) {
    this.#n = n;
    this.#steps = products;
    this.#rank = rank;
    const width = Math.min(n, rank + OVERSAMPLING);
    const given = start.length / n;
    const block = new Float64Array(Math.max(width, given) * n);
    block.set(start);
    const random = new RandomStream(seed, name);
    for (let i = start.length; i < block.length; i++) block[i] = normalQuantile(random.uniform(i));
    this.#next = orthonormalRows(block, block.length / n, n, []);
  }

  /** The rows (p x n) to be multiplied by G, or null when nothing is left to do. */
  block(): { rows: Float64Array; count: number } | null {
    if (this.#steps === 0 || this.#next.length === 0) return null;
    return { rows: joinedRows(this.#next, this.#n), count: this.#next.length };
  }

  /** Takes the product of the last block with G (p x n). */
  absorb(image: Float64Array): void {
    const n = this.#n;
    const count = this.#next.length;
    this.#basis.push(...this.#next);
    for (let k = 0; k < count; k++) this.#images.push(image.subarray(k * n, (k + 1) * n));
    this.#steps -= 1;
    const room = n - this.#basis.length;
    this.#next = this.#steps === 0 ? [] : orthonormalRows(image, count, n, this.#basis).slice(0, room);
  }

  /** The leading eigenvectors of G restricted to the basis, as rows (rank x n), signs fixed. */
  leading(): Float64Array {
    return this.pairs().vectors;
  }

  /** The same with their eigenvalues. */
  pairs(): { readonly values: Float64Array; readonly vectors: Float64Array } {
    const n = this.#n;
    const p = this.#basis.length;
    const basis = joinedRows(this.#basis, n);
    const inner = productTransposed(basis, joinedRows(this.#images, n), p, p, n);
    const symmetric = inner.map((x, at) => {
      const [i, j] = [Math.floor(at / p), at % p];
      return (x + inner[j * p + i]!) / 2;
    });
    const { values, vectors } = symmetricEigen(symmetric, p, this.#rank);
    const out = new Float64Array(this.#rank * n);
    for (let k = 0; k < this.#rank; k++) {
      for (let a = 0; a < p; a++) {
        const weight = vectors[k * p + a]!;
        for (let j = 0; j < n; j++) out[k * n + j]! += weight * basis[a * n + j]!;
      }
    }
    fixSigns(out, this.#rank, n);
    return { values: values.slice(0, this.#rank), vectors: out };
  }
}
