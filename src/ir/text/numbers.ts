/** Floating-point numbers as text: the shortest decimal that reads back as the same value of the given type. */
import { fromBf16, fromF16, toBf16, toF16 } from '../half.js';

/** The shortest decimal that `round` brings back to `value`; always with a point, an exponent, or `inf` / `nan`. */
function shortest(value: number, round: (value: number) => number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  let text = String(value);
  for (let digits = 1; digits <= 17; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (round(candidate) === value) {
      text = String(candidate);
      break;
    }
  }
  return /[.e]/.test(text) ? text : `${text}.0`;
}

export const f64Text = (value: number): string => shortest(value, (x) => x);
export const f32Text = (value: number): string => shortest(Math.fround(value), Math.fround);
export const f16Text = (value: number): string => shortest(value, (x) => fromF16(toF16(x)));
export const bf16Text = (value: number): string => shortest(value, (x) => fromBf16(toBf16(x)));

/** The number that a float or integer literal spells (`inf`, `infinity` and `nan` in any case, with a sign). */
export function parseFloatText(text: string): number {
  const special = /^(-?)(inf|infinity|nan)$/i.exec(text);
  if (!special) return Number(text);
  if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
  return special[1] ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
