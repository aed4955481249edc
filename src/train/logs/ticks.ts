/** Round numbers for an axis from `low` to `high`, about `count` of them, all within. */
export function ticks(low: number, high: number, count: number): readonly number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const distance = (step: number) => Math.abs(Math.log(step / rough));
  const steps = [1, 2, 5, 10].map((factor) => factor * power);
  const step = steps.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  const first = Math.ceil(low / step - 1e-9);
  // numbers so close together that no round one lies between
  if (!Number.isSafeInteger(first) || !(Math.abs(high / step) < Number.MAX_SAFE_INTEGER)) return [low];
  const found: number[] = [];
  for (let i = first; i * step <= high + step * 1e-9; i++) found.push(i * step + 0); // -0 becomes 0
  return found;
}

/** Round numbers for a logarithmic axis, all within: 1, 2 and 5 times powers of ten, or powers alone where there are many. */
export function logTicks(low: number, high: number): readonly number[] {
  const powers: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) powers.push(power);
  const factors = powers.length > 4 ? [1] : [1, 2, 5];
  return powers
    .flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)))
    .filter((value) => value >= low && value <= high);
}

// made once: making one takes far longer than using it
const FOUR_DIGITS = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 });
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A number as people write it: at most four digits that matter, grouped, without trailing zeros. */
export function short(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '\u221e' : '-\u221e';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    return value
      .toExponential(2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e');
  }
  return (size < 1000 ? FOUR_DIGITS : WHOLE).format(value);
}
