import type { ElementType } from './graph.js';

const word = new DataView(new ArrayBuffer(8));

/** The nearest number with `bits` bits after the leading one and exponents from `least`; ties to even. */
function nearest(value: number, bits: number, least: number, largest: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  word.setFloat64(0, value);
  const exponent = Math.max(((word.getUint32(0) >>> 20) & 0x7ff) - 1023, least);
  const step = 2 ** (exponent - bits);
  const quotient = value / step;
  const low = Math.floor(quotient);
  const rest = quotient - low;
  const up = rest > 0.5 || (rest === 0.5 && low % 2 !== 0);
  const rounded = (up ? low + 1 : low) * step;
  return Math.abs(rounded) > largest ? Math.sign(value) * Number.POSITIVE_INFINITY : rounded;
}

/** A number as an element type holds it. */
export function rounded(value: number, dtype: ElementType): number {
  switch (dtype) {
    case 'f32':
      return Math.fround(value);
    case 'f16':
      return nearest(value, 10, -14, 65504);
    case 'bf16':
      return nearest(value, 7, -126, 3.3895313892515355e38);
    default:
      return value;
  }
}
