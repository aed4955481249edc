import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ClassCounts, type ClassScore } from '../../src/train/metrics/class-counts.js';
import { METRIC_NAMES, type MetricValues, metricDef, metricsOf } from '../../src/train/metrics/index.js';
import { ValuePairs } from '../../src/train/metrics/value-pairs.js';

/** Metrics of scikit-learn and scipy (test/data/metrics/make.py). */
interface Rows {
  readonly classes: readonly (Pick<MetricValues, 'accuracy' | 'f1' | 'f1_macro' | 'mcc'> & {
    readonly name: string;
    readonly logits: readonly number[];
    readonly labels: readonly number[];
    readonly perClass: readonly ClassScore[];
  })[];
  readonly values: readonly (Pick<MetricValues, 'pearson' | 'spearman'> & {
    readonly name: string;
    readonly predicted: readonly number[];
    readonly labels: readonly number[];
  })[];
}
const ROWS = JSON.parse(
  readFileSync(join(import.meta.dirname, '../data/metrics/metrics.json'), 'utf8'),
) as Rows;

const seen = { loss: 0.75, nextToken: false, classes: null, values: null };
const IGNORED = -100;

/** Calls with the start and end of batches of growing size, of which one is empty. */
function inBatches(rows: number, add: (start: number, end: number) => void): void {
  for (let start = 0, size = 0; start < rows || size === 0; start += size, size++) {
    add(start, Math.min(rows, start + size));
    if (size > 0 && start + size >= rows) return;
  }
}

function close(found: number | null, wanted: number | null): void {
  if (wanted === null) expect(found).toBeNull();
  else expect(Math.abs(found! - wanted)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(wanted)));
}

describe('classes: as scikit-learn computes them', () => {
  test.each(ROWS.classes.map((row) => [row.name, row] as const))('%s', (_, row) => {
    const counts = new ClassCounts();
    const width = row.logits.length / row.labels.length;
    inBatches(row.labels.length, (start, end) =>
      counts.add(row.logits.slice(start * width, end * width), row.labels.slice(start, end), IGNORED),
    );
    const found = metricsOf({ ...seen, classes: counts });
    for (const name of ['accuracy', 'f1', 'f1_macro', 'mcc'] as const) close(found[name], row[name]);
    expect(found).toMatchObject({ loss: 0.75, pearson: null, spearman: null, perplexity: null });
    const scores = counts.scores();
    expect(scores.map(({ class: k, count }) => [k, count])).toEqual(
      row.perClass.map(({ class: k, count }) => [k, count]),
    );
    for (const [k, score] of scores.entries())
      for (const name of ['precision', 'recall', 'f1'] as const) close(score[name], row.perClass[k]![name]);
  });

  test('a row whose largest logit is NaN predicts no class, and a label beyond the classes is not right', () => {
    const counts = new ClassCounts();
    counts.add([Number.NaN, 1, 2, 1, 0, 3], [0, 0, 2], IGNORED);
    expect([counts.right, counts.total]).toEqual([1, 3]);
    expect(counts.scores().map(({ count, recall }) => [count, recall])).toEqual([
      [2, 0.5],
      [0, 0],
    ]);
  });
});

describe('numbers: as scipy computes them', () => {
  test.each(ROWS.values.map((row) => [row.name, row] as const))('%s', (_, row) => {
    const pairs = new ValuePairs();
    const [predicted, labels] = [
      [9, ...row.predicted],
      [IGNORED, ...row.labels],
    ];
    inBatches(labels.length, (start, end) =>
      pairs.add(predicted.slice(start, end), labels.slice(start, end), IGNORED),
    );
    const found = metricsOf({ ...seen, values: pairs });
    close(found.pearson, row.pearson);
    close(found.spearman, row.spearman);
    expect([found.accuracy, found.f1_macro, found.mcc]).toEqual([null, null, null]);
  });

  test('what is constant or not a number has no correlation', () => {
    const pairs = new ValuePairs();
    pairs.add([1, 1, 1], [1, 2, 3], undefined);
    expect([pairs.pearson(), pairs.spearman()]).toEqual([Number.NaN, Number.NaN]);
    const broken = new ValuePairs();
    broken.add([1, Number.NaN, 2], [1, 2, 3], undefined);
    expect([broken.pearson(), broken.spearman()]).toEqual([Number.NaN, Number.NaN]);
  });
});

test('the next token has a perplexity', () => {
  expect(metricsOf({ ...seen, nextToken: true }).perplexity).toBe(Math.exp(0.75));
});

test.each(METRIC_NAMES)('%s is one word for the command line, JSON, tags and columns', (name) => {
  expect(name).toMatch(/^[a-z0-9_]+$/);
  expect(metricDef(name).show(0.5)).toMatch(/0\.5|50\.00 %/);
});
