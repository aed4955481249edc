import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { type OrtFeeds, OrtSession, type SessionOptions } from '../../../src/backends/ort/session.js';
import { attrInt } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import type { Signature } from '../../../src/train/signature.js';
import { f32, noise, relativeError } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-quantised-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [WIDTH, CLASSES, BATCH] = [64, 5, 3] as const;

/** Three layers with 8-bit weights, adapters on the first: its gradient comes through the other two. */
function emitted(): { folder: string; signature: Signature } {
  const graph = new Graph('layers');
  let x: Value = graph.addInput('x', tensorType('f32', ['batch', WIDTH]));
  for (const [k, out] of [WIDTH, WIDTH, CLASSES].entries()) {
    const codes = Int8Array.from(noise(WIDTH * out, k + 1), (v) => Math.round(v * 127));
    const inputs = [
      graph.addInitializer(`l${k}.q`, new MemoryTensor('i8', [WIDTH, out], new Uint8Array(codes.buffer))),
      graph.addInitializer(
        `l${k}.scale`,
        f32Tensor(
          [out],
          noise(out, k + 9).map((v) => 0.003 + 0.001 * v),
        ),
      ),
      graph.addInitializer(`l${k}.zero`, new MemoryTensor('i8', [out], new Uint8Array(out))),
    ];
    const attrs = [['axis', attrInt(1)] as const];
    const w = graph.append({ op: 'DequantizeLinear', inputs, outputs: [`l${k}.w`], attrs }).outputs[0]!;
    const name = `/l${k}/MatMul`;
    x = graph.append({ op: 'MatMul', name, inputs: [x, w], outputs: [`l${k}.y`] }).outputs[0]!;
  }
  x.setType(tensorType('f32', ['batch', CLASSES]));
  graph.addOutput(x);
  const model = new Model(graph);
  model.irVersion = 10;
  model.setOpset('', 21);
  rewrite(model, { rank: 2, targets: ['l0'] });
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: TRAIN_DEFAULTS });
  return { folder, signature };
}

test('gradients are those of the dequantised weights, whatever ONNX Runtime makes of the products', async () => {
  const { folder, signature } = emitted();
  const graph = signature.graphs.grad!;
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, role, shape }, k) => {
      if (role === 'label') return [name, { type: 'int32', dims: [BATCH], data: Int32Array.of(4, 0, 2) }];
      if (role === 'scalar') return [name, { type: 'float32', dims: [], data: Float32Array.of(1) }];
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : BATCH));
      return [name, { type: 'float32', dims, data: f32(dims, k + 5).data as Float32Array }];
    }),
  );
  const run = async (options: SessionOptions): Promise<OrtFeeds> => {
    const session = await OrtSession.open(join(folder, graph.file), { threads: 1, ...options });
    const results = await session.run(feeds);
    await session.close();
    return results;
  };
  const exact = await run({ optimization: 'disabled' });
  const worst = (results: OrtFeeds): number =>
    Math.max(
      ...graph.outputs
        .filter(({ role }) => role === 'grad')
        .map(({ name }) => relativeError(results[name]!.data, exact[name]!.data)),
    );
  expect(worst(await run({ config: signature.session }))).toBeLessThan(2e-6);
  // what the entry of the signature is for: without it activations are rounded to 8 bits
  expect(worst(await run({}))).toBeGreaterThan(1e-4);
});
