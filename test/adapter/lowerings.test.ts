import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { effectiveScale } from '../../src/adapter/description.js';
import { readDescription } from '../../src/adapter/description-check.js';
import { METHODS } from '../../src/adapter/methods/index.js';
import { factorNames, groupOf, readBy } from '../../src/adapter/plan-factors.js';
import { deltaTerm } from '../../src/adapter/terms.js';
import { wholeDelta } from '../../src/adapter/to-numbers/delta.js';
import { numbersOf } from '../../src/adapter/to-numbers/tensor.js';
import { attrFloat, attrInt } from '../../src/ir/attr.js';
import type { Model } from '../../src/ir/model.js';
import { Graph, Model as OnnxModel } from '../../src/ir/model.js';
import { readModelBytes } from '../../src/ir/onnx/reader.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { toF64 } from '../../src/ir/values.js';
import { insertAdapters } from '../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../src/passes/adapters/merge.js';
import { raiseAdapters } from '../../src/passes/adapters/raise.js';
import { toFunctions } from '../../src/passes/adapters/to-functions.js';
import { requirePlan } from '../../src/passes/plan/plan.js';
import { factorGradientError } from '../support/adapted.js';
import { inTurn } from '../support/everything.js';
import { floats, type Matrix, matrix, planned, times, turn } from '../support/layers.js';
import { noise, runOrt } from '../support/ort.js';

const factorsOf = (names: string): unknown[] => [...names].map((name) => ({ name, init: 'zeros' }));

/** Einsums that no shipped method has: what the language can say and lowering must do all the same. */
const OTHERS = [
  ['random-sum', 'ri,rj,ji,jro->io', 'ABCD'],
  ['backwards', 'or,si,rs->io', 'ABC'],
  ['star', 'irs,rk,sk,ko->io', 'ABCD'],
  ['columns', 'ir,r->io', 'AB'],
  ['heads', 'rh,r->i(hd)', 'AB'],
  ['block-rows', 'ar,rc,o->(ac)o', 'ABC'],
].map(([method, delta, names]) =>
  readDescription({ method, delta, factors: factorsOf(names!), extents: extentsFor(delta!) }, method!),
);

/** Letters other than r get extents of their own, so that no axis fits another one's place. */
function extentsFor(delta: string): AdapterSpec['extents'] {
  // the axes of the two layers have no divisors in common
  const split = [...delta.matchAll(/\((\w)\w\)/g)].map(([, letter]) => [letter!, 'sqrt'] as const);
  if (split.length > 0) return Object.fromEntries(split);
  const own = Object.entries({ s: 4, u: 5, k: 6, l: 2, j: 4 }).filter(([letter]) =>
    delta.split('->')[0]!.includes(letter),
  );
  return own.length > 0 ? Object.fromEntries(own) : undefined;
}

/** The methods that lotrc comes with, with few numbers along each axis, of whose common factors layers read a part. */
const SHIPPED = [...METHODS.values()].map((spec): AdapterSpec => {
  const decomposed = spec.factors.some(({ init }) => typeof init === 'object' && 'svd' in init);
  const extents = decomposed ? undefined : extentsFor(spec.delta);
  const factors = spec.factors.map((factor) =>
    factor.share === 'model' ? { ...factor, slice: true as const } : factor,
  );
  return { ...spec, factors, ...(extents ? { extents } : {}) };
});

const SPECS: readonly AdapterSpec[] = [...SHIPPED, ...OTHERS];

/** x (7) -> a Gemm with alpha, beta and transB to 5 -> a MatMul to 9: two shapes, so that shared factors are sliced. */
function twoLayers(): Model {
  const graph = new Graph('main');
  const model = new OnnxModel(graph);
  model.setOpset('', 17);
  model.setIrVersion(8);
  const x = graph.addInput('x', tensorType('f32', ['n', 7]));
  const stored = (name: string, shape: readonly number[], seed: number) =>
    graph.addInitializer(name, floats('f32', shape, seed));
  const [hidden] = graph.append({
    op: 'Gemm',
    name: 'a',
    inputs: [x, stored('h.0.a.weight', [5, 7], 3), stored('h.0.a.bias', [5], 4)],
    outputs: ['h'],
    attrs: [
      ['alpha', attrFloat(0.5)],
      ['beta', attrFloat(0.75)],
      ['transB', attrInt(1)],
    ],
  }).outputs;
  const [y] = graph.append({
    op: 'MatMul',
    name: 'b',
    inputs: [hidden!, stored('h.1.b.weight', [5, 9], 5)],
    outputs: ['y'],
  }).outputs;
  y!.setType(tensorType('f32', ['n', 9]));
  graph.addOutput(y!);
  return model;
}

const ROWS = 4;
const feeds = { x: { dtype: 'float32' as const, shape: [ROWS, 7], data: noise(ROWS * 7, 9) } };

/** What becomes of a weight (in, out), as the definition has it: in loops over its elements. */
function wrappedBy(spec: AdapterSpec, w: Matrix, sd: Float64Array, lengths: Float64Array | null): Matrix {
  const { rows, columns } = w;
  const data = Float64Array.from(w.data);
  for (let o = 0; o < columns; o++) {
    let square = 0;
    for (let i = 0; i < rows; i++) {
      const k = i * columns + o;
      data[k] = spec.wrap === 'hadamard' ? w.data[k]! * (1 + sd[k]!) : w.data[k]! + sd[k]!;
      square += data[k] ** 2;
    }
    for (let i = 0; lengths && i < rows; i++) data[i * columns + o]! *= lengths[o]! / Math.sqrt(square);
  }
  return { rows, columns, data };
}

/** The outputs by the definition: D of each layer as numbers, then products in float64. */
function byDefinition(spec: AdapterSpec): Float64Array {
  const model = twoLayers();
  const factors = planned(model, { spec, rank: 3 });
  const { plans } = requirePlan(model, 'test');
  const layers = plans.flatMap((row) => row.sites.map((site) => ({ row, site })));
  layers.sort((a, b) => (a.site.id < b.site.id ? -1 : 1));
  const changed = (index: number, w: Matrix): Matrix => {
    const { row, site } = layers[index]!;
    const group = groupOf(row, site);
    const own = factorNames(row, site).map((name, k) => numbersOf(readBy(row, site, k, factors.get(name)!)));
    const term = deltaTerm(row.spec.delta);
    const { data } = wholeDelta(term, own.slice(0, term.operands.length), group);
    const scale = Math.fround(effectiveScale(row.spec, group.rank));
    const lengths = own[term.operands.length]?.data ?? null;
    return wrappedBy(
      spec,
      w,
      data.map((v) => scale * v),
      lengths,
    );
  };
  const weight = (name: string) => matrix(model.graph.own(name)!.constant!);
  const x = { rows: ROWS, columns: 7, data: Float64Array.from(feeds.x.data) };
  const bias = toF64(model.graph.own('h.0.a.bias')!.constant!);
  const first = turn(weight('h.0.a.weight'));
  const scaled = { ...first, data: first.data.map((v) => 0.5 * v) };
  // scaled with the outputs where the method says so
  const gain = (o: number): number => {
    const { row, site } = layers[0]!;
    if (!spec.scaleBias) return 1;
    return 1 + row.spec.scale * toF64(factors.get(factorNames(row, site)[0]!)!)[o]!;
  };
  const hidden = times(x, changed(0, scaled)).data.map((v, k) => v + 0.75 * gain(k % 5) * bias[k % 5]!);
  const h = { rows: ROWS, columns: 5, data: hidden };
  return times(h, changed(1, weight('h.1.b.weight'))).data;
}

const FORMS = ['fold', 'token', 'dense', 'function'] as const;

function written(spec: AdapterSpec, form: (typeof FORMS)[number]): Model {
  const model = twoLayers();
  insertAdapters(model, planned(model, { spec, rank: 3 }));
  if (form === 'function') toFunctions(model);
  else lowerAdapters(model, form);
  return readModelBytes(encodeModel(model));
}

const worst = (found: ArrayLike<number | bigint>, right: Float64Array): number => {
  const size = Math.max(...right.map(Math.abs));
  return Math.max(...right.map((v, k) => Math.abs(v - Number(found[k])))) / size;
};

describe.each(SPECS.map((spec, n) => [spec.method, spec, n] as const))('%s', (_, spec, n) => {
  const right = byDefinition(spec);

  test.each(inTurn(FORMS, n))(
    '%s: ONNX Runtime agrees with the numbers, before and after it is merged',
    async (form) => {
      const model = written(spec, form);
      expect(worst((await runOrt(encodeModel(model), feeds)).y!.data, right)).toBeLessThan(1e-6);
      expect(raiseAdapters(model, 'test')).toBe(2);
      mergeAdapters(model);
      expect([...model.graph.nodes].map(({ op }) => op)).toEqual(['Gemm', 'MatMul']);
      expect(worst((await runOrt(encodeModel(model), feeds)).y!.data, right)).toBeLessThan(1e-6);
    },
  );

  test.each(inTurn(['fold', 'token', 'dense'] as const, n + 1))(
    '%s: gradients of all factors are those of finite differences in float64',
    (lowering) => {
      const small = { x: { ...feeds.x, shape: [2, 7], data: noise(14, 9) } };
      expect(factorGradientError(twoLayers, small, () => {}, { spec, lowering })).toBeLessThan(1e-7);
    },
  );
});
