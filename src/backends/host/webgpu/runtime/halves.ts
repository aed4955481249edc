// #if EMIT_HALF
/** Numbers rounded to float16 (to nearest, ties to even), with a zero after them where their count is odd. */
export function toHalves(data: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const halves = new Uint16Array(data.length + (data.length % 2));
  for (let i = 0; i < data.length; i++) {
    const word = bits[i] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    let half: number;
    if (magnitude > 0x7f800000) half = 0x7e00;
    else if (magnitude >= 0x47800000) half = 0x7c00;
    // below the smallest normal number: whole multiples of 2^-24
    else if (magnitude < 0x38800000) half = roundEven(Math.abs(data[i] ?? 0) * 2 ** 24);
    else half = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    halves[i] = sign | half;
  }
  return halves;
}

/** The nearest whole number, the even one of two. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** The first `count` numbers of float16, as float32. */
export function fromHalves(halves: Uint16Array, count: number): Float32Array<ArrayBuffer> {
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const half = halves[i] ?? 0;
    const [exponent, fraction] = [(half >>> 10) & 31, half & 1023];
    let value: number;
    if (exponent === 31) value = fraction ? Number.NaN : Number.POSITIVE_INFINITY;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1024 + fraction) * 2 ** (exponent - 25);
    data[i] = half & 0x8000 ? -value : value;
  }
  return data;
}

// #endif
