/**
 * Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11), with the constants
 * of that paper.
 */
const MULTIPLY_0 = 0xd2511f53;
const MULTIPLY_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** Upper 32 bits of the product of two unsigned 32-bit numbers. */
function highWord(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  // every partial sum stays below 2^33, where float64 is exact
  const low = a1 * b0 + ((a0 * b0) >>> 16);
  const middle = a0 * b1 + (low % 65536);
  return (a1 * b1 + Math.floor(low / 65536) + Math.floor(middle / 65536)) >>> 0;
}

/** One block of Philox4x32-10: replaces the four counter words in `block` by four random words. */
export function philox4x32(block: Uint32Array, key0: number, key1: number): void {
  let [c0, c1, c2, c3] = [block[0]!, block[1]!, block[2]!, block[3]!];
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highWord(MULTIPLY_0, c0);
    const low0 = Math.imul(MULTIPLY_0, c0);
    const high1 = highWord(MULTIPLY_1, c2);
    const low1 = Math.imul(MULTIPLY_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  block[0] = c0;
  block[1] = c1;
  block[2] = c2;
  block[3] = c3;
}

const STEP = 2 ** -52;

/** The random numbers of a key of four words: the key (h0, h1) and the upper half of the counter (h2, h3). */
export class KeyedStream {
  readonly #key: Uint32Array;
  readonly #block = new Uint32Array(4);
  #held = -1;

  constructor(key: Uint32Array) {
    this.#key = key;
  }

  /**
   * Number `index` of the stream, uniform in the open interval (0, 1): (n + 1/2) 2^-52 with n the upper 52 bits of two
   * words, the first the more significant one. Symmetric about 1/2, and the sum is exact.
   */
  uniform(index: number): number {
    const number = Math.floor(index / 2);
    if (number !== this.#held) {
      this.#block[0] = number % 2 ** 32;
      this.#block[1] = Math.floor(number / 2 ** 32);
      this.#block[2] = this.#key[2]!;
      this.#block[3] = this.#key[3]!;
      philox4x32(this.#block, this.#key[0]!, this.#key[1]!);
      this.#held = number;
    }
    const at = index % 2 === 0 ? 0 : 2;
    return (this.#block[at]! * 2 ** 20 + (this.#block[at + 1]! >>> 12) + 0.5) * STEP;
  }
}

/** The text whose SHA-256 is the key of the stream of a (seed, name), as little-endian words. Throws a plain Error for a seed that is not a safe integer. */
export function streamText(seed: number, name: string): string {
  if (!Number.isSafeInteger(seed)) throw new Error(`a seed is an integer below 2^53 in size, not ${seed}`);
  return `lotrc.philox.1\n${seed}\n${name}`;
}
