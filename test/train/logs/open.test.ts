import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { EvaluationRow, StepRow } from '../../../src/train/log.js';
import { readEvents } from '../../../src/train/logs/event-file.js';
import { EVENT_FILE } from '../../../src/train/logs/event-log.js';
import { openLogs, type RunInfo } from '../../../src/train/logs/open.js';
import { logOf } from '../../../src/train/logs/rows.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-logs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folder = '';
let serial = 0;
beforeEach(() => {
  folder = join(root, String(serial++), 'logs');
});

const INFO: RunInfo = {
  model: 'm.onnx',
  method: 'lotr',
  task: null,
  lr: 0.002,
  rank: 8,
  seed: 3,
  parameters: 17_920,
  more: { schedule: 'linear', warmup: null },
};

const evaluationRow = (n: number, values: Readonly<Record<string, number>>): EvaluationRow => ({
  step: n,
  values: new Map(Object.entries(values)),
});

const step = (n: number, more: Partial<StepRow> = {}): StepRow => ({
  step: n,
  epoch: n / 4,
  loss: 2 / n,
  lr: 0.25,
  norm: n + 0.5,
  finite: true,
  lossScale: 1,
  examples: 6,
  tokens: 0,
  seconds: 0.5,
  ...more,
});

async function parquetRows() {
  const bytes = readFileSync(join(folder, 'log.parquet'));
  return parquetReadObjects({
    file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  });
}

/** Steps `from` to `to` with an evaluation after each even one. */
function told(from: number, to: number, resumed: number | null, close = true): void {
  const logs = openLogs(folder, INFO, resumed);
  for (let n = from; n <= to; n++) {
    for (const log of logs) log.step(step(n));
    if (n % 2 === 0)
      for (const log of logs) log.evaluation(evaluationRow(n, { loss: 1 / n, accuracy: n / 8 }));
  }
  for (const log of logs) log.checkpoint();
  if (close) for (const log of logs) log.close();
}

const valuesOf = (file: string) =>
  logOf(readEvents(file).events).rows.map(({ step: n, split, values }) => [
    n,
    split,
    Object.fromEntries(values),
  ]);

test('each log has every row', async () => {
  told(1, 5, null);
  expect(readdirSync(folder).sort()).toEqual([EVENT_FILE, 'log.parquet', 'report.html']);
  const train = (n: number) => ({
    loss: Math.fround(2 / n),
    lr: 0.25,
    norm: n + 0.5,
    epoch: n / 4,
    examples_per_s: 12,
  });
  expect(valuesOf(join(folder, EVENT_FILE))).toEqual([
    [1, 'train', train(1)],
    [2, 'train', train(2)],
    [2, 'eval', { loss: 0.5, accuracy: 0.25 }],
    [3, 'train', train(3)],
    [4, 'train', train(4)],
    [4, 'eval', { loss: 0.25, accuracy: 0.5 }],
    [5, 'train', train(5)],
  ]);
  const rows = await parquetRows();
  expect(rows.map((row) => [row.step, row.split, row.loss, row.accuracy])).toEqual([
    [1n, 'train', 2, null],
    [2n, 'train', 1, null],
    [2n, 'eval', 0.5, 0.25],
    [3n, 'train', Math.fround(2 / 3), null],
    [4n, 'train', 0.5, null],
    [4n, 'eval', 0.25, 0.5],
    [5n, 'train', Math.fround(0.4), null],
  ]);
  expect(rows[6]).toMatchObject({
    model: 'm.onnx',
    method: 'lotr',
    task: null,
    lr: 0.002,
    rank: 8n,
    seed: 3n,
    parameters: 17_920n,
    schedule: 'linear',
    learning_rate: 0.25,
    norm: 5.5,
  });
  expect(Object.keys(rows[0]!)).not.toContain('warmup');
  const report = readFileSync(join(folder, 'report.html'), 'utf8');
  expect(report).toContain('17,920');
  expect(report).toContain('at step 4, first 0.5');
});

test('a run that goes on from a checkpoint leaves the same rows as one that was never stopped', async () => {
  told(1, 6, null);
  const whole = [valuesOf(join(folder, EVENT_FILE)), (await parquetRows()).map(untimed)];
  folder = join(root, String(serial++), 'logs');
  told(1, 5, null, false); // stopped after step 5, its last checkpoint is of step 3
  told(4, 6, 3);
  expect([valuesOf(join(folder, EVENT_FILE)), (await parquetRows()).map(untimed)]).toEqual(whole);
  const starts = readEvents(join(folder, EVENT_FILE)).events.filter(({ settings }) => settings !== null);
  expect(starts).toHaveLength(1);
});

test('a new run in the same folder starts from the beginning', async () => {
  told(1, 6, null);
  told(1, 2, null);
  expect((await parquetRows()).map(({ step: n }) => n)).toEqual([1n, 2n, 2n]);
});

test('losses that are not finite, skipped steps and tokens are in every log', async () => {
  const logs = openLogs(folder, INFO);
  const odd = [
    step(1, { loss: Number.NaN, tokens: 100, lossScale: 1024 }),
    step(2, { loss: Number.POSITIVE_INFINITY, norm: Number.POSITIVE_INFINITY, finite: false, seconds: 0 }),
  ];
  for (const log of logs) for (const row of odd) log.step(row);
  for (const log of logs)
    log.evaluation(evaluationRow(2, { loss: Number.NaN, perplexity: Number.POSITIVE_INFINITY }));
  for (const log of logs) log.close();
  const inf = Number.POSITIVE_INFINITY;
  expect(valuesOf(join(folder, EVENT_FILE))).toEqual([
    [
      1,
      'train',
      {
        loss: Number.NaN,
        lr: 0.25,
        norm: 1.5,
        epoch: 0.25,
        examples_per_s: 12,
        tokens_per_s: 200,
        loss_scale: 1024,
      },
    ],
    [2, 'train', { loss: inf, lr: 0.25, norm: inf, epoch: 0.5, skipped: 1 }],
    [2, 'eval', { loss: Number.NaN, perplexity: inf }],
  ]);
  expect(
    (await parquetRows()).map(({ loss, norm, perplexity, skipped }) => [loss, norm, perplexity, skipped]),
  ).toEqual([
    [Number.NaN, 1.5, null, null],
    [inf, inf, null, 1],
    [Number.NaN, null, inf, null],
  ]);
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain(
    '3 rows have a value that is not finite',
  );
});

function untimed(row: Readonly<Record<string, unknown>>) {
  return { ...row, wall_time: null };
}
