/** Conversions between float64 and the 16-bit float types (IEEE 754 binary16; bfloat16), rounding to nearest even. */

const view = new DataView(new ArrayBuffer(8));

/** The value of binary16 bits. */
export function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Binary16 bits of a number; one rounding, straight from float64. */
export function toF16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundEven(size * 2 ** 24);
  view.setFloat64(0, size);
  const exponent = ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
  // a carry out of the fraction moves into the exponent, as it should
  return sign | (((exponent + 15) << 10) + roundEven((size / 2 ** exponent - 1) * 1024));
}

/** The value of bfloat16 bits. */
export function fromBf16(bits: number): number {
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

/** Bfloat16 bits of a number; one rounding, straight from float64. */
export function toBf16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === 0) return sign;
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7f80;
  view.setFloat64(0, size);
  const exponent = Math.max(((view.getUint16(0) >> 4) & 0x7ff) - 1023, -126);
  const steps = roundEven(size / 2 ** (exponent - 7));
  // steps is 128..256 for normal numbers and below 128 for subnormal ones
  const bits = ((exponent + 126) << 7) + steps;
  return sign | Math.min(bits, 0x7f80);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
