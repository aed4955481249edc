/** Figures for messages: three digits and a unit. */

/** 61.5 us, 1.23 ms */
export function timeText(seconds: number): string {
  const [value, unit] =
    seconds >= 1 ? [seconds, 's'] : seconds >= 1e-3 ? [1e3 * seconds, 'ms'] : [1e6 * seconds, 'us'];
  return `${three(value)} ${unit}`;
}

/** 12.6 MFLOP, 3.15 MB (powers of ten) */
export function siText(value: number, unit: string): string {
  const steps = ['', 'k', 'M', 'G', 'T', 'P'];
  let step = 0;
  let rest = value;
  while (rest >= 999.5 && step < steps.length - 1) {
    rest /= 1000;
    step++;
  }
  return `${step === 0 ? Math.round(value) : three(rest)} ${steps[step]}${unit}`;
}

/** Three figures, no exponent. */
function three(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  if (value >= 9.995) return value.toFixed(1);
  return value.toFixed(Number.isInteger(value) ? 0 : 2);
}
