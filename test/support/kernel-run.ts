import { runLaunch } from '../../src/backends/kernel/model/by-definition.js';
import type { Product } from '../../src/backends/kernel/model/types.js';
import type { KernelCase } from './kernel-cases.js';

/**
 * Largest difference over the largest number expected. Elements that the reference leaves poisoned (NaN) must be so in
 * the result; a poisoned element where a number is expected, or the other way round, is an infinite error.
 */
export function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, largest] = [0, 0];
  for (let at = 0; at < expected.length; at++) {
    const [is, should] = [actual[at]!, expected[at]!];
    if (Number.isNaN(is) !== Number.isNaN(should)) return Number.POSITIVE_INFINITY;
    if (Number.isNaN(should)) continue;
    worst = Math.max(worst, Math.abs(is - should));
    largest = Math.max(largest, Math.abs(should));
  }
  return largest > 0 && actual.length === expected.length
    ? worst / Math.max(largest, 1e-30)
    : Number.POSITIVE_INFINITY;
}

/**
 * The most that half sums may be off, of each result: a sum of BK products makes at most BK + 1 roundings of 2^-11 of each product (WGSL may
 * round it and the sum apart), and results of which the magnitude is below the normal numbers are off by 2^-25 each time.
 */
function halfBound({ launch, bound, buffers, out }: KernelCase): Float64Array {
  const work = launch.work as Product;
  const { BK } = launch.schedule;
  const memory = new Map(
    Object.entries(buffers).map(([name, data]) => [name, Float64Array.from(data, Math.abs)]),
  );
  runLaunch(launch, memory, bound as unknown as { M: number });
  const gamma = ((BK + 1) * 2 ** -11) / (1 - (BK + 1) * 2 ** -11);
  const inner = work.segments.reduce((sum, segment) => sum + Number(segment.inner), 0);
  return memory.get(out)!.map((magnitude) => gamma * magnitude + inner * 2 ** -25 + 2e-6 * magnitude);
}

/** The largest error over its bound; NaN where an element is not a number and should be. */
export function worstOfBound(actual: ArrayLike<number>, one: KernelCase): number {
  const allowed = halfBound(one);
  return one.expected.reduce((worst, should, at) => {
    if (Number.isNaN(should)) return Number.isNaN(actual[at]!) ? worst : Number.NaN;
    return Math.max(worst, Math.abs(actual[at]! - should) / allowed[at]!);
  }, 0);
}
