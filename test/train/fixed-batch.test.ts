import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { toF32 } from '../../src/ir/values.js';
import { done, records, textClassifier } from '../support/classifier.js';
import { writeJsonl } from '../support/reading.js';

/** A batch of fixed size is filled up with rows that do not count: results are those of a free batch size. */

const root = mkdtempSync(join(tmpdir(), 'lotrc-fixed-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const CASES = join(import.meta.dirname, '../data/cases/train');

test('mean squared error of a model with batch 4 over ten rows and over three', async () => {
  const model = join(root, 'stat1.onnx');
  cpSync(join(CASES, 'stat1.onnx'), model);
  await done('rewrite', model, '--rank', '2');
  const train = join(root, 'stat1');
  await done('emit', 'onnx-train', join(root, 'stat1.lotr.onnx'), '-o', train, '--loss', 'mse');
  const loss = async (data: string) => {
    const words = ['--data', join(CASES, data), '--tokenizer', join(CASES, 'tokenizer.json'), '--json'];
    return JSON.parse(await done('eval', train, ...words)) as { loss: number; count: number };
  };
  // PyTorch's mean of (prediction - label)^2 over the rows of the file
  expect(await loss('reg10.jsonl')).toMatchObject({ loss: expect.closeTo(0.1484, 4), count: 10 });
  expect(await loss('reg3.jsonl')).toMatchObject({ loss: expect.closeTo(0.00495, 5), count: 3 });
});

describe.each([
  ['mse', 1, (i: number) => i / 10],
  ['bce', 2, (i: number) => [(i % 4) / 3, i % 2]],
] as const)('%s', (loss, classes, label) => {
  test('two batches a step over ten rows: the adapter is that of a free batch size', async () => {
    const rows = records(10, ['a', 'b', 'c']).map(({ text }, i) => ({ text, label: label(i) }));
    const data = writeJsonl(join(root, `${loss}.jsonl`), rows);
    const results = [];
    for (const batch of [4, 'batch']) {
      const net = await textClassifier(join(root, `${loss}-${batch}`), { batch, loss, classes });
      const words = ['--data', data, '--eval-data', data, '--tokenizer', net.tokenizer, '--batch-size', '4'];
      const run = ['--accumulate', '2', '--epochs', '3', '--lr', '0.05', '--eval-every', '2', '--json'];
      const output = join(root, `run-${loss}-${batch}`);
      const text = await done('train', net.train, ...words, ...run, '-o', output);
      const losses = [...text.matchAll(/evaluation loss ([\d.]+)/g)].map(([, found]) => Number(found));
      results.push({ losses, ...readSafetensors(join(output, 'checkpoint.safetensors')) });
    }
    const [fixed, free] = results;
    expect(fixed!.losses).toHaveLength(4);
    for (const [i, value] of fixed!.losses.entries()) expect(value).toBeCloseTo(free!.losses[i]!, 3);
    for (const [name, tensor] of free!.tensors) {
      const [a, b] = [toF32(tensor), toF32(fixed!.tensors.get(name)!)];
      const scale = Math.max(1e-6, ...a.map(Math.abs));
      for (const [i, value] of a.entries()) expect(Math.abs(value - b[i]!), name).toBeLessThan(2e-5 * scale);
    }
  });
});
