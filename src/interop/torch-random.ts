/** Numbers that PyTorch's generator of the CPU gives for a seed, where an adapter does not store what was drawn from it. */

const SIZE = 624;
const SHIFT = 397;

/** The Mersenne Twister mt19937 of Matsumoto and Nishimura, as torch.Generator().manual_seed starts it. */
function* mt19937(seed: number): Generator<number, never> {
  const state = new Uint32Array(SIZE);
  // the low 32 bits of the seed count
  state[0] = seed % 2 ** 32;
  for (let k = 1; k < SIZE; k++) {
    const before = state[k - 1]! ^ (state[k - 1]! >>> 30);
    state[k] = Math.imul(1812433253, before) + k;
  }
  for (;;) {
    for (let k = 0; k < SIZE; k++) {
      const joined = (state[k]! & 0x80000000) | (state[(k + 1) % SIZE]! & 0x7fffffff);
      state[k] = state[(k + SHIFT) % SIZE]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    for (const word of state) {
      let y = word;
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      y ^= y >>> 18;
      yield y >>> 0;
    }
  }
}

/** From this number of elements on PyTorch's randperm draws in another way, for which it needs all of them. */
export const MOST_PERMUTED = Math.floor((2 ** 32 - 1) / 20) - 1;

/** The first elements of torch.randperm(length, generator=torch.Generator().manual_seed(seed)), bit for bit. */
export function leadingPermutation(seed: number, length: number, count: number): readonly number[] {
  if (length > MOST_PERMUTED) throw new Error(`no permutation of ${length}`);
  const draws = mt19937(seed);
  /** elements that are no longer in their place */
  const moved = new Map<number, number>();
  const at = (place: number) => moved.get(place) ?? place;
  return Array.from({ length: count }, (_, k) => {
    if (k === length - 1) return at(k);
    const other = k + (draws.next().value % (length - k));
    const found = at(other);
    moved.set(other, at(k));
    return found;
  });
}
