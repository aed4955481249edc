import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { toF32 } from '../../../src/ir/values.js';
import { rewrite } from '../../../src/rewrite.js';
import type { Port } from '../../../src/train/signature.js';
import { runOrt, type Tensor } from '../../support/ort.js';

/**
 * Exports with one op each, as PyTorch's exporter writes it, after two layers: gradients of these layers' weights against
 * those of PyTorch in float64 (`test/data/gradients/ops.py`), by their norm and their product with a direction.
 */

type Row = Readonly<Record<'fc1.weight' | 'fc2.weight', readonly [norm: number, product: number]>> & {
  readonly loss: number;
};
const ROWS = JSON.parse(readFileSync('test/data/gradients/ops.json', 'utf8')) as Record<string, Row>;
const WEIGHTS = ['fc1.weight', 'fc2.weight'] as const;

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-ops-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const wave = (i: number, a: number, b: number): number => Math.sin(a + b * i);

test.each(Object.entries(ROWS))('%s', async (name, row) => {
  const folder = mkdtempSync(join(scratch, `${name}-`));
  const path = join(folder, 'model.lotr.onnx');
  const model = readModel(`test/data/cases/ops/op_${name}.ts.onnx`);
  rewrite(model, { rank: 2, targets: ['fc1', 'fc2'] });
  writeModel(model, path, { weights: 'copy' });
  const options = { ...TRAIN_DEFAULTS, maxNorm: null, alsoTrain: WEIGHTS.map((weight) => `^${weight}$`) };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options });
  const state = readSafetensors(join(folder, 'state.safetensors'));
  const feed = ({ role, param, name: port, shape }: Port): Tensor => {
    if (role === 'label') return { dtype: 'int32', shape: [3], data: Int32Array.of(1, 4, 0) };
    if (role === 'param') {
      const data = toF32(state.tensors.get(param!)!);
      return { dtype: 'float32', shape: shape as readonly number[], data };
    }
    expect(port).toBe('x');
    return {
      dtype: 'float32',
      shape: [3, 16],
      data: Float32Array.from({ length: 48 }, (_, i) => wave(i, 0.5, 1.7)),
    };
  };
  const { grad } = signature.graphs;
  const feeds = Object.fromEntries(grad!.inputs.map((port) => [port.name, feed(port)]));
  const results = await runOrt(join(folder, grad!.file), feeds);
  expect(Math.abs(Number(results.loss!.data[0]) - row.loss)).toBeLessThan(1e-6);
  for (const weight of WEIGHTS) {
    const port = grad!.outputs.find(({ role, param }) => role === 'grad' && param === weight)!;
    const gradient = Array.from(results[port.name]!.data, Number);
    const norm = Math.hypot(...gradient);
    const product = gradient.reduce((sum, value, i) => sum + value * wave(i, 0.3, 0.9), 0);
    const [expected, along] = row[weight];
    expect(Math.abs(norm - expected) / expected, weight).toBeLessThan(2e-6);
    expect(Math.abs(product - along) / expected, weight).toBeLessThan(1e-5);
  }
});
