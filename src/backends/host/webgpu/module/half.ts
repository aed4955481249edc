import type { Statement } from './source.js';
import { fn } from './structures.js';

/** How a module computes sizes in bytes when all elements have four bytes. */
export const words: Statement[] = [
  fn(
    { name: 'bytesOf', doc: 'Bytes of a buffer for this number of tokens.' },
    { name: 'BufferName', tokens: 'number' },
    'number',
    'return 4 * sizeOf(name, tokens);',
  ),
];

/** The same with buffers of float16, and conversions: not every JavaScript engine has a Float16Array. */
export const halves: Statement[] = [
  fn(
    { name: 'isHalf', doc: 'Whether a buffer holds float16.' },
    { name: 'BufferName' },
    'boolean',
    "const { type }: BufferLayout = BUFFERS[name];\nreturn type === 'f16';",
  ),
  fn(
    {
      name: 'bytesOf',
      doc: 'Bytes of a buffer for this number of tokens. Buffers are copied in words of four bytes.',
    },
    { name: 'BufferName', tokens: 'number' },
    'number',
    'const size = sizeOf(name, tokens);\nreturn isHalf(name) ? 4 * Math.ceil(size / 2) : 4 * size;',
  ),
  fn(
    {
      name: 'toHalves',
      exported: true,
      doc: 'Numbers rounded to float16 (to nearest, ties to even), with a zero after them where their count is odd.',
    },
    { data: 'Float32Array' },
    'Uint16Array<ArrayBuffer>',
    `
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
return halves;`,
  ),
  fn(
    { name: 'roundEven', doc: 'The nearest whole number, the even one of two.' },
    { value: 'number' },
    'number',
    `
const floor = Math.floor(value);
const rest = value - floor;
return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;`,
  ),
  fn(
    { name: 'fromHalves', exported: true, doc: 'The first `count` numbers of float16, as float32.' },
    { halves: 'Uint16Array', count: 'number' },
    'Float32Array<ArrayBuffer>',
    `
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
return data;`,
  ),
];
