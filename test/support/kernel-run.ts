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
