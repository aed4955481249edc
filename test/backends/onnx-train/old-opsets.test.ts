import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { trains } from '../../../cli/dev/survey/trains.js';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import { attrInt, attrInts } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import { noise } from '../../support/ort.js';

/** Gradients in the forms that old operator sets ask of the ops they are made of, in ONNX Runtime. */

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-old-opsets-'));
const host = new OrtProcess();
afterAll(() => {
  host.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** x [batch, 3, 5] through a product, a convolution, the first and last row, a cut and a Gemm. */
function build(opset: number): string {
  const graph = new Graph('old');
  const weight = (name: string, ...shape: number[]): Value =>
    graph.addInitializer(
      name,
      f32Tensor(
        shape,
        noise(
          shape.reduce((a, b) => a * b, 1),
          name.length,
        ),
      ),
    );
  const one = (op: string, inputs: Value[], attrs: Parameters<Graph['append']>[0]['attrs'] = []): Value => {
    const name = `${op}_${[...graph.nodes].length}`;
    return graph.append({ op, inputs, outputs: [name], attrs, name }).outputs[0]!;
  };
  const x = graph.addInput('x', tensorType('f32', ['batch', 3, 5]));
  const h = one('Tanh', [one('MatMul', [x, weight('dense', 5, 7)])]);
  const c = one(
    'Conv',
    [h, weight('filters', 4, 3, 3), weight('bias', 4)],
    [
      ['strides', attrInts([2])],
      ['pads', attrInts([1, 0])],
    ],
  );
  const at = (row: number): Value => graph.addInitializer(`row${row}`, i64Tensor([], [row]));
  const rows = one('Add', [
    one('Gather', [c, at(0)], [['axis', attrInt(1)]]),
    one('Gather', [c, at(-1)], [['axis', attrInt(1)]]),
  ]);
  const cut =
    opset < 10
      ? one(
          'Slice',
          [rows],
          [
            ['axes', attrInts([1])],
            ['starts', attrInts([1])],
            ['ends', attrInts([3])],
          ],
        )
      : one('Slice', [
          rows,
          ...[1, 3, 1].map((k, i) => graph.addInitializer(`cut${i}`, i64Tensor([1], [k]))),
        ]);
  const y = one('Gemm', [cut, weight('head', 2, 6), weight('offset', 6)]);
  y.setType(tensorType('f32', ['batch', 6]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', opset);
  const path = join(scratch, `base-${opset}.onnx`);
  writeModel(model, path);
  rewrite(model, { rank: 2, targets: ['.*'] });
  writeModel(model, join(scratch, `adapted-${opset}.onnx`));
  return path;
}

test('an operator set that lacks what losses are made of', async () => {
  const request = { base: build(8), adapted: join(scratch, 'adapted-8.onnx'), inputs: null, scratch, host };
  await expect(trains(request)).rejects.toThrow('error LOTR5010: the model uses operator set 8');
});

test.each([9, 10, 11, 12, 13, 17, 21])('opset %i', async (opset) => {
  const base = build(opset);
  const found = await trains({
    base,
    adapted: join(scratch, `adapted-${opset}.onnx`),
    inputs: { seed: 1 },
    scratch: mkdtempSync(join(scratch, 'run-')),
    host,
  });
  expect(found).toMatch(/^gradient within \d\.\de-[4-9] \(cross-entropy\)$/);
});
