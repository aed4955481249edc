/** Floating-point numbers as text: the shortest decimal that reads back as the same value of the given type. */

/** A binary format: bits of the mantissa, least exponent of a normal number, largest finite value. */
interface Format {
  readonly mantissa: number;
  readonly minExponent: number;
  readonly max: number;
}
const F16: Format = { mantissa: 10, minExponent: -14, max: 65504 };
const BF16: Format = { mantissa: 7, minExponent: -126, max: (2 - 2 ** -7) * 2 ** 127 };

/** Rounds to the nearest value of the format, ties to even; beyond the largest, infinity. */
function roundTo(value: number, { mantissa, minExponent, max }: Format): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const size = Math.abs(value);
  let exponent = Math.floor(Math.log2(size));
  while (2 ** exponent > size) exponent--; // log2 rounds near powers of two
  while (2 ** (exponent + 1) <= size) exponent++;
  const ulp = 2 ** (Math.max(exponent, minExponent) - mantissa);
  const units = size / ulp;
  const floor = Math.floor(units);
  const rest = units - floor;
  const rounded = (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0)) * ulp;
  return Math.sign(value) * (rounded > max ? Number.POSITIVE_INFINITY : rounded);
}

const word = new DataView(new ArrayBuffer(4));

/** Bits of the IEEE half nearest to a number. A NaN becomes the quiet one without payload. */
export function toF16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(roundTo(value, F16));
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  let exponent = 15;
  while (2 ** exponent > size) exponent--;
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

/** The value of IEEE half bits; NaN for every NaN pattern. */
export function fromF16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

/** Bits of the bfloat16 nearest to a number. */
export function toBf16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  word.setFloat32(0, roundTo(value, BF16));
  return word.getUint32(0) >>> 16;
}

export function fromBf16Bits(bits: number): number {
  word.setUint32(0, (bits << 16) >>> 0);
  return word.getFloat32(0);
}

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
export const f16Text = (value: number): string => shortest(value, (x) => roundTo(x, F16));
export const bf16Text = (value: number): string => shortest(value, (x) => roundTo(x, BF16));

/** The number that a float or integer literal spells (`inf`, `infinity` and `nan` in any case, with a sign). */
export function parseFloatText(text: string): number {
  const special = /^(-?)(inf|infinity|nan)$/i.exec(text);
  if (!special) return Number(text);
  if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
  return special[1] ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
