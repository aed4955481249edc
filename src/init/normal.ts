import { type DType, isFloat } from '../ir/dtype.js';
import { elementCount } from '../ir/shape.js';
import { BaseTensor, type ByteSink, type TensorOrigin } from '../ir/tensor.js';
import { encodeFloats } from '../ir/values.js';
import { RandomStream } from './rng.js';

/**
 * Normal deviates by inverting the distribution function: one uniform number, one deviate, so element k of a tensor
 * depends on k alone. Only +, -, *, / and the square root are used, which IEEE 754 rounds in one way; the logarithm
 * below is made of them too, because the language leaves the last bits of Math.log and Math.cos open.
 */

const LN2_HIGH = 0.6931471803691238; // 0x3fe62e42fee00000: k * LN2_HIGH is exact for the exponents of float64
const LN2_LOW = 1.9082149292705877e-10;
const bits = new DataView(new ArrayBuffer(8));

/**
 * Natural logarithm of a normal positive number, to about one unit in the last place. x = 2^k m with m in
 * [sqrt(1/2), sqrt(2)); ln m = 2 artanh((m - 1) / (m + 1)) by its power series, whose argument is below 0.172.
 */
export function ln(x: number): number {
  bits.setFloat64(0, x);
  const top = bits.getUint32(0);
  let k = (top >>> 20) - 1023;
  bits.setUint32(0, (top & 0xfffff) | 0x3ff00000);
  let m = bits.getFloat64(0);
  if (m > Math.SQRT2) {
    m /= 2;
    k += 1;
  }
  const s = (m - 1) / (m + 1);
  const s2 = s * s;
  let series = 0;
  // 0.172^2^11 / 23 is below 2^-58: the tail does not reach the last bit
  for (let n = 21; n >= 3; n -= 2) series = s2 * (1 / n + series);
  // small terms first: 2 s is the largest of the three that are not exact
  return k * LN2_HIGH + (2 * s + (2 * s * series + k * LN2_LOW));
}

type Coefficients = readonly number[];

/** Coefficients of algorithm AS 241 (PPND16), Wichura, Applied Statistics 37 (1988), constant term first. */
const CENTRE: readonly [Coefficients, Coefficients] = [
  [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987,
    67265.7709270087, 33430.57558358813, 2509.0809287301227,
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852854,
  ],
];
const MIDDLE: readonly [Coefficients, Coefficients] = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
];
const TAIL: readonly [Coefficients, Coefficients] = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 0.000027115555687434876, 2.0103343992922881e-7,
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133,
    0.000018463183175100548, 1.421511758316446e-7, 2.0442631033899397e-15,
  ],
];

function ratio([top, bottom]: readonly [Coefficients, Coefficients], t: number): number {
  let a = 0;
  let b = 0;
  for (let i = 7; i >= 0; i--) {
    a = a * t + top[i]!;
    b = b * t + bottom[i]!;
  }
  return a / b;
}

/** The x below which a standard normal deviate lies with probability p, 0 < p < 1; relative error about 1e-16. */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const t = Math.sqrt(-ln(q < 0 ? p : 1 - p));
  const x = t <= 5 ? ratio(MIDDLE, t - 1.6) : ratio(TAIL, t - 5);
  return q < 0 ? -x : x;
}

/** Elements made at a time when a tensor is streamed. */
const CHUNK = 1 << 16;

export interface DrawnFrom {
  readonly seed: number;
  readonly name: string;
  /** origin of the tensor, as text */
  readonly by: string;
  /** numbers depend on their place in the tensor, and not on its extents; otherwise on their place in row-major order */
  readonly byPlace: boolean;
}

/**
 * A tensor of independent random numbers that is made when it is read: element k is `draw` of the k-th number of the
 * stream (seed, name), rounded once to the element type; with `byPlace`, of the number at {@link placeOf}. No data is kept in
 * memory, and parts are computed without the rest.
 */
export class DrawnTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  readonly #draw: (uniform: number) => number;
  readonly #from: DrawnFrom;
  readonly #width: number;

  /** Throws when `dtype` is not a floating-point type, or a place is beyond what {@link placeOf} tells apart. */
  constructor(dtype: DType, shape: readonly number[], draw: (uniform: number) => number, from: DrawnFrom) {
    if (!isFloat(dtype)) throw new Error(`${dtype} is not a floating-point type`);
    const width = dtype === 'f64' ? 8 : dtype === 'f32' ? 4 : 2;
    super(dtype, shape, elementCount(shape) * width);
    if (from.byPlace) placeOf(elementCount(shape) - 1, shape);
    this.#width = width;
    this.#draw = draw;
    this.#from = from;
    this.origin = { kind: 'computed', by: from.by };
  }

  bytes(): Uint8Array {
    return this.#elements(0, elementCount(this.shape));
  }

  override slice(offset: number, length: number): Uint8Array {
    const end = Math.min(offset + length, this.byteLength);
    const first = Math.floor(offset / this.#width);
    const made = this.#elements(first, Math.ceil(end / this.#width));
    return made.subarray(offset - first * this.#width, end - first * this.#width);
  }

  override copyTo(sink: ByteSink): void {
    const count = elementCount(this.shape);
    for (let at = 0; at < count; at += CHUNK) sink.write(this.#elements(at, Math.min(at + CHUNK, count)));
  }

  #elements(from: number, to: number): Uint8Array {
    const { seed, name, byPlace } = this.#from;
    const stream = new RandomStream(seed, name);
    const values = new Float64Array(Math.max(0, to - from));
    for (let i = 0; i < values.length; i++) {
      const at = byPlace ? placeOf(from + i, this.shape) : from + i;
      values[i] = this.#draw(stream.uniform(at));
    }
    return encodeFloats(this.dtype, values);
  }
}

/** Bits of the numbers that a stream is asked for. */
const PLACE_BITS = 52;

/**
 * The number of the stream that belongs to an element wherever it is in the tensor: its indices side by side, of equally many
 * bits, the last one lowest. Throws when an index does not fit.
 */
export function placeOf(flat: number, shape: readonly number[]): number {
  const size = 2 ** Math.floor(PLACE_BITS / Math.max(1, shape.length));
  let rest = flat;
  let place = 0;
  let unit = 1;
  for (const extent of [...shape].reverse()) {
    const index = rest % extent;
    if (index >= size)
      throw new Error(`a seeded factor of extent ${extent} and ${shape.length} axes is too large`);
    place += index * unit;
    unit *= size;
    rest = Math.floor(rest / extent);
  }
  return place;
}
