import { expect, test } from 'vitest';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { parseModel } from '../../src/ir/text/index.js';
import { differentiate } from '../../src/passes/autodiff/engine.js';
import { foldScales } from '../../src/passes/autodiff/fold-scales.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { noise } from '../support/ort.js';

const WIDTH = 7;
const ROWS = 31;

/**
 * The gradient with respect to x of a layer and a product after it, in float32 by ONNX Runtime: before and after scales are
 * folded.
 */
async function gradients(layer: string, x: Float32Array, opset: number, factor = '') {
  const text = `<ir_version: 10, opset_import: ["": ${opset}]>
    g (float[n,${WIDTH}] x, float[1,n,5] dy) => (float[1,n,5] y)
    <float[${WIDTH},5] w = {${noise(5 * WIDTH, 3).join(', ')}}, float three = {3}, float[${WIDTH}] s = {${noise(WIDTH, 4).join(', ')}}, int64[1] at = {0}>
    { ${layer} ${factor === '' ? 'z = Identity (h)' : factor} v = Unsqueeze (z, at) y = MatMul (v, w) }`;
  const ort = await import('onnxruntime-node');
  const run = async (folds: boolean) => {
    const model = parseModel(text);
    const { graph } = model;
    inferShapes(model);
    const forward = new Set(graph.nodes);
    const [y, wrt] = [graph.outputs[0]!, graph.own('x')!];
    const found = differentiate(graph, { seeds: new Map([[y, graph.own('dy')!]]), wrt: [wrt] });
    const count = folds ? foldScales(graph, (node) => !forward.has(node), new Set(found.values())) : 0;
    graph.addOutput(found.get(wrt)!);
    inferShapes(model);
    const session = await ort.InferenceSession.create(encodeModel(model), {
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    const results = await session.run({
      x: new ort.Tensor('float32', x, [ROWS, WIDTH]),
      dy: new ort.Tensor('float32', Float32Array.from(noise(ROWS * 5, 5)), [1, ROWS, 5]),
    });
    const nodes = [...graph.nodes].map(({ op }) => op);
    return { count, nodes, dx: results[found.get(wrt)!.name]!.data as Float32Array };
  };
  return { plain: await run(false), folded: await run(true) };
}

/** dy w^T in float64. */
function arriving(): Float64Array {
  const [w, dy] = [Float32Array.from(noise(5 * WIDTH, 3)), Float32Array.from(noise(ROWS * 5, 5))];
  return Float64Array.from({ length: ROWS * WIDTH }, (_, i) => {
    const [row, column] = [Math.floor(i / WIDTH), i % WIDTH];
    return [0, 1, 2, 3, 4].reduce((sum, k) => sum + dy[row * 5 + k]! * w[column * 5 + k]!, 0);
  });
}

/** Phi by the integral of its density, which a sum of many parts is: no formula in common with the rule. */
function normalCdf(x: number): number {
  const parts = 4000;
  let sum = 0;
  for (let i = 0; i < parts; i++) sum += Math.exp(-(((x * (i + 0.5)) / parts) ** 2) / 2);
  return 0.5 + (sum * x) / parts / Math.sqrt(2 * Math.PI);
}

test('the gradient of GELU in float32, from the middle to where it is 0 or 1', async () => {
  const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => (i - 108) / 3.1);
  x.set([-300, 300, 0, 13.4, -13.4, 5e18, -5e18]);
  const { plain, folded } = await gradients('h = Gelu (x)', x, 20);
  expect(folded.count).toBe(1);
  expect(folded.nodes.length).toBe(plain.nodes.length - 1);
  const dy = arriving();
  for (const [i, v] of x.entries()) {
    const density = Math.exp(-(v ** 2) / 2) / Math.sqrt(2 * Math.PI);
    const wanted = dy[i]! * (Math.abs(v) > 20 ? (v > 0 ? 1 : 0) : normalCdf(v) + v * density);
    // half is a power of 2: bits stay
    expect(folded.dx[i], `x = ${v}`).toBe(plain.dx[i]);
    expect(Math.abs(folded.dx[i]! - wanted), `x = ${v}`).toBeLessThan(3e-7);
  }
});

test('the gradient of LayerNormalization in float32, far from 0 and with little deviation', async () => {
  const x = Float32Array.from(noise(ROWS * WIDTH, 6), (v, i) => {
    const row = Math.floor(i / WIDTH);
    return row % 3 === 0 ? v : row % 3 === 1 ? 40 + v : 1e-4 * v;
  });
  const { folded } = await gradients('h = LayerNormalization <epsilon = 1e-12> (x, s)', x, 17);
  const [s, dy] = [Float32Array.from(noise(WIDTH, 4)), arriving()];
  for (let row = 0; row < ROWS; row++) {
    const part = <T extends Float32Array | Float64Array>(all: T) => [
      ...all.subarray(row * WIDTH, (row + 1) * WIDTH),
    ];
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / WIDTH;
    const centred = part(x).map((v, _, all) => v - mean(all));
    const k = 1 / Math.sqrt(mean(centred.map((v) => v * v)) + 1e-12);
    const h = part(dy).map((v, i) => v * s[i]!);
    const n = centred.map((v) => v * k);
    const across = mean(h.map((v, i) => v * n[i]!));
    const wanted = h.map((v, i) => k * (v - mean(h) - n[i]! * across));
    const size = Math.max(...wanted.map(Math.abs));
    for (const [i, v] of part(folded.dx).entries())
      expect(Math.abs(v - wanted[i]!) / size, `row ${row}`).toBeLessThan(row % 3 === 1 ? 1e-4 : 3e-6);
  }
});

test('what something else reads stays, and so does a product that is the result', async () => {
  const x = Float32Array.from(noise(ROWS * WIDTH, 8));
  // dh = 3 dy w^T is the result
  const result = await gradients('h = Identity (x)', x, 17, 'z = Mul (h, three)');
  expect(result.folded.count).toBe(0);
  // dh is read by both operands of the product before it
  const read = await gradients('a = Tanh (x) h = Mul (a, x)', x, 17, 'z = Mul (h, three)');
  expect(read.folded.count).toBe(1);
  for (const [i, v] of read.folded.dx.entries()) expect(Math.abs(v - read.plain.dx[i]!)).toBeLessThan(1e-6);
  // a vector is not one number
  expect((await gradients('h = Tanh (x)', x, 17, 'z = Mul (h, s)')).folded.count).toBe(0);
});
