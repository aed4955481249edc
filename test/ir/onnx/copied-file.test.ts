import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor, type TensorData } from '../../../src/ir/tensor.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-whole-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** 19.1 MB: more than the least that is copied whole. */
const SHAPE = [1597, 2987] as const;

function numbers(count: number, seed: number): TensorData {
  const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37 + seed));
  return new MemoryTensor('f32', [count], new Uint8Array(values.buffer));
}

/** A model whose only large weight lies in `weights.bin`, made from the text of a model with inline weights. */
function base(): { path: string; data: string; model: Model } {
  const folder = mkdtempSync(join(root, 'base-'));
  const graph = new Graph('g');
  const x = graph.addInput('x', tensorType('f32', ['n', SHAPE[0]]));
  const flat = numbers(SHAPE[0] * SHAPE[1], 1).bytes();
  const w = graph.addInitializer('w', new MemoryTensor('f32', SHAPE, flat));
  graph.addOutput(graph.append({ op: 'MatMul', name: 'm', inputs: [x, w], outputs: ['y'] }).outputs[0]!);
  const model = new Model(graph);
  model.irVersion = 8;
  model.opsets.set('', 17);
  const single = join(folder, 'single.onnx');
  writeModel(model, single);
  // linked: the weight is external data in another file, then copied into a data file of its own
  const linked = join(folder, 'linked.onnx');
  const inline = readModel(single);
  inline.setMetadata('note', 'linked');
  writeModel(inline, linked, { weights: 'link' });
  return { path: linked, data: single, model: readModel(linked) };
}

const add = (model: Model, name: string, values: number[]) =>
  model.graph.addInitializer(name, f32Tensor([values.length], values));

test('a data file that is wanted nearly whole is copied, and tensors keep their offsets', () => {
  const { model, data } = base();
  chmodSync(data, 0o444);
  add(model, 'small', [1, 2, 3]);
  const out = join(root, 'out.onnx');
  const report = writeModel(model, out, { weights: 'copy' });
  expect(report.dataFile).toEqual({ path: `${out}.data`, byteLength: statSync(data).size });
  expect(readFileSync(`${out}.data`).equals(readFileSync(data))).toBe(true);
  expect(statSync(`${out}.data`).mode & 0o200).toBe(0o200);
  const again = readModel(out);
  const w = again.graph.own('w')!.constant!;
  const from = model.graph.own('w')!.constant!;
  expect(w.origin).toEqual({ ...from.origin, path: expect.stringContaining('out.onnx.data') });
  expect(w.digest()).toBe(from.digest());
  expect(again.graph.own('small')!.constant!.bytes()).toEqual(f32Tensor([3], [1, 2, 3]).bytes());
});

test('a file that got shorter since it was read is not copied', () => {
  const { model, data } = base();
  model.setMetadata('note', 'edited');
  truncateSync(data, 1000);
  const out = join(root, 'shorter.onnx');
  expect(() => writeModel(model, out, { weights: 'copy' })).toThrow();
  expect(existsSync(out)).toBe(false);
  expect(existsSync(`${out}.data`)).toBe(false);
});
