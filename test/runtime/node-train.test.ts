import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { done, records, textClassifier } from '../support/classifier.js';
import { jsonBatch, recordedRun } from '../support/given-run.js';
import { linkPackages } from '../support/link-packages.js';
import { writeJsonl } from '../support/reading.js';

const ROOT = join(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'lotrc-node-train-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('examples/node-train trains from a folder, goes on from its checkpoint, and gives the adapter of lotrc train', async () => {
  const net = await textClassifier(join(root, 'net'));
  const data = writeJsonl(join(root, 'data.jsonl'), records(24, ['fish', 'bird', 'newt']));
  const run = join(root, 'run');
  const words = [
    '--tokenizer',
    net.tokenizer,
    '-o',
    run,
    '--batch-size',
    '4',
    '--max-steps',
    '5',
    '--lr',
    '0.01',
  ];
  await done(
    'train',
    net.train,
    '--data',
    data,
    ...words,
    '--schedule',
    'constant',
    '--warmup',
    '0',
    '--threads',
    '0',
  );
  const { steps } = await recordedRun(net.train, run);
  const batches = steps.flat().map(jsonBatch);
  const here = join(root, 'program');
  linkPackages(here, ['onnxruntime-node', 'onnxruntime-common']);
  cpSync(join(ROOT, 'examples/node-train/train.mjs'), join(here, 'train.mjs'));
  const train = (count: number) => {
    writeFileSync(join(here, 'batches.json'), JSON.stringify(batches.slice(0, count)));
    const argv = ['train.mjs', net.train, 'batches.json', 'adapter.safetensors'];
    const { stdout, stderr } = spawnSync(process.execPath, argv, { cwd: here, encoding: 'utf8' });
    expect(stderr).toBe('');
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':')[0]);
  };
  expect(train(2)).toEqual(['step 1', 'step 2']);
  expect(train(5)).toEqual(['step 3', 'step 4', 'step 5']);
  expect(
    readFileSync(join(here, 'adapter.safetensors')).equals(readFileSync(join(run, 'adapter.safetensors'))),
  ).toBe(true);
});
