import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { rewrite } from '../../../src/rewrite.js';
import type { Signature } from '../../../src/train/signature.js';
import { f32, noise, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-functions-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const CLASSES = 3;

/** A layer below the adapter, the adapted one and a head; the activations are functions of the model, or not. */
const WITH = (act: string, opset = 18) => `
<ir_version: 10, opset_import: ["" : 18, "acme" : 1]>
main (float[batch,5] x) => (float[batch,${CLASSES}] y) {
  ["/low/MatMul"] a = MatMul (x, low_w)
  ["/low/act"] b = acme.Act <beta = 0.5> (a)
  ["/mid/MatMul"] c = MatMul (b, mid_w)
  ["/mid/act"] d = ${act}
  ["/head/MatMul"] y = MatMul (d, head_w)
}
<domain: "acme", opset_import: ["" : ${opset}]>
Act <beta: float = 1.0> (x) => (y) {
  factor = Constant <value_float: float = @beta> ()
  scaled = Mul (x, factor)
  gate = Sigmoid (scaled)
  y = Mul (x, gate)
}
<domain: "acme", opset_import: ["" : ${opset}]>
Old (x) => (y) {
  y = Softmax (x)
}`;
const PLAIN = WITH('Mul (c, gate)').replace(
  '["/mid/act"]',
  `factor = Constant <value_float: float = 1.0> ()
  scaled = Mul (c, factor)
  gate = Sigmoid (scaled)
  ["/mid/act"]`,
);

function emitted(text: string): { folder: string; signature: Signature } {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const model = parseModel(text, 'test');
  for (const [name, rows, columns] of [
    ['low_w', 5, 7],
    ['mid_w', 7, 6],
    ['head_w', 6, CLASSES],
  ] as const) {
    const weight = model.graph.own(name)!;
    const data = model.graph.addInitializer(
      `${name}/data`,
      f32Tensor([rows, columns], noise(rows * columns, rows)),
    );
    for (const { node, index } of [...weight.uses]) node.setInput(index, data);
  }
  rewrite(model, { rank: 2, targets: ['mid'] });
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const options = { ...TRAIN_DEFAULTS, maxNorm: null };
  return { folder, signature: emitTraining({ open: () => readModel(path), folder, options }).signature };
}

async function gradients(text: string): Promise<Record<string, Tensor>> {
  const { folder, signature } = emitted(text);
  const graph = signature.graphs.grad!;
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, role, shape }, index) => {
      if (role === 'label') return [name, { dtype: 'int32', shape: [4], data: Int32Array.of(0, 2, 1, 2) }];
      if (role === 'scalar') return [name, { dtype: 'float32', shape: [], data: Float32Array.of(1) }];
      return [
        name,
        f32(
          shape.map((dim) => (typeof dim === 'number' ? dim : 4)),
          index + 3,
        ),
      ];
    }),
  ) as Record<string, Tensor>;
  return runOrt(join(folder, graph.file), feeds, { level: 'disabled' });
}

test('gradients pass through functions of the model as through the nodes of their bodies', async () => {
  const [called, plain] = [await gradients(WITH('acme.Act (c)')), await gradients(PLAIN)];
  expect(Object.keys(called)).toEqual(Object.keys(plain));
  for (const [name, tensor] of Object.entries(plain)) {
    expect(Math.max(...Array.from(tensor.data, (v) => Math.abs(Number(v)))), name).toBeGreaterThan(0);
    expect(called[name]).toEqual(tensor);
  }
});

test('below the lowest adapter calls stay', () => {
  const { folder, signature } = emitted(WITH('acme.Act (c)'));
  const model = readModel(join(folder, signature.graphs.grad!.file));
  expect([...model.everyNode()].filter(({ op }) => op === 'Act').map(({ name }) => name)).toEqual([
    '/low/act',
  ]);
});

test('a body that means something else in the operator set of the model is refused with the reason', () => {
  try {
    emitted(WITH('acme.Old (c)', 11));
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof LotrcError)) throw error;
    expect(error.message).toContain('LOTR4201');
    expect(error.message).toContain(
      'its body uses Softmax of operator set 11, and the model imports version 18',
    );
  }
});
