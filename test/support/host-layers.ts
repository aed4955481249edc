import type { AdapterSpec } from '../../src/adapter/description.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { AdaptedLayer, AdaptedLayers } from '../../src/backends/kernel/model/layers.js';
import { parseModel } from '../../src/ir/text/index.js';
import { rewrite } from '../../src/rewrite.js';
import { deltaOf, factorGradients } from './adapter-reference.js';
import { values } from './kernel-cases.js';

/** Three layers with adapters, and what they compute in float64: what emitted hosts are held to. */
export const [IN, OUT, RANK] = [17, 11, 3];
const ODD: Layers = { in: IN, out: OUT, rank: RANK, apart: false };

export interface Layers {
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** every layer has factors of its own, so that layers that read one x are regions apart */
  readonly apart?: boolean;
}

/** q and k read one x and q has a bias; o reads another, its weight is stored transposed. */
export function contraction(
  method: AdapterSpec,
  targets = ['q', 'k', 'o'],
  { in: IN, out: OUT, rank: RANK, apart }: Layers = ODD,
): AdaptedLayers {
  const stored = (count: number, seed: number) => [...values(count, seed)].join(', ');
  const model = parseModel(`<ir_version: 9, opset_import: ["" : 17]>
g (float[tokens, ${IN}] x, float[tokens, ${IN}] z) => (float[tokens, ${OUT}] y, float[tokens, ${OUT}] w, float[tokens, ${OUT}] v)
<
  float[${IN},${OUT}] "q.weight" = {${stored(IN * OUT, 1)}}, float[${OUT}] "q.bias" = {${stored(OUT, 2)}},
  float[${IN},${OUT}] "k.weight" = {${stored(IN * OUT, 3)}}, float[${OUT},${IN}] "o.weight" = {${stored(IN * OUT, 4)}}
>
{
  ["/q/MatMul"] qm = MatMul (x, "q.weight")
  y = Add (qm, "q.bias")
  ["/k/MatMul"] w = MatMul (x, "k.weight")
  ["/o/Gemm"] v = Gemm <transB = 1> (z, "o.weight")
}`);
  rewrite(model, { spec: method, rank: RANK, targets, ...(apart ? { share: 'site' } : {}) });
  return contract(model);
}

type Matrix = readonly (readonly number[])[];
const matrix = (data: ArrayLike<number>, cols: number): Matrix =>
  Array.from({ length: data.length / cols }, (_, i) =>
    Array.from({ length: cols }, (__, j) => data[i * cols + j]!),
  );
const turn = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));
const plus = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((value, j) => value + b[i]![j]!));

/** Layers in float64 from the stored weights and factors: outputs, and gradients of inputs and of every factor. */
export function reference(
  { groups, regions }: AdaptedLayers,
  tensors: Readonly<Record<string, ArrayLike<number>>>,
  inputs: Readonly<Record<string, ArrayLike<number>>>,
) {
  const found: Record<string, Matrix> = {};
  const add = (name: string, value: Matrix) => {
    found[name] = found[name] ? plus(found[name], value) : value;
  };
  let number = 0;
  for (const { layers, input, group } of regions) {
    const own = groups.find(({ id }) => id === group)!;
    for (const layer of layers) {
      const { in: IN, out: OUT } = layer;
      const x = matrix(inputs[`x_${input}`]!, IN);
      const w = weightOf(layer, tensors[layer.weight]!);
      const factors = layer.factors.map((name) => tensors[name]!);
      const bias = layer.bias ? [...Array.from(tensors[layer.bias]!)] : Array<number>(OUT).fill(0);
      const effective = plus(w, matrix(deltaOf(own, factors).data, OUT));
      add(
        `y_${number}`,
        plus(
          times(x, effective),
          x.map(() => bias),
        ),
      );
      const dy = matrix(inputs[`dy_${number}`] ?? [], OUT);
      number++;
      if (dy.length === 0) continue;
      add(`dx_${input}`, times(dy, turn(effective)));
      const gradients = factorGradients(own, factors, times(turn(x), dy).flat());
      for (const [k, name] of layer.factors.entries()) {
        const { shape, data } = gradients[k]!;
        add(name, matrix(data, shape.at(-1)!));
      }
    }
  }
  return found;
}

function weightOf({ weightStored, in: inn, out }: AdaptedLayer, data: ArrayLike<number>): Matrix {
  return weightStored === 'io' ? matrix(data, out) : turn(matrix(data, inn));
}

export const RATE = 0.03;
export const DECAY = 0.1;

/** An optimizer as the tests of hosts step with it: the numbers in the order of their struct in C, and one number's way. */
interface Stepping {
  readonly numbers: readonly number[];
  /** from p through steps with these gradients at a rate, in float64 by the formula of the paper; what is kept begins at 0 */
  readonly way: (p: number, gradients: readonly number[], rate: number) => number;
}

export const STEPPING: Readonly<Record<string, Stepping>> = {
  adamw: {
    numbers: [RATE, 0.9, 0.999, 1e-8, DECAY],
    way: (p, gradients, rate) => {
      let [m, v] = [0, 0];
      return gradients.reduce((at, g, t) => {
        [m, v] = [0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g];
        const direction = m / (1 - 0.9 ** (t + 1)) / (Math.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8);
        return at - rate * (direction + DECAY * at);
      }, p);
    },
  },
  sgd: {
    numbers: [RATE, 0.9, DECAY],
    way: (p, gradients, rate) => {
      let u = 0;
      return gradients.reduce((at, g) => {
        u = 0.9 * u + g + DECAY * at;
        return at - rate * u;
      }, p);
    },
  },
  lion: {
    numbers: [RATE, 0.9, 0.99, DECAY],
    way: (p, gradients, rate) => {
      let m = 0;
      return gradients.reduce((at, g) => {
        const direction = Math.sign(0.9 * m + 0.1 * g);
        m = 0.99 * m + 0.01 * g;
        return at - rate * (direction + DECAY * at);
      }, p);
    },
  },
};

/** What a spec says of the training of a factor: null for one that is frozen, else its multiplier. */
export function rateOf({ groups }: AdaptedLayers, tensor: string): number | null {
  const factor = groups.flatMap(({ factors }) => factors).find(({ tensors }) => tensors.includes(tensor))!;
  return factor.trainable ? factor.lrMultiplier : null;
}

/** LoRA-FA (arXiv 2308.03303): A is frozen; here B learns at another rate. */
export const LORA_FA: AdapterSpec = {
  ...LORA,
  method: 'lora-fa',
  factors: LORA.factors.map((factor) =>
    factor.name === 'A' ? { ...factor, mode: 'frozen' } : { ...factor, lrMultiplier: 4 },
  ),
};

/** The part of a buffer where a tensor is. */
export function partOf(
  data: ArrayLike<number>,
  { offset, rows, cols, rowStride }: { offset: number; rows: number; cols: number; rowStride: number },
): number[] {
  const row = (i: number) => Array.from({ length: cols }, (_, j) => data[offset + i * rowStride + j]!);
  return Array.from({ length: rows }, (_, i) => row(i)).flat();
}

/**
 * Rows of a (tokens, cols) result of several adapters, of which each block of `rowBlock` rows belongs to one: `of` gives the
 * result of one adapter for all rows.
 */
export function rowsOf(
  table: readonly number[],
  rowBlock: number,
  of: (adapter: number) => readonly (readonly number[])[],
): readonly number[] {
  const all = [...new Set(table)].map((adapter) => [adapter, of(adapter)] as const);
  const byAdapter = new Map(all);
  const [, first] = all[0]!;
  return first.flatMap((_, row) => [...byAdapter.get(table[Math.floor(row / rowBlock)]!)![row]!]);
}
