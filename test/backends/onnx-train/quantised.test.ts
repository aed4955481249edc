import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { OrtSession, type SessionOptions } from '../../../src/backends/ort/session.js';
import type { OrtFeeds } from '../../../src/backends/ort/tensor.js';
import { attrInt } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import type { Signature } from '../../../src/train/signature.js';
import { eightBits, unrounded } from '../../support/eight-bits.js';
import { fourBits, type Layer, product, unpacked, WIDTH } from '../../support/four-bits.js';
import { f32, noise, relativeError } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-quantised-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [CLASSES, BATCH] = [5, 3] as const;

/** 8 bits and a scale per column. */
const dequantised: Layer = (graph, name, x, out) => {
  const codes = Int8Array.from(noise(WIDTH * out, out), (v) => Math.round(v * 127));
  const scales = noise(out, 9).map((v) => 0.003 + 0.001 * v);
  const inputs = [
    graph.addInitializer(`${name}.q`, new MemoryTensor('i8', [WIDTH, out], new Uint8Array(codes.buffer))),
    graph.addInitializer(`${name}.scale`, f32Tensor([out], scales)),
    graph.addInitializer(`${name}.zero`, new MemoryTensor('i8', [out], new Uint8Array(out))),
  ];
  const attrs = [['axis', attrInt(1)] as const];
  const w = graph.append({ op: 'DequantizeLinear', inputs, outputs: [`${name}.w`], attrs }).outputs[0]!;
  return product(graph, name, x, w);
};

/** Three layers, adapters on the first: its gradient comes through the other two. */
function emitted(first: Layer, rest: Layer): { folder: string; signature: Signature } {
  const graph = new Graph('layers');
  let x: Value = graph.addInput('x', tensorType('f32', ['batch', WIDTH]));
  for (const [k, out] of [WIDTH, WIDTH, CLASSES].entries()) {
    x = (k === 0 ? first : rest)(graph, `l${k}`, x, out);
  }
  x.setType(tensorType('f32', ['batch', CLASSES]));
  graph.addOutput(x);
  const model = new Model(graph);
  model.irVersion = 10;
  model.setOpset('', 21);
  model.setOpset('com.microsoft', 1);
  rewrite(model, { rank: 2, targets: ['l0'] });
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: TRAIN_DEFAULTS });
  return { folder, signature };
}

/** All outputs of grad.onnx on made inputs. */
async function run(
  { folder, signature }: ReturnType<typeof emitted>,
  options: SessionOptions,
): Promise<OrtFeeds> {
  const graph = signature.graphs.grad!;
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, role, shape }, k) => {
      if (role === 'label') return [name, { type: 'int32', dims: [BATCH], data: Int32Array.of(4, 0, 2) }];
      if (role === 'scalar') return [name, { type: 'float32', dims: [], data: Float32Array.of(1) }];
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : BATCH));
      return [name, { type: 'float32', dims, data: f32(dims, k + 5).data as Float32Array }];
    }),
  );
  const session = await OrtSession.open(join(folder, graph.file), { threads: 1, ...options });
  const results = await session.run(feeds);
  await session.close();
  return results;
}

/** The largest relative error of a gradient. */
function worst({ signature }: ReturnType<typeof emitted>, results: OrtFeeds, exact: OrtFeeds): number {
  const grads = signature.graphs.grad!.outputs.filter(({ role }) => role === 'grad');
  return Math.max(...grads.map(({ name }) => relativeError(results[name]!.data, exact[name]!.data)));
}

test('gradients are those of the dequantised weights, whatever ONNX Runtime makes of the products', async () => {
  const made = emitted(dequantised, dequantised);
  const exact = await run(made, { optimization: 'disabled' });
  expect(worst(made, await run(made, { config: made.signature.session }), exact)).toBeLessThan(2e-6);
  // what the entry of the signature is for: without it activations are rounded to 8 bits
  expect(worst(made, await run(made, {}), exact)).toBeGreaterThan(1e-4);
});

test('gradients of adapters on MatMulNBits are those of adapters on its weights in float32', async () => {
  const [packed, plain] = [emitted(fourBits, fourBits), emitted(unpacked, unpacked)];
  const exact = await run(plain, { optimization: 'disabled' });
  const results = await run(packed, { config: packed.signature.session });
  expect(worst(packed, results, exact)).toBeLessThan(2e-6);
});

test('gradients through MatMulNBits are those of its weights in float32', async () => {
  const [packed, plain] = [emitted(unpacked, fourBits), emitted(unpacked, unpacked)];
  const exact = await run(plain, { optimization: 'disabled' });
  for (const optimization of ['disabled', 'all'] as const) {
    const results = await run(packed, { optimization, config: packed.signature.session });
    expect(worst(packed, results, exact)).toBeLessThan(2e-6);
  }
});

test('gradients through rounded activations are those of the runtime with and without its optimiser, and near the exact ones', async () => {
  const [rounded, plain] = [emitted(eightBits, eightBits), emitted(unrounded, unrounded)];
  const exact = await run(plain, { optimization: 'disabled' });
  const slow = await run(rounded, { optimization: 'disabled' });
  expect(worst(rounded, await run(rounded, { config: rounded.signature.session }), slow)).toBeLessThan(2e-6);
  // what 8 bits for every activation cost; a gradient that rounding cuts off would be 1
  expect(worst(rounded, slow, exact)).toBeLessThan(0.03);
});
