/** A stream of seeded numbers (xorshift32): what follows from a seed is the same on every machine. */
export class Random {
  #state: number;

  /** Each pair of seed and index gives a stream of its own. */
  constructor(seed: number, index: number) {
    let mixed = Math.imul(seed ^ 0x2545f491, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0xc2b2ae35);
    this.#state = (mixed ^ (mixed >>> 13)) | 1;
    this.below(2);
  }

  /** A whole number in [0, limit); 0 for a limit of 0. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return limit === 0 ? 0 : (x >>> 0) % limit;
  }

  chance(part: number): boolean {
    return this.below(1 << 16) < part * (1 << 16);
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('there is nothing to pick from');
    return list[this.below(list.length)]!;
  }
}
