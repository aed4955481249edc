import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import { countTerms } from '../../../src/train/labels.js';
import type { Signature } from '../../../src/train/signature.js';
import type { Batch } from '../../../src/train/training-steps.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-pairs-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [ROWS, SEQ, IN, OUT] = [6, 5, 7, 3] as const;

/** An encoder that is one layer, x [.., 7] -> [.., 3]; its cores are zero, so that it computes x W. */
function encoder(rank: 2 | 3, masked: boolean, opset: number, rows: number | string = 'batch'): string {
  const graph = new Graph('encoder');
  const dims = rank === 2 ? [rows] : [rows, 'seq'];
  const x = graph.addInput('x', tensorType('f32', [...dims, IN]));
  if (masked) graph.addInput('attention_mask', tensorType('i64', dims));
  const w = graph.addInitializer('w', f32Tensor([IN, OUT], noise(IN * OUT, 3)));
  const y = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['y'], name: '/fc/MatMul' }).outputs[0]!;
  y.setType(tensorType('f32', [...dims, OUT]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', opset);
  rewrite(model, { rank: 2, targets: ['fc'] });
  const path = join(mkdtempSync(join(scratch, 'model-')), 'model.lotr.onnx');
  writeModel(model, path);
  return path;
}

function emitted(path: string, options: Partial<TrainOptions>): { folder: string; signature: Signature } {
  const folder = join(path, '..');
  const all = { ...TRAIN_DEFAULTS, alsoTrain: ['^w$'], ...options };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: all });
  return { folder, signature };
}

type Rows = readonly (readonly number[])[];
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, v, i) => sum + v * b[i]!, 0);
/** torch.nn.functional.cosine_similarity */
const cosine = (a: readonly number[], b: readonly number[]): number =>
  dot(a, b) / (Math.max(Math.sqrt(dot(a, a)), 1e-8) * Math.max(Math.sqrt(dot(b, b)), 1e-8));

/** sentence_transformers.losses.CosineSimilarityLoss */
function cosineLoss(rows: Rows, targets: readonly number[]): number {
  const half = rows.length / 2;
  return targets.reduce((sum, y, i) => sum + (cosine(rows[i]!, rows[half + i]!) - y) ** 2, 0) / half;
}

/** sentence_transformers.losses.MultipleNegativesRankingLoss with scale 1 / temperature */
function rankingLoss(rows: Rows, temperature: number): number {
  const half = rows.length / 2;
  let sum = 0;
  for (let i = 0; i < half; i++) {
    const scores = Array.from({ length: half }, (_, j) => cosine(rows[i]!, rows[half + j]!) / temperature);
    sum += Math.log(scores.reduce((all, s) => all + Math.exp(s), 0)) - scores[i]!;
  }
  return sum / half;
}

/** Mean over the positions that count, of x W, in float64. */
function embed(x: Float32Array, w: ArrayLike<number>, seq: number, mask: readonly number[]): Rows {
  return Array.from({ length: ROWS }, (_, row) => {
    const counted = mask.slice(row * seq, (row + 1) * seq);
    const total = Math.max(
      counted.reduce((a, b) => a + b, 0),
      1e-9,
    );
    return Array.from({ length: OUT }, (_, o) => {
      let sum = 0;
      for (let t = 0; t < seq; t++)
        for (let k = 0; k < IN; k++)
          sum += counted[t]! * x[(row * seq + t) * IN + k]! * Number(w[k * OUT + o]!);
      return sum / total;
    });
  });
}

const TARGETS = [0.9, -0.35, 0];
const W = noise(IN * OUT, 3);

const LOSSES = {
  cosine: { options: { loss: 'cosine' }, formula: (rows: Rows) => cosineLoss(rows, TARGETS) },
  contrastive: { options: { loss: 'contrastive' }, formula: (rows: Rows) => rankingLoss(rows, 0.05) },
  'contrastive at 0.7': {
    options: { loss: 'contrastive', temperature: 0.7 },
    formula: (rows: Rows) => rankingLoss(rows, 0.7),
  },
} as const;

const SHAPES = [
  ['[rows, width]', 2, false, 18],
  ['[rows, seq, width]', 3, false, 17],
  ['[rows, seq, width] with a mask', 3, true, 17],
  ['[rows, seq, width] with a mask, opset 20', 3, true, 20],
] as const;

describe.each(Object.keys(LOSSES) as (keyof typeof LOSSES)[])('%s', (kind) => {
  const { options, formula } = LOSSES[kind];
  test.each(SHAPES)(
    '%s: the formula in float64, and its finite differences',
    async (_, rank, masked, opset) => {
      const { folder, signature } = emitted(encoder(rank, masked, opset), {
        ...options,
        ep: ['cpu', 'webgpu', 'cuda', 'wasm'],
      });
      const seq = rank === 2 ? 1 : SEQ;
      const x = noise(ROWS * seq * IN, 11);
      // row 4 counts no position at all: its embedding is zero, its gradient must not be NaN
      const mask = Array.from({ length: ROWS * seq }, (_, i) =>
        masked ? Number((i * 7) % 5 !== 1 && Math.floor(i / seq) !== 4) : 1,
      );
      const dims = rank === 2 ? [ROWS] : [ROWS, SEQ];
      const feeds: Record<string, Tensor> = {
        x: { dtype: 'float32', shape: [...dims, IN], data: x },
        w: { dtype: 'float32', shape: [IN, OUT], data: W },
        ...(masked
          ? { attention_mask: { dtype: 'int64', shape: dims, data: BigInt64Array.from(mask, BigInt) } }
          : {}),
        ...(kind === 'cosine'
          ? { labels: { dtype: 'float32', shape: [3], data: Float32Array.from(TARGETS) } }
          : {}),
      };
      for (const { name, shape, factor } of signature.params) {
        const count = shape.reduce((a, b) => a * b, 1);
        feeds[name] ??= {
          dtype: 'float32',
          shape,
          data: factor === 'M' ? new Float32Array(count) : noise(count, 5),
        };
      }
      const results = await runOrt(join(folder, signature.graphs.grad!.file), feeds);
      const evaluated = await runOrt(join(folder, signature.graphs.eval!.file), feeds);
      const value = (w: ArrayLike<number>): number => formula(embed(x, w, seq, mask));
      expect(Number(results.loss!.data[0])).toBeCloseTo(value(W), 5);
      expect(Number(evaluated.loss!.data[0])).toBeCloseTo(value(W), 5);
      expect(Number(results.count!.data[0])).toBe(ROWS / 2);
      const differences = Array.from(W, (_, i) => {
        const step = 1e-5;
        const at = (delta: number): number => value(Array.from(W, (v, j) => (j === i ? v + delta : v)));
        return (at(step) - at(-step)) / (2 * step);
      });
      expect(relativeError(results['w/grad']!.data, differences)).toBeLessThan(2e-6);
      for (const port of signature.graphs.grad!.outputs)
        if (port.role === 'grad')
          expect(Array.from(results[port.name]!.data, Number).every(Number.isFinite)).toBe(true);
    },
  );
});

test('ports: cosine takes one number per pair, contrastive no labels, and the signature says how pairs lie', () => {
  const cosineRun = emitted(encoder(3, true, 17), { loss: 'cosine' }).signature;
  const labels = cosineRun.graphs.step!.inputs.filter(({ role }) => role === 'label');
  expect(labels).toEqual([{ name: 'labels', role: 'label', dtype: 'f32', shape: ['pairs'] }]);
  expect(cosineRun.loss).toMatchObject({ kind: 'cosine', pairs: 'halves', ignoreIndex: null });
  const ranking = emitted(encoder(2, false, 18, 8), { loss: 'contrastive' }).signature;
  expect(ranking.graphs.step!.inputs.some(({ role }) => role === 'label')).toBe(false);
  expect(ranking.loss).toMatchObject({ kind: 'contrastive', pairs: 'halves', temperature: 0.05 });
  const fixed = emitted(encoder(2, false, 18, 8), { loss: 'cosine' }).signature;
  expect(fixed.graphs.step!.inputs.find(({ role }) => role === 'label')!.shape).toEqual([4]);
});

test('an odd number of rows is refused by the runtime', async () => {
  const { folder, signature } = emitted(encoder(2, false, 18), { loss: 'contrastive' });
  const feeds: Record<string, Tensor> = { x: { dtype: 'float32', shape: [3, IN], data: noise(3 * IN, 2) } };
  for (const { name, shape } of signature.params)
    feeds[name] = {
      dtype: 'float32',
      shape,
      data: noise(
        shape.reduce((a, b) => a * b, 1),
        5,
      ),
    };
  await expect(runOrt(join(folder, signature.graphs.eval!.file), feeds)).rejects.toThrow(/Reshape/);
});

describe('options that the loss has no use for (LOTR5008), and shapes that do not fit it (LOTR5002)', () => {
  test.each<[string, string, Partial<TrainOptions>, number | string]>([
    ['shift', 'LOTR5008', { loss: 'mse', shift: true }, 'batch'],
    ['label smoothing', 'LOTR5008', { loss: 'contrastive', labelSmoothing: 0.1 }, 'batch'],
    ['label smoothing of 1', 'LOTR5008', { labelSmoothing: 1 }, 'batch'],
    ['ignore index', 'LOTR5008', { loss: 'cosine', ignoreIndex: 0 }, 'batch'],
    ['half an ignore index', 'LOTR5008', { ignoreIndex: 0.5 }, 'batch'],
    ['temperature', 'LOTR5008', { loss: 'cosine', temperature: 0.1 }, 'batch'],
    ['temperature of 0', 'LOTR5008', { loss: 'contrastive', temperature: 0 }, 'batch'],
    ['mask', 'LOTR5008', { mask: 'attention_mask' }, 'batch'],
    ['mask that is not an input', 'LOTR5008', { loss: 'cosine', mask: 'attention' }, 'batch'],
    ['odd rows', 'LOTR5002', { loss: 'cosine' }, 7],
  ])('%s', (_, code, options, rows) => {
    let found = 'none';
    try {
      emitted(encoder(3, false, 18, rows), options);
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      found = error.diagnostics[0]!.code;
    }
    expect(found).toBe(code);
  });
});

test('what a host counts for a loss without labels in a sum is what the graph counts: pairs', () => {
  const { signature } = emitted(encoder(2, false, 17), { loss: 'contrastive' });
  const terms = [{ ...signature.loss, output: 'y', weight: 1 }] as unknown as Parameters<
    typeof countTerms
  >[0]['terms'];
  const batch = {
    inputs: { x: { type: 'float32', dims: [ROWS, IN], data: noise(ROWS * IN, 11) } },
  } as unknown as Batch;
  expect(
    countTerms({ terms } as Parameters<typeof countTerms>[0], signature.graphs.grad!, [batch, batch]),
  ).toEqual([ROWS]);
});
