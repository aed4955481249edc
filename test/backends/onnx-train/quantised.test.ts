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

/** One layer of a model: its weight in some form, and the product. */
type Layer = (graph: Graph, name: string, x: Value, out: number) => Value;

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

const product = (graph: Graph, name: string, x: Value, w: Value): Value =>
  graph.append({ op: 'MatMul', name: `/${name}/MatMul`, inputs: [x, w], outputs: [`${name}.y`] }).outputs[0]!;

const BLOCK = 32;
const BLOCKS = WIDTH / BLOCK;
/** Row n of the weight, elements k and k + 1 (k even): low half first. */
const packedByte = (name: string, n: number, k: number): number =>
  (n * 71 + (k >> 1) * 29 + 13 * name.charCodeAt(1)) % 256;
const scaleOf = (n: number, block: number): number => Math.fround(0.01 + 0.003 * Math.sin(n + 2 * block));
const zeroOf = (n: number, block: number): number => (n + 3 * block) % 16;

/** 4 bits, blocks with scales and zero points, in ONNX Runtime's operator. */
const fourBits: Layer = (graph, name, x, out) => {
  const each = (count: number, f: (n: number, i: number) => number) =>
    Array.from({ length: out * count }, (_, at) => f(Math.floor(at / count), at % count));
  const codes = Uint8Array.from(each(WIDTH / 2, (n, i) => packedByte(name, n, 2 * i)));
  const zeros = Uint8Array.from(each(BLOCKS / 2, (n, i) => zeroOf(n, 2 * i) | (zeroOf(n, 2 * i + 1) << 4)));
  const inputs = [
    x,
    graph.addInitializer(`${name}.q`, new MemoryTensor('u8', [out, BLOCKS, BLOCK / 2], codes)),
    graph.addInitializer(`${name}.scale`, f32Tensor([out * BLOCKS], each(BLOCKS, scaleOf))),
    graph.addInitializer(`${name}.zero`, new MemoryTensor('u8', [(out * BLOCKS) / 2], zeros)),
  ];
  const attrs = Object.entries({ K: WIDTH, N: out, bits: 4, block_size: BLOCK, accuracy_level: 1 }).map(
    ([key, value]) => [key, attrInt(value)] as const,
  );
  const domain = 'com.microsoft';
  return graph.append({ op: 'MatMulNBits', domain, name, inputs, outputs: [`${name}.y`], attrs }).outputs[0]!;
};

/** The same weight in float32. */
const unpacked: Layer = (graph, name, x, out) => {
  const weight = Array.from({ length: WIDTH * out }, (_, at) => {
    const [k, n] = [Math.floor(at / out), at % out];
    const code = (packedByte(name, n, k) >> (k % 2 === 0 ? 0 : 4)) & 15;
    return (code - zeroOf(n, Math.floor(k / BLOCK))) * scaleOf(n, Math.floor(k / BLOCK));
  });
  return product(graph, name, x, graph.addInitializer(`${name}.w`, f32Tensor([WIDTH, out], weight)));
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

test('gradients through MatMulNBits are those of its weights in float32', async () => {
  const [packed, plain] = [emitted(unpacked, fourBits), emitted(unpacked, unpacked)];
  const exact = await run(plain, { optimization: 'disabled' });
  for (const optimization of ['disabled', 'all'] as const) {
    const results = await run(packed, { optimization, config: packed.signature.session });
    expect(worst(packed, results, exact)).toBeLessThan(2e-6);
  }
});
