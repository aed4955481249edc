import { loweredPlan } from '../../src/backends/host/cuda/lower.js';
import { loweredForHip } from '../../src/backends/host/hip/lower.js';
import { trainedOf } from '../../src/backends/host/shared/steps.js';
import { launchesOf, placesOf, rowBlockOf } from '../../src/backends/host/shared/tables.js';
import { loweredWgsl } from '../../src/backends/host/webgpu/lower.js';
import { gridOf, kernelOf } from '../../src/backends/kernel/gen/kernels.js';
import type { AdaptedLayer, AdaptedLayers, Group } from '../../src/backends/kernel/model/layers.js';
import type { BufferPlan, KernelDtype, KernelPlan, Launch } from '../../src/backends/kernel/model/types.js';
import { choose, type PlanOptions } from '../../src/backends/kernel/plan/choose.js';
import { fromBf16, fromF16, toBf16, toF16 } from '../../src/ir/half.js';
import { deltaOf, factorGradients } from './adapter-reference.js';
import { contractionOf, type Sketch } from './contraction.js';
import { values } from './kernel-cases.js';
import { interpret } from './kernel-sim/interpret.js';

/** A plan with everything that fills its buffers, and what a step leaves in them by definition, in float64. */
export interface WholePlan {
  readonly plan: KernelPlan;
  /** in the order of a step: weight space, all forward passes, all backward passes, weight space */
  readonly launches: readonly Launch[];
  readonly bound: Readonly<Record<string, number>>;
  /** contents by buffer; what only launches write is poisoned */
  readonly buffers: Readonly<Record<string, Float32Array | Uint32Array>>;
  /** y, dx and the gradient of each factor: where they are, and what they should be */
  readonly expected: readonly Expected[];
}

interface Expected {
  readonly name: string;
  /** stretches of buffers whose sum it is */
  readonly places: readonly { readonly buffer: string; at(element: number): number }[];
  readonly data: Float64Array;
}

const ROUND: Readonly<Record<KernelDtype | 'u32' | 'u8', (value: number) => number>> = {
  f32: (value) => value,
  u32: (value) => value,
  u8: (value) => value,
  f16: (value) => fromF16(toF16(value)),
  bf16: (value) => fromBf16(toBf16(value)),
};

/** A matrix in float64: rows of numbers. */
type Matrix = readonly (readonly number[])[];
const matrix = (data: ArrayLike<number>, cols: number): Matrix =>
  Array.from({ length: data.length / cols }, (_, i) =>
    Array.from({ length: cols }, (__, j) => data[i * cols + j]!),
  );
const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const times = (a: Matrix, b: Matrix): Matrix => {
  const columns = transposed(b);
  return a.map((row) => columns.map((column) => row.reduce((sum, value, k) => sum + value * column[k]!, 0)));
};
const plus = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((value, j) => value + b[i]![j]!));

const ACTIVATIONS: Readonly<Record<NonNullable<Sketch['activation']>, (x: number) => number>> = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + Math.exp(-x)),
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
};

/** The error function by its series: exact to rounding for the arguments of these tests. */
function erf(x: number): number {
  let [sum, term] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** The plan that is emitted, by what its kernels are written for. */
const LOWERED: Readonly<Record<string, (plan: KernelPlan) => KernelPlan>> = {
  webgpu: (plan) => loweredWgsl(plan),
  cuda: (plan) => loweredPlan(plan),
  hip: loweredForHip,
};

/** Plans a sketch, and computes what a step must give. */
export function wholePlan(sketch: Sketch, options: PlanOptions): WholePlan {
  const contraction = contractionOf(sketch);
  const chosen = choose(contraction, options);
  const plan = LOWERED[options.device.api]!(chosen);
  const { tokens, adapters, dtype } = plan;
  const rowBlock = rowBlockOf(plan);
  const bound = { M: tokens, rowBlock, rowBlocks: Math.ceil(tokens / rowBlock) };
  const table = Array.from({ length: bound.rowBlocks }, (_, block) => (2 * block + 1) % adapters);
  const own = tensorsOf(sketch, plan, contraction);
  return {
    plan,
    launches: inOrder(plan),
    bound,
    buffers: filled(plan, bound, table, own),
    expected: expectedOf(
      plan,
      contraction.groups[0]!,
      own,
      (row) => table[Math.floor(row / rowBlock)]!,
      ROUND[dtype],
    ),
  };
}

function inOrder(plan: KernelPlan): readonly Launch[] {
  const { prologue, regions, epilogue } = plan;
  const all = [
    ...prologue,
    ...regions.flatMap(({ forward }) => forward),
    ...regions.flatMap(({ backward }) => backward),
    ...epilogue,
  ];
  if (all.length !== launchesOf(plan).length) throw new Error('a plan has launches of no phase');
  return all;
}

/** Numbers of every tensor of the model, as they are stored; factors of several adapters one after another. */
function tensorsOf(sketch: Sketch, plan: KernelPlan, { groups, regions }: AdaptedLayers) {
  const tensors = new Map<string, Float32Array>();
  const add = (name: string, count: number, scale: number) => {
    if (!tensors.has(name))
      tensors.set(
        name,
        values(count, tensors.size + 5).map((value) => scale * value),
      );
  };
  for (const layer of regions.flatMap(({ layers }) => layers)) {
    add(layer.x, plan.tokens * sketch.in, 1);
    add(`d${layer.y}`, plan.tokens * sketch.out, 1);
    add(layer.weight, sketch.in * sketch.out, 1 / Math.sqrt(sketch.in));
    if (layer.bias) add(layer.bias, sketch.out, 1);
    for (const [k, name] of layer.factors.entries()) {
      const { shape } = groups[0]!.factors[k]!;
      add(name, plan.adapters * sizeOf(shape), shape.length === 1 ? 1 : 1 / Math.sqrt(shape[0]!));
    }
  }
  return tensors;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((all, extent) => all * extent, 1);

function filled(
  plan: KernelPlan,
  bound: Readonly<Record<string, number>>,
  table: readonly number[],
  tensors: ReadonlyMap<string, Float32Array>,
) {
  const elementsOf = ({ shape }: BufferPlan) =>
    shape.reduce<number>((size, extent) => size * (typeof extent === 'string' ? bound[extent]! : extent), 1);
  const buffers: Record<string, Float32Array | Uint32Array> = {};
  for (const buffer of plan.buffers) {
    const { name, dtype, cleared, own } = buffer;
    buffers[name] =
      dtype === 'u32'
        ? Uint32Array.from(table)
        : new Float32Array(elementsOf(buffer)).fill(cleared || own ? 0 : Number.NaN);
  }
  const dtypes = new Map(plan.buffers.map(({ name, dtype }) => [name, dtype]));
  for (const life of ['weight', 'step'] as const) {
    const adapters = life === 'step' ? plan.adapters : 1;
    for (const [tensor, places] of Object.entries(placesOf(plan.buffers, life, plan.adapters))) {
      const data = tensors.get(tensor)!;
      for (const { buffer, offset, rows, cols, rowStride } of places) {
        const [to, round] = [buffers[buffer]!, ROUND[dtypes.get(buffer)!]];
        for (let adapter = 0; adapter < adapters; adapter++) {
          const first = offset + adapter * (to.length / adapters);
          for (let i = 0; i < rows * cols; i++) {
            to[first + Math.floor(i / cols) * rowStride + (i % cols)] = round(
              data[adapter * rows * cols + i]!,
            );
          }
        }
      }
    }
  }
  const given = plan.regions.flatMap(({ region }) => [
    [`x_${region.input}`, region.x] as const,
    ...region.layers.map((layer) => [`dy_${numberOf(plan, layer)}`, `d${layer.y}`] as const),
  ]);
  for (const [name, tensor] of given) buffers[name]?.set(tensors.get(tensor)!.map(ROUND[plan.dtype]));
  for (const { name, copyOf, dtype } of plan.buffers) {
    if (copyOf !== undefined) buffers[name]!.set((buffers[copyOf] as Float32Array).map(ROUND[dtype]));
  }
  return buffers;
}

const numberOf = ({ regions }: KernelPlan, layer: AdaptedLayer): number =>
  regions.flatMap(({ region }) => region.layers).indexOf(layer);

/** The definition, layer by layer: y = act(x (W + s F_1 ... F_n) + b), and its gradients. */
function expectedOf(
  plan: KernelPlan,
  group: Group,
  tensors: ReadonlyMap<string, Float32Array>,
  adapterOf: (row: number) => number,
  round: (value: number) => number,
): readonly Expected[] {
  const training = plan.purpose === 'train';
  const found = new Map<string, Matrix>();
  const add = (name: string, value: Matrix) =>
    found.set(name, found.has(name) ? plus(found.get(name)!, value) : value);
  for (const layer of plan.regions.flatMap(({ region }) => region.layers)) {
    const input = plan.regions.find(({ region }) => region.layers.includes(layer))!.region.input;
    const number = numberOf(plan, layer);
    const read = (name: string, cols: number) => matrix(tensors.get(name)!.map(round), cols);
    const x = read(layer.x, layer.in);
    const w =
      layer.weightStored === 'io' ? read(layer.weight, layer.out) : transposed(read(layer.weight, layer.in));
    const bias = layer.bias ? read(layer.bias, layer.out)[0]! : Array<number>(layer.out).fill(0);
    const factors = Array.from({ length: plan.adapters }, (_, adapter) =>
      layer.factors.map((name, k) => {
        const size = sizeOf(group.factors[k]!.shape);
        return tensors.get(name)!.subarray(adapter * size, (adapter + 1) * size);
      }),
    );
    const weights = factors.map((list) => plus(w, matrix(deltaOf(group, list).data, layer.out)));
    const byAdapter = weights.map((weight) => times(x, weight));
    const act = layer.activation && !training ? ACTIVATIONS[layer.activation] : (value: number) => value;
    add(
      `y_${number}`,
      x.map((_, row) => byAdapter[adapterOf(row)]![row]!.map((value, j) => act(value + bias[j]!))),
    );
    if (!training) continue;
    const dy = read(`d${layer.y}`, layer.out);
    add(`dx_${input}`, times(dy, transposed(weights[0]!)));
    const gradients = factorGradients(group, factors[0]!, times(transposed(x), dy).flat());
    for (const [k, name] of layer.factors.entries()) {
      const { shape, data } = gradients[k]!;
      if (group.factors[k]!.trainable) add(name, matrix(data, shape.at(-1)!));
    }
  }
  const places = placesOf(plan.buffers, 'step');
  const gradients = new Map(trainedOf(plan).map(({ factor, gradient }) => [factor, gradient]));
  return [...found].map(([name, rows]): Expected => {
    const data = Float64Array.from(rows.flat());
    const stretches = places[name]?.map(({ buffer, offset, cols, rowStride }) => ({
      buffer: gradients.get(buffer)!,
      at: (i: number) => offset + Math.floor(i / cols) * rowStride + (i % cols),
    }));
    return { name, data, places: stretches ?? [{ buffer: name, at: (i) => i }] };
  });
}

/** The worst of all results of a step, each over its own largest number; NaN where one is not a number. */
export function worstOf(
  { expected }: WholePlan,
  buffers: Readonly<Record<string, ArrayLike<number>>>,
): { readonly name: string; readonly error: number } {
  let worst = { name: 'nothing', error: -1 };
  for (const { name, places, data } of expected) {
    let [error, largest] = [0, 0];
    for (const [i, should] of data.entries()) {
      const is = places.reduce((sum, { buffer, at }) => sum + buffers[buffer]![at(i)]!, 0);
      error = Number.isNaN(is) ? Number.POSITIVE_INFINITY : Math.max(error, Math.abs(is - should));
      largest = Math.max(largest, Math.abs(should));
    }
    if (!(error / largest <= worst.error)) worst = { name, error: error / largest };
  }
  return worst;
}

/** The buffers of a plan after all its launches, run in the interpreter. */
export function interpreted({ launches, buffers, bound }: WholePlan) {
  const memory = Object.fromEntries(Object.entries(buffers).map(([name, data]) => [name, data.slice()]));
  for (const [index, launch] of launches.entries()) {
    interpret(kernelOf(launch), {
      buffers: memory,
      uniforms: bound,
      grid: gridOf(launch, bound),
      order: { seed: index },
    });
  }
  return memory;
}
