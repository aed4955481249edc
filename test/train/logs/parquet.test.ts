import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, expect, test } from 'vitest';
import { writeAtomically } from '../../../src/ir/files/atomic.js';
import type { Setting } from '../../../src/train/logs/hparams.js';
import { type ParquetLayout, parquetOutput } from '../../../src/train/logs/parquet.js';
import type { Log } from '../../../src/train/logs/rows.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-parquet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Rows as the file has them, and the physical type of each column. */
async function written(logs: readonly Log[], layout?: ParquetLayout) {
  const path = join(folder, 'log.parquet');
  writeAtomically([parquetOutput(path, logs, layout)]);
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { schema } = parquetMetadata(file);
  const types = Object.fromEntries(schema.slice(1).map(({ name, type }) => [name, type]));
  return { rows: await parquetReadObjects({ file }), types };
}

function log(
  settings: Readonly<Record<string, Setting>>,
  ...rows: readonly (readonly [split: string, step: number, values: Readonly<Record<string, number>>])[]
): Log {
  return {
    settings: new Map(Object.entries(settings)),
    rows: rows.map(([split, step, values], i) => ({
      split,
      step,
      wallTime: 1_700_000_000.25 + i,
      values: new Map(Object.entries(values)),
    })),
  };
}

test('a row per step: settings of the run, then the step, then what was measured', async () => {
  const about = { model: 'm.onnx', method: 'lotr', task: 'mrpc', lr: 0.001, rank: 8, seed: 7 };
  const { rows, types } = await written([
    log(
      { ...about, warmup: 20, fast: true },
      ['train', 1, { loss: 2.5, lr: Math.fround(0.1), norm: Number.NaN }],
      ['train', 3_000_000_000, { loss: Number.POSITIVE_INFINITY, norm: Number.NEGATIVE_INFINITY }],
      ['eval', 3_000_000_000, { loss: 1.25, accuracy: 0.1 }],
    ),
  ]);
  const settings = { ...about, rank: 8n, seed: 7n, fast: true, warmup: 20n };
  const none = { accuracy: null, learning_rate: null, loss: null, norm: null };
  expect(rows).toEqual([
    {
      ...settings,
      ...none,
      step: 1n,
      split: 'train',
      wall_time: 1_700_000_000.25,
      loss: 2.5,
      learning_rate: Math.fround(0.1),
      norm: Number.NaN,
    },
    {
      ...settings,
      ...none,
      step: 3_000_000_000n,
      split: 'train',
      wall_time: 1_700_000_001.25,
      loss: Number.POSITIVE_INFINITY,
      norm: Number.NEGATIVE_INFINITY,
    },
    {
      ...settings,
      ...none,
      step: 3_000_000_000n,
      split: 'eval',
      wall_time: 1_700_000_002.25,
      loss: 1.25,
      accuracy: 0.1,
    },
  ]);
  expect(Object.keys(types)).toEqual([
    ...['model', 'method', 'task', 'lr', 'rank', 'seed', 'fast', 'warmup'],
    ...['step', 'split', 'wall_time', 'loss', 'learning_rate', 'accuracy', 'norm'],
  ]);
  // 0.1 is not a float32
  expect(types).toMatchObject({
    loss: 'FLOAT',
    accuracy: 'DOUBLE',
    norm: 'FLOAT',
    rank: 'INT64',
    lr: 'DOUBLE',
  });
});

test('several runs in one file; a setting with values of two kinds is text', async () => {
  const { rows, types } = await written([
    log({ rank: 8, seed: 'a', note: true }, ['train', 1, { loss: 1 }]),
    log({ rank: 2.5, seed: 3 }, ['train', 1, { loss: 2 }]),
  ]);
  expect(rows.map(({ rank, seed, note, loss }) => [rank, seed, note, loss])).toEqual([
    [8, 'a', true, 1],
    [2.5, '3', null, 2],
  ]);
  expect(types).toMatchObject({ rank: 'DOUBLE', seed: 'BYTE_ARRAY', note: 'BOOLEAN', model: 'BYTE_ARRAY' });
});

test('names that meet are told apart', async () => {
  const { rows } = await written([
    log({ lr: 0.5, step: 3, accuracy: 1 }, [
      '',
      2,
      { lr: 0.25, learning_rate: 0.125, accuracy: 0.5, rank: 4 },
    ]),
  ]);
  expect(rows).toMatchObject([
    {
      lr: 0.5,
      step: 2n,
      step_setting: 3n,
      accuracy: 1n,
      accuracy_value: 0.5,
      learning_rate: 0.125,
      learning_rate_value: 0.25,
      rank: null,
      rank_value: 4,
    },
  ]);
});

test('a row per value, with its tag as the event file has it', async () => {
  const { rows, types } = await written(
    [log({ seed: 1 }, ['train', 5, { loss: 0.5, lr: 2 }], ['', 6, { other: Number.NaN }])],
    'long',
  );
  expect(rows.map(({ seed, step, split, tag, value }) => [seed, step, split, tag, value])).toEqual([
    [1n, 5n, 'train', 'train/loss', 0.5],
    [1n, 5n, 'train', 'train/lr', 2],
    [1n, 6n, '', 'other', Number.NaN],
  ]);
  expect(types.value).toBe('FLOAT');
});

test('a long run comes back whole', async () => {
  const steps = Array.from(
    { length: 30_001 },
    (_, i) => ['train', i + 1, { loss: Math.fround(Math.sin(i)), norm: i }] as const,
  );
  const { rows } = await written([log({ model: 'm' }, ...steps)]);
  expect(rows).toHaveLength(30_001);
  for (const i of [0, 777, 30_000])
    expect(rows[i]).toMatchObject({ step: BigInt(i + 1), loss: Math.fround(Math.sin(i)), norm: i });
});
