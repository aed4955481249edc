import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { attrInt } from '../../../src/ir/attr.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import type { NdArray } from '../../../src/ir/ops/core/define.js';
import { tensorType } from '../../../src/ir/shape.js';
import { MemoryTensor } from '../../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../../src/ir/values.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { inlineCalls } from '../../../src/passes/inline/inline.js';
import { rewrite } from '../../../src/rewrite.js';
import type { GraphSignature, Signature } from '../../../src/train/signature.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-half-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [ROWS, IN, HIDDEN, CLASSES, RANK] = [5, 19, 23, 7, 3] as const;
const half = (shape: readonly number[], values: ArrayLike<number>): MemoryTensor =>
  new MemoryTensor('f16', shape, encodeFloats('f16', values));

const W1 = half(
  [IN, HIDDEN],
  noise(IN * HIDDEN, 3).map((v) => v / 2),
);
const W2 = half(
  [HIDDEN, CLASSES],
  noise(HIDDEN * CLASSES, 4).map((v) => v / 2),
);
const X = half([ROWS, IN], noise(ROWS * IN, 9));
const LABELS = [0, 6, -100, 2, 3];

/** logits = tanh(x W1) W2 in float16; `casts`: with float32 inputs and outputs around it, as converters often leave it. */
function emitted(casts: boolean, keepFunctions: boolean): { folder: string; signature: Signature } {
  const graph = new Graph('half');
  const io = casts ? 'f32' : 'f16';
  const given = graph.addInput('x', tensorType(io, ['batch', IN]));
  const cast = (value: typeof given, name: string, to: number) =>
    graph.append({
      op: 'Cast',
      inputs: [value],
      outputs: [name],
      name: `/${name}`,
      attrs: [['to', attrInt(to)]],
    }).outputs[0]!;
  const x = casts ? cast(given, 'x16', 10) : given;
  const [w1, w2] = [graph.addInitializer('w1', W1), graph.addInitializer('w2', W2)];
  const h = graph.append({ op: 'MatMul', inputs: [x, w1], outputs: ['h'], name: '/hidden/MatMul' })
    .outputs[0]!;
  const t = graph.append({ op: 'Tanh', inputs: [h], outputs: ['t'], name: '/Tanh' }).outputs[0]!;
  const z = graph.append({ op: 'MatMul', inputs: [t, w2], outputs: ['z'], name: '/head/MatMul' }).outputs[0]!;
  const y = casts ? cast(z, 'logits', 1) : z;
  y.setType(tensorType(io, ['batch', CLASSES]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: RANK, targets: ['hidden'] });
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const options = { ...TRAIN_DEFAULTS, keepFunctions };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options });
  return { folder, signature };
}

/** The loss in float64: mean cross-entropy of tanh(x (W1 + R M L / rank)) W2 over the rows that have a label. */
function loss(factors: Readonly<Record<string, ArrayLike<number>>>): number {
  const { R, M, L } = factors as Record<'R' | 'M' | 'L', ArrayLike<number>>;
  const delta = multiply(multiply(R, M, IN, RANK, RANK), L, IN, RANK, HIDDEN);
  const w = toF64(W1).map((v, i) => v + delta[i]! / RANK);
  const z = multiply(
    multiply(toF64(X), w, ROWS, IN, HIDDEN).map(Math.tanh),
    toF64(W2),
    ROWS,
    HIDDEN,
    CLASSES,
  );
  let sum = 0;
  for (const [row, label] of LABELS.entries()) {
    if (label === -100) continue;
    const scores = z.subarray(row * CLASSES, (row + 1) * CLASSES);
    sum += Math.log(scores.reduce((all, s) => all + Math.exp(s), 0)) - scores[label]!;
  }
  return sum / LABELS.filter((label) => label !== -100).length;
}

function multiply(a: ArrayLike<number>, b: ArrayLike<number>, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) out[i * n + j]! += a[i * k + p]! * b[p * n + j]!;
  return out;
}

/** Factors that are not zero, by factor name. */
const FACTORS: Readonly<Record<string, Float32Array>> = {
  R: noise(IN * RANK, 5),
  M: noise(RANK * RANK, 6),
  L: noise(RANK * HIDDEN, 7).map((v) => v / 4),
};

function feedsOf(
  signature: Signature,
  graph: GraphSignature,
  casts: boolean,
  scalars: Readonly<Record<string, number>>,
  grads: Readonly<Record<string, Tensor>> = {},
): Record<string, Tensor> {
  const factorOf = new Map(signature.params.map(({ name, factor }) => [name, factor]));
  const bits = new Uint16Array(X.bytes().slice().buffer);
  const x: Tensor = casts
    ? { dtype: 'float32', shape: X.shape, data: Float32Array.from(toF64(X)) }
    : { dtype: 'float16', shape: X.shape, data: bits };
  return Object.fromEntries(
    graph.inputs.map((port): [string, Tensor] => {
      const shape = port.shape as number[];
      const count = shape.reduce((a, b) => a * b, 1);
      if (port.role === 'batch') return [port.name, x];
      if (port.role === 'label')
        return [port.name, { dtype: 'int32', shape: [ROWS], data: Int32Array.from(LABELS) }];
      if (port.role === 'grad') return [port.name, grads[port.param!]!];
      const data =
        port.role === 'scalar'
          ? Float32Array.of(scalars[port.scalar!]!)
          : port.role === 'state'
            ? new Float32Array(count).fill(0.125)
            : FACTORS[factorOf.get(port.param!)!]!;
      return [port.name, { dtype: 'float32', shape, data }];
    }),
  );
}

const SCALARS = { lr: 1e-2, bc1: 0.1, bc2: 1e-3 };

describe.each([
  ['float16 throughout', false, false],
  ['float16 between casts', true, false],
  ['float16 throughout, in functions', false, true],
] as const)('%s', (_, casts, keep) => {
  const { folder, signature } = emitted(casts, keep);
  const { grad, step, apply } = signature.graphs;
  const run = (graph: GraphSignature, loss_scale: number, grads: Record<string, Tensor> = {}) =>
    runOrt(join(folder, graph.file), feedsOf(signature, graph, casts, { ...SCALARS, loss_scale }, grads));

  test('every graph that differentiates takes a loss scale; parameters and gradients are float32', () => {
    for (const graph of [grad!, step!])
      expect(graph.inputs.some(({ name, role }) => role === 'scalar' && name === 'loss_scale')).toBe(true);
    for (const graph of [grad!, step!, apply!])
      for (const port of [...graph.inputs, ...graph.outputs])
        if (port.role === 'param' || port.role === 'state' || port.role === 'grad')
          expect(port.dtype).toBe('f32');
  });

  /** Node by node, each result rounded to its declared type, as on a device that computes in float16. */
  const emulate = (graph: GraphSignature, loss_scale: number, grads: Record<string, Tensor> = {}) => {
    const model = readModel(join(folder, graph.file));
    inlineCalls(model);
    inferShapes(model);
    const feeds = feedsOf(signature, graph, casts, { ...SCALARS, loss_scale }, grads);
    const given = Object.entries(feeds).map(([name, { dtype, shape, data }]): [string, NdArray] => {
      const numbers = dtype === 'float16' ? toF64(X) : Float64Array.from(data as Float32Array);
      return [name, { shape, data: numbers }];
    });
    const values = evaluateGraph(model.graph, new Map(given), 'declared');
    return Object.fromEntries(
      graph.outputs.map(({ name }): [string, Tensor] => {
        const { shape, data } = values.get(model.graph.own(name)!)!;
        return [name, { dtype: 'float32', shape, data: Float32Array.from(data) }];
      }),
    );
  };

  // ONNX Runtime's CPU provider computes most of it in float32; rounded, about eight times 2^-11 lie on the way and back
  test.each([
    ['ONNX Runtime', 1],
    ['ONNX Runtime', 8192],
    ['float16', 1],
    ['float16', 256],
    ['float16', 8192],
  ] as const)('%s, loss scale %i: loss and gradients are those of float64', async (where, scale) => {
    const results = where === 'float16' ? emulate(grad!, scale) : await run(grad!, scale);
    expect(Math.abs(Number(results.loss!.data[0]) / loss(FACTORS) - 1)).toBeLessThan(4e-3);
    for (const { name, factor } of signature.params) {
      const differences = Array.from(FACTORS[factor]!, (_value, i) => {
        const at = (delta: number) => {
          const moved = Float64Array.from(FACTORS[factor]!);
          moved[i]! += delta;
          return loss({ ...FACTORS, [factor]: moved });
        };
        return (at(1e-5) - at(-1e-5)) / 2e-5;
      });
      expect(relativeError(results[`${name}/grad`]!.data, differences), factor).toBeLessThan(4e-3);
    }
  });

  test('a loss scale that overflows float16: not finite, and nothing changes, through step and through apply', async () => {
    const before = feedsOf(signature, step!, casts, { ...SCALARS, loss_scale: 1 });
    const grown = emulate(grad!, 1e7);
    const grads = Object.fromEntries(
      signature.params.map(({ name }) => [name, grown[`${name}/grad`]!] as const),
    );
    expect(Object.values(grads).some(({ data }) => !Array.from(data, Number).every(Number.isFinite))).toBe(
      true,
    );
    for (const [graph, results] of [
      [step!, emulate(step!, 1e7)],
      [apply!, await run(apply!, 1, grads)],
    ] as const) {
      expect(Number(results.finite!.data[0])).toBe(0);
      for (const port of graph.inputs)
        if (port.next) expect(results[port.next]!.data, port.name).toEqual(before[port.name]!.data);
    }
    const good = emulate(step!, 256);
    expect(Number(good.finite!.data[0])).toBe(1);
    for (const port of step!.inputs)
      if (port.next) expect(good[port.next]!.data, port.name).not.toEqual(before[port.name]!.data);
  });
});
