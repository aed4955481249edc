import { expect } from 'vitest';
import { effectiveScale } from '../../src/adapter/description.js';
import { factorNames, planFactors } from '../../src/adapter/plan-factors.js';
import { constantData } from '../../src/ir/constants.js';
import type { Model } from '../../src/ir/model.js';
import { readModelBytes } from '../../src/ir/onnx/reader.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import { elementCount } from '../../src/ir/shape.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { differentiate } from '../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { apply, type RewriteOptions, rewrite, strip } from '../../src/rewrite.js';
import { evaluateGraph } from './evaluate.js';
import { matrix, times } from './layers.js';
import { noise, relativeError, runOrt, type Tensor } from './ort.js';

const RANK = 2;

/** s F1 F2 ... of every layer by its id, (in, out) in float64. */
export type Deltas = ReadonlyMap<string, Float64Array>;

/**
 * Adapts every layer of the model that `make` builds: at the start it gives the bits of the base in ONNX Runtime; with
 * factors that are nowhere zero it agrees with the base whose weights `correct` changed by the deltas; the stripped
 * model gives the bits of the base again; and the adapter goes onto a fresh base. Returns the ids of the layers.
 */
export async function checkAdapted(
  make: () => Model,
  feeds: Readonly<Record<string, Tensor>>,
  correct: (base: Model, deltas: Deltas) => void,
  tolerance = 2e-6,
): Promise<readonly string[]> {
  const run = (model: Model) => runOrt(encodeModel(model), feeds, { level: 'disabled' });
  const base = await run(make());
  const model = make();
  const { plan, adapter } = rewrite(model, { rank: RANK, targets: ['.*'], share: 'site' });
  const start = await run(readModelBytes(encodeModel(model)));
  for (const [name, { data }] of Object.entries(base))
    expect(relativeError(start[name]!.data, data)).toBeLessThan(1e-6);

  const factors = new Map<string, TensorData>();
  const deltas = new Map<string, Float64Array>();
  for (const row of plan.plans) {
    for (const { name, shape } of planFactors([row])) {
      factors.set(name, f32Tensor(shape, noise(elementCount(shape), 61 + factors.size)));
    }
    for (const site of row.sites) {
      const product = factorNames(row, site)
        .map((name) => matrix(factors.get(name)!))
        .reduce(times);
      const scale = effectiveScale(row.spec, RANK);
      deltas.set(
        site.id,
        product.data.map((v) => scale * v),
      );
    }
  }
  const other = make();
  apply(other, { ...adapter, tensors: factors });
  const corrected = make();
  correct(corrected, deltas);
  const [found, wanted] = [await run(other), await run(corrected)];
  for (const [name, { shape, data }] of Object.entries(wanted)) {
    expect(found[name]!.shape, name).toEqual(shape);
    expect(relativeError(found[name]!.data, data), name).toBeLessThan(tolerance);
  }
  const changed = Object.entries(wanted).map(([name, { data }]) => relativeError(base[name]!.data, data));
  expect(Math.max(...changed)).toBeGreaterThan(0.02);

  strip(other);
  const stripped = await run(other);
  for (const [name, { data }] of Object.entries(start)) expect(stripped[name]!.data).toEqual(data);
  return plan.plans.flatMap(({ sites }) => sites.map(({ id }) => id));
}

/** Adds a delta to columns of a stored float32 matrix, or to its transpose. */
export function addTo(
  base: Model,
  name: string,
  delta: Float64Array,
  place: { column?: number; transposed?: boolean } = {},
): void {
  const held = [...base.everyGraph()].map((graph) => graph.own(name)).find((value) => value)!;
  const data = constantData(held)!;
  const [rows, columns] = data.shape as [number, number];
  const values = toF64(data).slice();
  const width = place.transposed ? rows : delta.length / rows;
  for (let k = 0; k < delta.length; k++) {
    const [i, o] = [Math.floor(k / width), k % width];
    values[place.transposed ? o * columns + i : i * columns + (place.column ?? 0) + o]! += delta[k]!;
  }
  const corrected = f32Tensor(data.shape, values);
  if (held.constant) held.setConstant(corrected);
  else held.producer!.setAttr('value', { kind: 'tensor', value: corrected });
}

const STEP = 1e-5;

/**
 * Adapts every layer of the model that `make` builds, with factors that are nowhere zero, and compares the gradients of
 * all factors with central differences in float64; the loss is a sum of noise times the first output. Returns the largest
 * error relative to the size of its gradient.
 */
export function factorGradientError(
  make: () => Model,
  feeds: Readonly<Record<string, Tensor>>,
  lower: (model: Model) => void = () => {},
  options: Pick<RewriteOptions, 'spec' | 'lowering'> = {},
): number {
  const model = make();
  const { plan } = rewrite(model, { rank: RANK, targets: ['.*'], share: 'site', ...options });
  const { graph } = model;
  lower(model);
  const given = new Map<string, NdArray>();
  for (const [name, { shape, data }] of Object.entries(feeds))
    given.set(name, { shape, data: Float64Array.from(data as ArrayLike<number>, Number) });
  const names = new Set(planFactors(plan.plans).map(({ name }) => name));
  for (const name of names) {
    const { shape } = graph.own(name)!.constant!;
    given.set(name, { shape, data: Float64Array.from(noise(elementCount(shape), 61 + given.size)) });
  }
  inferShapes(model);
  const output = graph.outputs[0]!;
  const { shape } = evaluateGraph(graph, given).get(output)!;
  const seed = noise(elementCount(shape), 77);
  const loss = (fed: ReadonlyMap<string, NdArray>): number =>
    evaluateGraph(graph, fed)
      .get(output)!
      .data.reduce((sum, v, i) => sum + v * seed[i]!, 0);
  const numeric = new Map<string, number[]>();
  for (const name of names) {
    const { shape: own, data } = given.get(name)!;
    const moved = (at: number, by: number) =>
      loss(new Map([...given, [name, { shape: own, data: data.map((v, i) => (i === at ? v + by : v)) }]]));
    numeric.set(
      name,
      Array.from(data, (_, at) => (moved(at, STEP) - moved(at, -STEP)) / (2 * STEP)),
    );
  }
  const wrt = [...names].map((name) => graph.own(name)!);
  const seeds = new Map([[output, graph.addInitializer('seed', f32Tensor(shape, seed))]]);
  const gradients = differentiate(graph, { seeds, wrt });
  const all = evaluateGraph(graph, given);
  let worst = 0;
  for (const value of wrt) {
    const found = all.get(gradients.get(value)!)!.data;
    const wanted = numeric.get(value.name)!;
    const size = Math.max(...wanted.map(Math.abs));
    expect(size, value.name).toBeGreaterThan(1e-3);
    for (const [i, v] of wanted.entries()) worst = Math.max(worst, Math.abs(found[i]! - v) / size);
  }
  return worst;
}
