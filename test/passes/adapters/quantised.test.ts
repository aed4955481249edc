import { describe, expect, test } from 'vitest';
import { factorNames } from '../../../src/adapter/plan-factors.js';
import { attrInt } from '../../../src/ir/attr.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor, type TensorData } from '../../../src/ir/tensor.js';
import { encodeFloats } from '../../../src/ir/values.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { stripAdapters } from '../../../src/passes/adapters/strip.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { codeOf } from '../../support/code-of.js';
import { type Matrix, matrix, planned, times } from '../../support/layers.js';
import { noise, relativeError, runOrt } from '../../support/ort.js';

const [IN, OUT] = [6, 5];
const packed = Int8Array.from({ length: IN * OUT }, (_, k) => ((k * 37) % 251) - 125);
const values = noise(3 * IN, 9);
const feeds = { x: { dtype: 'float32' as const, shape: [3, IN], data: values } };

interface Form {
  readonly scales: readonly number[];
  readonly zeros?: readonly number[];
  readonly axis?: 0 | 1;
  readonly block?: number;
}

/** Scales of the blocks of 2 rows of a (6, 5) weight. */
const blocked = Array.from({ length: 15 }, (_, k) => 0.01 + k / 1000);

const forms: readonly (readonly [string, Form])[] = [
  ['per tensor', { scales: [0.02] }],
  ['per tensor, not symmetric', { scales: [0.02], zeros: [-7] }],
  ['per output channel', { scales: [0.01, 0.02, 0.03, 0.04, 0.05], zeros: [1, -2, 3, -4, 5], axis: 1 }],
  ['per input channel', { scales: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06], axis: 0 }],
  ['in blocks along the input', { scales: blocked, axis: 0, block: 2 }],
];

function quantised({ scales, zeros, axis, block }: Form, readers = 1): Model {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', 21);
  model.setIrVersion(10);
  const x = graph.addInput('x', tensorType('f32', [3, IN]));
  const shape = block ? [IN / block, OUT] : axis === undefined ? [] : [scales.length];
  const q = graph.addInitializer('q', new MemoryTensor('i8', [IN, OUT], new Uint8Array(packed.buffer)));
  for (let k = 0; k < readers; k++) {
    // each reader has scales of its own
    const own = scales.map((scale) => scale * (k + 1));
    const inputs = [q, graph.addInitializer(`s${k}`, f32Tensor(shape, own))];
    if (zeros) {
      inputs.push(
        graph.addInitializer(
          `z${k}`,
          new MemoryTensor('i8', shape, new Uint8Array(Int8Array.from(zeros).buffer)),
        ),
      );
    }
    const numbers = { ...(axis === undefined ? {} : { axis }), ...(block ? { block_size: block } : {}) };
    const attrs = Object.entries(numbers).map(([name, value]) => [name, attrInt(value)] as const);
    const w = graph.append({ op: 'DequantizeLinear', inputs, outputs: [`w${k}`], attrs }).outputs[0]!;
    const y = graph.append({ op: 'MatMul', name: `fc${k}`, inputs: [x, w], outputs: [`y${k}`] }).outputs[0]!;
    y.setType(tensorType('f32', [3, OUT]));
    graph.addOutput(y);
  }
  return model;
}

/** (q - zero) scale, by the definition of the operator. */
function weight({ scales, zeros, axis, block }: Form): Matrix {
  const data = Float64Array.from(packed, (q, k) => {
    const [row, column] = [Math.floor(k / OUT), k % OUT];
    const at = block ? Math.floor(row / block) * OUT + column : axis === undefined ? 0 : axis ? column : row;
    return (q - (zeros?.[at] ?? 0)) * Math.fround(scales[at]!);
  });
  return { rows: IN, columns: OUT, data };
}

function adapt(model: Model) {
  const factors = planned(model, { scalePatterns: [['.*', 3]] });
  insertAdapters(model, factors);
  const [row] = requirePlan(model, 'test').plans;
  const [r, m, l] = factorNames(row!, row!.sites[0]!).map((name) => matrix(factors.get(name)!));
  return times(times(r!, m!), l!);
}

describe.each(forms)('a weight quantised %s', (_name, form) => {
  test.each(['fold', 'token'] as const)('takes an adapter: %s', async (kind) => {
    const model = quantised(form);
    const delta = adapt(model);
    lowerAdapters(model, kind);
    const [scale] = scalesOf(model);
    const w = weight(form);
    const full = { ...w, data: w.data.map((v, k) => v + scale! * delta.data[k]!) };
    const wanted = times(matrixOfFeed(), full).data;
    const { y0 } = await runOrt(encodeModel(model), feeds, { level: 'disabled' });
    expect(relativeError(y0!.data, wanted)).toBeLessThan(1e-6);
    expect(relativeError(y0!.data, times(matrixOfFeed(), w).data)).toBeGreaterThan(1e-2);
  });

  test('comes back bit for bit, and is not merged', () => {
    const before = encodeModel(quantised(form));
    const model = quantised(form);
    adapt(model);
    lowerAdapters(model, 'fold');
    const again = readModelBytes(encodeModel(model));
    expect(codeOf(() => mergeAdapters(again))).toBe('LOTR3206');
    stripAdapters(model);
    expect(model.graph.own('q')!.constant!.bytes()).toEqual(new Uint8Array(packed.buffer));
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual(
      [...readModelBytes(before).graph.nodes].map(({ op }) => op),
    );
  });
});

test('one packed tensor under two scales is two weights', () => {
  expect(findLinears(quantised({ scales: [0.02] }, 2)).sites.map(({ uses }) => uses.length)).toEqual([1, 1]);
});

test('float16 scales make a float16 layer', () => {
  const model = quantised({ scales: [0.02] });
  const half: TensorData = new MemoryTensor('f16', [], encodeFloats('f16', Float32Array.of(0.02)));
  model.graph.own('s0')!.setConstant(half);
  expect(findLinears(model).sites.map(({ dtype }) => dtype)).toEqual(['f16']);
});

function matrixOfFeed(): Matrix {
  return { rows: 3, columns: IN, data: Float64Array.from(values) };
}

function scalesOf(model: Model): readonly number[] {
  return requirePlan(model, 'test').plans.map(({ spec, groups }) => {
    const by = { rank: groups[0]!.rank, 'sqrt-rank': Math.sqrt(groups[0]!.rank), none: 1 }[spec.scaling];
    return spec.scale / by;
  });
}
