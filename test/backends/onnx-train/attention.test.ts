import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { attrInt } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import type { GraphSignature, Signature } from '../../../src/train/signature.js';
import { f32, noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';
import { f32Of } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-attention-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [BATCH, SEQ, WIDTH, CLASSES] = [2, 5, 12, 7] as const;
const LABELS = [0, 6, -100, 2, 3, 1, 1, -100, 5, 4];
const OPS = {
  'Attention, opset 23': {
    opset: 23,
    domain: '',
    op: 'Attention',
    attrs: { q_num_heads: attrInt(3), kv_num_heads: attrInt(3), is_causal: attrInt(1) },
  },
  MultiHeadAttention: {
    opset: 17,
    domain: 'com.microsoft',
    op: 'MultiHeadAttention',
    attrs: { num_heads: attrInt(3), unidirectional: attrInt(1) },
  },
} as const;

interface Made {
  readonly folder: string;
  readonly signature: Signature;
}

/** Two layers of attention with adapters on `targets`, and a training directory of them. */
function emitted(form: (typeof OPS)[keyof typeof OPS], targets: readonly string[]): Made {
  const graph = new Graph('layers');
  const linear = (name: string, x: Value, out: number): Value => {
    const w = graph.addInitializer(
      `${name}.weight`,
      f32Tensor([WIDTH, out], noise(WIDTH * out, name.length + out)),
    );
    const node = `/${name.replaceAll('.', '/')}/MatMul`;
    return graph.append({ op: 'MatMul', inputs: [x, w], outputs: [`${name}/y`], name: node }).outputs[0]!;
  };
  let x = graph.addInput('x', tensorType('f32', ['batch', 'seq', WIDTH]));
  for (const layer of ['first', 'second']) {
    const inputs = ['query', 'key', 'value'].map((part) => linear(`${layer}.${part}`, x, WIDTH));
    const { op, domain, attrs } = form;
    const name = `/${layer}/attention`;
    x = graph.append({ op, domain, inputs, outputs: [`${layer}/y`], name, attrs: Object.entries(attrs) })
      .outputs[0]!;
  }
  const logits = linear('head', x, CLASSES);
  logits.setType(tensorType('f32', ['batch', 'seq', CLASSES]));
  graph.addOutput(logits);
  const model = new Model(graph);
  model.irVersion = 10;
  model.setOpset('', form.opset);
  if (form.domain !== '') model.setOpset(form.domain, 1);
  rewrite(model, { rank: 3, targets });
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const options = { ...TRAIN_DEFAULTS, maxNorm: null };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options });
  return { folder, signature };
}

const feeds = (graph: GraphSignature, params: ReadonlyMap<string, Tensor>): Record<string, Tensor> =>
  Object.fromEntries(
    graph.inputs.map(({ name, role, param }) => [
      name,
      role === 'batch'
        ? f32([BATCH, SEQ, WIDTH], 9)
        : role === 'label'
          ? { dtype: 'int32', shape: [BATCH, SEQ], data: Int32Array.from(LABELS) }
          : role === 'scalar'
            ? f32Of([], Float32Array.of(1))
            : params.get(param!)!,
    ]),
  );

/** The loss in float64 from the logits of the inference graph, in which ONNX Runtime's kernels of attention run. */
async function lossOfKernels(
  { folder, signature }: Made,
  params: ReadonlyMap<string, Tensor>,
): Promise<number> {
  const graph = signature.graphs.infer!;
  const [logits] = Object.values(await runOrt(join(folder, graph.file), feeds(graph, params)));
  let sum = 0;
  for (const [row, label] of LABELS.entries()) {
    if (label === -100) continue;
    const scores = Array.from({ length: CLASSES }, (_, i) => Number(logits!.data[row * CLASSES + i]));
    sum += Math.log(scores.reduce((all, s) => all + Math.exp(s), 0)) - scores[label]!;
  }
  return sum / LABELS.filter((label) => label !== -100).length;
}

const opsOf = ({ folder, signature }: Made, graph: 'grad' | 'infer'): string[] =>
  [...readModel(join(folder, signature.graphs[graph]!.file)).graph.nodes].map(({ op }) => op);

test.each(Object.entries(OPS))('%s: the gradient is that of the kernels', async (_, form) => {
  const made = emitted(form, ['query', 'key', 'value']);
  expect(opsOf(made, 'grad')).not.toContain(form.op);
  expect(opsOf(made, 'infer')).toContain(form.op);
  const params = new Map<string, Tensor>(
    made.signature.params.map(({ name, shape }, i) => [name, f32(shape, i + 21)]),
  );
  const graph = made.signature.graphs.grad!;
  const results = await runOrt(join(made.folder, graph.file), feeds(graph, params));
  const loss = await lossOfKernels(made, params);
  expect(Math.abs(Number(results.loss!.data[0]) / loss - 1)).toBeLessThan(2e-6);
  for (const port of graph.outputs) {
    if (port.role !== 'grad') continue;
    // the derivative along the gradient is its norm
    const gradient = Float64Array.from(results[port.name]!.data as Float32Array);
    const norm = Math.hypot(...gradient);
    const { shape, data } = params.get(port.param!)!;
    const moved = (by: number) => {
      const values = Float32Array.from(data as Float32Array, (v, i) => v + (by * gradient[i]!) / norm);
      return lossOfKernels(made, new Map(params).set(port.param!, f32Of(shape, values)));
    };
    const step = 4e-3;
    const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
    expect(relativeError([slope], [norm]), port.param).toBeLessThan(2e-3);
  }
});

test('layers below the lowest adapter keep their kernel', () => {
  const made = emitted(OPS.MultiHeadAttention, ['second.value']);
  expect(opsOf(made, 'grad').filter((op) => op === 'MultiHeadAttention')).toHaveLength(1);
});
