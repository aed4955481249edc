import { fromF16 } from '../../src/ir/half.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { type RunOptions, runOrt, type Tensor } from '../support/ort.js';
import { f16Bits } from './encode.js';
import type { Case, ElementType, Nd } from './graph.js';
import { type Adapters, evaluate } from './interpret.js';

/** A tensor as ONNX Runtime takes it. */
export function feedOf({ dtype, shape, data }: Nd): Tensor {
  switch (dtype) {
    case 'f64':
      return { dtype: 'float64', shape, data };
    case 'f16':
      return { dtype: 'float16', shape, data: Uint16Array.from(data, f16Bits) };
    case 'bool':
      return { dtype: 'bool', shape, data: Uint8Array.from(data) };
    case 'i64':
      return { dtype: 'int64', shape, data: BigInt64Array.from(data, BigInt) };
    default:
      return { dtype: 'float32', shape, data: Float32Array.from(data) };
  }
}

/** Unit of the last place of a type. */
const UNITS: Partial<Readonly<Record<ElementType, number>>> = {
  f64: 2 ** -53,
  f32: 2 ** -24,
  f16: 2 ** -11,
  bf16: 2 ** -8,
};

/** How often the difference that rounding each result makes may be exceeded by another order of the same sums. */
const ROOM = 32;

/** Beyond it a case is not worth comparing: small differences grow on the way. */
const LARGEST_TOLERANCE = 0.05;

/** What a case's outputs are. */
export interface Expected {
  /** factors, which are float32, have a part in it */
  readonly adapted: boolean;
  readonly exact: ReadonlyMap<string, Nd>;
  readonly rounded: ReadonlyMap<string, Nd>;
}

/** Compares what ONNX Runtime computes from files with a case's own evaluation in float64. */
export class Comparison {
  readonly #made: Case;
  readonly #level: RunOptions['level'];
  readonly plain: Expected;
  readonly #deviations: string[] = [];
  readonly #compared: string[] = [];

  constructor(made: Case, level: RunOptions['level']) {
    this.#made = made;
    this.#level = level;
    this.plain = this.expect(new Map());
  }

  /** What files that carry these adapters compute. */
  expect(adapters: Adapters): Expected {
    return {
      adapted: adapters.size > 0,
      exact: evaluate(this.#made, adapters),
      rounded: evaluate(this.#made, adapters, true),
    };
  }

  fail(what: string, why: string): void {
    this.#deviations.push(`${what}: ${why}`);
  }

  note(what: string): void {
    this.#compared.push(what);
  }

  outcome(): { readonly deviations: readonly string[]; readonly compared: readonly string[] } {
    return { deviations: this.#deviations, compared: this.#compared };
  }

  /** Whether what is expected differs from what the case computes by itself by much more than rounding. */
  isFelt({ exact }: Expected): boolean {
    return [...exact].some(([name, { data }]) => {
      const base = this.plain.exact.get(name)!.data;
      return data.some((v, i) => Math.abs(v - base[i]!) > 0.02);
    });
  }

  /** Whether ONNX Runtime runs the case as it was made; a difference here is one of the evaluation. */
  async base(path: string): Promise<boolean> {
    return this.like('base', path, this.plain);
  }

  /** `stored`: weights were changed and rounded to the types that they are stored in. */
  async like(
    what: string,
    path: string,
    expected: Expected,
    {
      fed = new Map(),
      stored = false,
    }: { readonly fed?: ReadonlyMap<string, TensorData>; readonly stored?: boolean } = {},
  ): Promise<boolean> {
    const feeds: Record<string, Tensor> = {};
    for (const { name } of this.#made.net.inputs) feeds[name] = feedOf(this.#made.feeds.get(name)!);
    for (const [name, data] of fed) feeds[name] = { dtype: 'float32', shape: data.shape, data: toF32(data) };
    let found: Record<string, Tensor>;
    try {
      found = await runOrt(path, feeds, { level: this.#level ?? 'all' });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // what ONNX Runtime cannot do with the case itself says nothing of lotrc
      if (what === 'base') this.note('base that ONNX Runtime refuses');
      else this.fail(what, `ONNX Runtime: ${why}`);
      return false;
    }
    const { exact, rounded } = expected;
    let good = true;
    let clear = true;
    for (const [name, wanted] of exact) {
      const values = found[name];
      if (values?.shape.join() !== wanted.shape.join()) {
        this.fail(what, `"${name}" is [${values?.shape}], not [${wanted.shape}]`);
        return false;
      }
      const numbers = Float64Array.from(
        values.data as ArrayLike<number>,
        wanted.dtype === 'f16' ? fromF16 : Number,
      );
      const size = wanted.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const tolerance = this.#tolerance(wanted, rounded.get(name)!, size, expected.adapted || stored, stored);
      if (tolerance > LARGEST_TOLERANCE * Math.max(size, 1)) clear = false;
      const worst = numbers.reduce((most, v, i) => {
        const difference = Math.abs(v - wanted.data[i]!);
        return difference > most || Number.isNaN(difference) ? difference : most;
      }, 0);
      if (worst <= tolerance) continue;
      good = false;
      this.fail(
        what,
        `"${name}" differs by ${worst.toExponential(2)} of ${size.toExponential(2)}, allowed ${tolerance.toExponential(2)}`,
      );
    }
    if (good) this.note(clear ? what : `${what} (coarse)`);
    return good;
  }

  #tolerance({ dtype, data }: Nd, rounded: Nd, size: number, adapted: boolean, stored: boolean): number {
    const noise = data.reduce((most, v, i) => Math.max(most, Math.abs(v - rounded.data[i]!)), 0);
    // factors are float32, and so are products of factors
    const unit = UNITS[adapted && dtype === 'f64' ? 'f32' : dtype]!;
    const plain = ROOM * (noise + unit * size);
    if (!stored) return plain;
    // each stored weight is off by half a unit of its type, as if every result were
    const coarsest = Math.max(...[...this.#made.storage].map((type) => UNITS[type] ?? 0), unit);
    return plain + 4 * (coarsest / unit) * (noise + unit * size);
  }
}
