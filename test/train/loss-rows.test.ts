import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inRange } from '../../src/options/range.js';
import { LOSS_KINDS, type LossKind, lossFacts } from '../../src/train/losses/facts.js';
import { type LossNumbers, lossDef, lossNumbersOf } from '../../src/train/losses/index.js';
import { runLoss } from '../support/loss-graph.js';
import { relativeError } from '../support/ort.js';

/** Losses of PyTorch in float64 (test/data/losses/make.py), with the numbers of the loss that are not its defaults. */
interface Row extends LossNumbers {
  readonly kind: LossKind;
  readonly shape: readonly number[];
  readonly output: readonly number[];
  readonly labels: readonly number[];
  readonly labelShape: readonly number[];
  readonly loss: number;
  readonly count: number;
  readonly gradient: readonly number[];
  readonly classWeights?: readonly number[];
  readonly frames?: readonly number[];
}
const ROWS = JSON.parse(
  readFileSync(join(import.meta.dirname, '../data/losses/losses.json'), 'utf8'),
) as readonly Row[];

test.each(LOSS_KINDS.filter((kind) => lossFacts(kind).labels !== 'own' && !lossFacts(kind).teacher))(
  '%s has rows',
  (kind) => {
    expect(ROWS.some((row) => row.kind === kind)).toBe(true);
  },
);

test('a number that several losses have is read in one range, and defaults are in range', () => {
  const ranges = new Map<string, string>();
  for (const kind of LOSS_KINDS) {
    for (const [name, number] of Object.entries(lossDef(kind).numbers)) {
      expect(inRange(number.default, number)).toBe(true);
      const { least, above, most, below, whole } = number;
      const range = JSON.stringify({ least, above, most, below, whole });
      expect(ranges.get(name) ?? range, name).toBe(range);
      ranges.set(name, range);
    }
  }
});

describe('values and gradients are those of PyTorch:', () => {
  const title = ({ kind, shape, ...row }: Row): string => {
    const numbers = lossNumbersOf(kind, row);
    return `${kind} [${shape}] ${JSON.stringify(numbers)} ${row.frames ?? ''}`;
  };
  test.each(ROWS.map((row, i) => [`${i} ${title(row)}`, row] as const))('%s', async (_, row) => {
    const def = lossDef(row.kind);
    const labels = {
      shape: row.labelShape,
      data: row.labels,
      dtype: lossFacts(row.kind).labels === 'numbers' ? ('f32' as const) : ('i32' as const),
    };
    const output = { shape: row.shape, data: row.output };
    const build =
      (all: boolean): Parameters<typeof runLoss>[1] =>
      (b, z, y, frames) =>
        def.build(b, {
          output: z,
          labels: y,
          mask: null,
          teacher: null,
          frames: all ? null : frames,
          options: { shift: false, ignoreIndex: -100, classWeights: row.classWeights ?? null },
          numbers: lossNumbersOf(row.kind, row),
        });
    const all = row.frames?.every((n) => n === row.shape[1]) ?? false;
    for (const named of row.classWeights ? [false] : [true, false]) {
      for (const opset of [12, 18]) {
        for (const whole of all ? [false, true] : [false]) {
          const given = { output, labels, named, opset, ...(row.frames ? { frames: row.frames } : {}) };
          const found = await runLoss(given, build(whole));
          expect(Math.abs(found.loss / row.loss - 1)).toBeLessThan(1e-6);
          expect(relativeError(found.gradient, row.gradient)).toBeLessThan(3e-6);
          expect(found.count).toBeCloseTo(row.count, 5);
        }
      }
    }
  });
});
