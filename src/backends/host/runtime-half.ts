/** How an emitted module counts bytes when all buffers are float32. */
export const WORDS = `
const bytesOf = (name: BufferName, tokens: number): number => 4 * sizeOf(name, tokens);
`;

/** The same with buffers of float16 (HALF lists them), and conversions: WebGPU has no typed array of them everywhere. */
export const HALVES = `
const isHalf = (name: BufferName): boolean => HALF.includes(name);

/** Buffers are copied in words of four bytes. */
const bytesOf = (name: BufferName, tokens: number): number => {
  const size = sizeOf(name, tokens);
  return isHalf(name) ? 4 * Math.ceil(size / 2) : 4 * size;
};

/** Numbers rounded to float16 (to nearest, ties to even), with a zero behind them where their count is odd. */
function toHalves(data: Float32Array): Uint16Array<ArrayBuffer> {
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
    else half = ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    halves[i] = sign | half;
  }
  return halves;
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function fromHalves(halves: Uint16Array, count: number): Float32Array<ArrayBuffer> {
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const half = halves[i] ?? 0;
    const [exponent, fraction] = [(half >>> 10) & 31, half & 1023];
    const value =
      exponent === 31 ? (fraction ? Number.NaN : Number.POSITIVE_INFINITY)
      : exponent === 0 ? fraction * 2 ** -24
      : (1024 + fraction) * 2 ** (exponent - 25);
    data[i] = half & 0x8000 ? -value : value;
  }
  return data;
}
`;
