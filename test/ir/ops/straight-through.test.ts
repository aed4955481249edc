import { describe, expect, test } from 'vitest';
import { attrInt } from '../../../src/ir/attr.js';
import { type Diagnostic, LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { ndOf } from '../../../src/ir/ops/core/tensor-values.js';
import { elementCount, staticShape, tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, i64Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { noise } from '../../support/ort.js';

const u8 = (shape: readonly number[], data: readonly number[]) =>
  new MemoryTensor('u8', shape, Uint8Array.from(data));
const i8 = (shape: readonly number[], data: readonly number[]) =>
  new MemoryTensor('i8', shape, new Uint8Array(Int8Array.from(data).buffer));

type Matrix = readonly (readonly number[])[];

/** How a quantised computation on x [3, 4] is built, and its exact gradient for a given gradient of its result. */
interface Case {
  readonly build: (graph: Graph, x: Value) => Value;
  readonly gradient: (x: Matrix, dy: Matrix) => Matrix;
  readonly x?: readonly number[];
}

const [ROWS, COLUMNS, OUT] = [3, 4, 5] as const;
const STEP = 0.01;
const weight = Array.from({ length: COLUMNS * OUT }, (_, i) => ((i * 37 + 11) % 255) - 127);
const zeroPoints = [3, -2, 0, 5, 1];
const scales = [0.01, 0.02, 0.015, 0.03, 0.005];

const add = (graph: Graph, name: string, data: Parameters<Graph['addInitializer']>[1]) =>
  graph.addInitializer(name, data);
const op = (graph: Graph, name: string, inputs: Value[], outputs: string[], domain = '', attrs = {}) =>
  graph.append({ op: name, domain, inputs, outputs, attrs: Object.entries(attrs) as never }).outputs;

/** dy (ws (W - zw))^T: what the product would give if nothing were rounded. */
const through = (dy: Matrix): Matrix =>
  dy.map((row) =>
    Array.from({ length: COLUMNS }, (_, k) =>
      row.reduce(
        (sum, g, n) => sum + g * Math.fround(scales[n]!) * (weight[k * OUT + n]! - zeroPoints[n]!),
        0,
      ),
    ),
  );

const weights = (graph: Graph): [Value, Value, Value] => [
  add(graph, 'w', i8([COLUMNS, OUT], weight)),
  add(graph, 'ws', f32Tensor([OUT], scales)),
  add(graph, 'wz', i8([OUT], zeroPoints)),
];

const qdq =
  (data: MemoryTensor, scale: readonly number[], attrs = {}) =>
  (graph: Graph, x: Value) => {
    const s = add(graph, 's', f32Tensor(scale.length === 1 ? [] : [scale.length], scale));
    const z = add(graph, 'z', data);
    const [q] = op(graph, 'QuantizeLinear', [x, s, z], ['q'], '', attrs);
    const [moved] = op(graph, 'Transpose', [q!], ['qt']);
    const rows = add(graph, 'rows', i64Tensor([COLUMNS], [0, 1, 2, 3]));
    const [chosen] = op(graph, 'Gather', [moved!, rows], ['chosen']);
    const [back] = op(graph, 'Transpose', [chosen!], ['qtt']);
    return op(graph, 'DequantizeLinear', [back!, s, z], ['y'], '', attrs)[0]!;
  };

const CASES: Readonly<Record<string, Case>> = {
  'QuantizeLinear, DequantizeLinear': {
    build: qdq(u8([], [100]), [STEP]),
    // codes 0..255 around 100: beyond -1.005 and 1.555 values are cut off
    x: [-1.2, -1.004, -0.5, 0, 0.013, 1, 1.554, 1.6, -3, 3, 0.7, -0.1],
    gradient: (x, dy) =>
      dy.map((row, i) => row.map((g, j) => (x[i]![j]! < -1.005 || x[i]![j]! > 1.555 ? 0 : g))),
  },
  'per column, 8 signed bits': {
    build: qdq(i8([4], [0, 5, -5, 100]), [0.001, 0.02, 0.01, 0.1], { axis: attrInt(1) }),
    x: [0.1, 0.1, 0.1, 0.1, 0.2, -2, -2, -30, -0.1285, 2.3, 1.31, 2],
    gradient: (_, dy) => {
      const cut = [0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0];
      return dy.map((row, i) => row.map((g, j) => (cut[i * COLUMNS + j] ? 0 : g)));
    },
  },
  'DynamicQuantizeLinear, MatMulInteger': {
    build: (graph, x) => {
      const [w, ws, wz] = weights(graph);
      const [xq, xs, xz] = op(graph, 'DynamicQuantizeLinear', [x], ['xq', 'xs', 'xz']);
      const [y] = op(graph, 'MatMulInteger', [xq!, w, xz!, wz], ['yi']);
      const [real] = op(graph, 'Cast', [y!], ['yf'], '', { to: attrInt(1) });
      const [both] = op(graph, 'Mul', [xs!, ws], ['both']);
      return op(graph, 'Mul', [real!, both!], ['y'])[0]!;
    },
    gradient: (_, dy) => through(dy),
  },
  DynamicQuantizeMatMul: {
    build: (graph, x) =>
      op(graph, 'DynamicQuantizeMatMul', [x, ...weights(graph)], ['y'], 'com.microsoft')[0]!,
    gradient: (_, dy) => through(dy),
  },
  MatMulIntegerToFloat: {
    build: (graph, x) => {
      const [w, ws, wz] = weights(graph);
      const [xq, xs, xz] = op(graph, 'DynamicQuantizeLinear', [x], ['xq', 'xs', 'xz']);
      return op(graph, 'MatMulIntegerToFloat', [xq!, w, xs!, ws, xz!, wz], ['y'], 'com.microsoft')[0]!;
    },
    gradient: (_, dy) => through(dy),
  },
  'MatMulInteger of two activations': {
    build: (graph, x) => {
      const [xq, xs, xz] = op(graph, 'DynamicQuantizeLinear', [x], ['xq', 'xs', 'xz']);
      const turned = op(graph, 'Transpose', [xq!], ['xqt'])[0]!;
      const [y] = op(graph, 'MatMulInteger', [xq!, turned, xz!, xz!], ['yi']);
      const [real] = op(graph, 'Cast', [y!], ['yf'], '', { to: attrInt(1) });
      const [both] = op(graph, 'Mul', [xs!, xs!], ['both']);
      return op(graph, 'Mul', [real!, both!], ['y'])[0]!;
    },
    // y = x^ x^T for the rounded x^: dx = (dy + dy^T) x^
    gradient: (x, dy) => {
      const flat = x.flat();
      const step = (Math.max(0, ...flat) - Math.min(0, ...flat)) / 255;
      const zero = Math.round(-Math.min(0, ...flat) / step);
      const rounded = x.map((row) =>
        row.map((v) => (Math.min(255, Math.round(v / step) + zero) - zero) * step),
      );
      return dy.map((row, i) =>
        x[0]!.map((_, k) => row.reduce((sum, _g, j) => sum + (dy[i]![j]! + dy[j]![i]!) * rounded[j]![k]!, 0)),
      );
    },
  },
};

const rowsOf = (data: ArrayLike<number>, columns: number): Matrix =>
  Array.from({ length: data.length / columns }, (_, i) =>
    Array.from({ length: columns }, (_v, j) => data[i * columns + j]!),
  );

/** The largest error of dx, relative to its size, and what the engine remarked. */
function check({ build, gradient, x: values }: Case): { error: number; remarks: Diagnostic[] } {
  const graph = new Graph('case');
  const model = new Model(graph);
  model.setOpset('', 21);
  model.setOpset('com.microsoft', 1);
  const x = graph.addInput('x', tensorType('f32', [ROWS, COLUMNS]));
  const data = Float64Array.from(values ?? noise(ROWS * COLUMNS, 3), Math.fround);
  const y = build(graph, x);
  expect(inferShapes(model)).toEqual([]);
  const shape = (y.type?.kind === 'tensor' ? staticShape(y.type.shape) : null) ?? [ROWS, OUT];
  const dy = Float64Array.from(noise(elementCount(shape), 8), Math.fround);
  const seed = graph.addInitializer('seed', f32Tensor(shape, [...dy]));
  const remarks: Diagnostic[] = [];
  const found = differentiate(graph, {
    seeds: new Map([[y, seed]]),
    wrt: [x],
    report: (remark) => remarks.push(remark),
  });
  const all = evaluateGraph(graph, new Map([['x', { shape: [ROWS, COLUMNS], data }]]));
  const value = found.get(x)!;
  const got = all.get(value) ?? ndOf(value.constant!)!;
  const wanted = gradient(rowsOf(data, COLUMNS), rowsOf(dy, shape.at(-1)!)).flat();
  const size = Math.max(...wanted.map(Math.abs));
  expect(size).toBeGreaterThan(0.1);
  const error = Math.max(...wanted.map((v, i) => Math.abs(v - got.data[i]!) / size));
  return { error, remarks };
}

describe('gradients pass straight through rounding', () => {
  test.each(Object.entries(CASES))('%s', (_name, given) => {
    const { error, remarks } = check(given);
    expect(error).toBeLessThan(1e-6);
    expect(remarks.map(({ code }) => code)).toEqual(['LOTR4204']);
  });
});

describe('what rounding cannot pass on is refused, never zero', () => {
  const refusal = (build: Case['build']): string => {
    try {
      check({ build, gradient: () => [] });
    } catch (error) {
      if (error instanceof LotrcError) return error.diagnostics[0]!.message;
      throw error;
    }
    return 'none';
  };
  test('an op on integers whose rule is for floating point', () => {
    const message = refusal((graph, x) => {
      const s = add(graph, 's', f32Tensor([], [STEP]));
      const [q] = op(graph, 'QuantizeLinear', [x, s], ['q']);
      const [largest] = op(graph, 'Max', [q!, add(graph, 'floor', u8([], [7]))], ['max']);
      return op(graph, 'DequantizeLinear', [largest!, s], ['y'])[0]!;
    });
    expect(message).toBe(
      'cannot differentiate Max: its input "q" is quantised, and its rule is for floating-point numbers',
    );
  });
  test('a product of integers without a rule', () => {
    const message = refusal((graph, x) => {
      const [s, z] = [add(graph, 's', f32Tensor([], [STEP])), add(graph, 'z', i8([], [0]))];
      const [q] = op(graph, 'QuantizeLinear', [x, s, z], ['q']);
      const w = add(graph, 'w', i8([COLUMNS, OUT], weight));
      const [y] = op(graph, 'QLinearMatMul', [q!, s, z, w, s, z, s, z], ['yq']);
      return op(graph, 'DequantizeLinear', [y!, s, z], ['y'])[0]!;
    });
    expect(message).toMatch(/^cannot differentiate QLinearMatMul: /);
  });
});
