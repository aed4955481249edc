import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OptimizerKind, optimizerDef } from '../../src/train/optimizers/index.js';

/** Steps of each optimizer in float64, by PyTorch or the formula of its paper (test/data/optimizers/make.py). */
export interface OptimizerRow {
  readonly kind: OptimizerKind;
  readonly hyper: Readonly<Record<string, number>>;
  readonly shape: readonly [number, number];
  readonly rates: readonly number[];
  readonly param: readonly number[];
  readonly grads: readonly (readonly number[])[];
  /** the parameter after each step */
  readonly after: readonly (readonly number[])[];
}

export const OPTIMIZER_ROWS = JSON.parse(
  readFileSync(join(import.meta.dirname, '../data/optimizers/optimizers.json'), 'utf8'),
) as readonly OptimizerRow[];

/** The corrections of step t, in the order of their declaration. */
export const correctionsOf = (row: OptimizerRow, t: number): [string, number][] =>
  Object.entries(optimizerDef(row.kind).corrections).map(([name, h]) => [name, 1 - row.hyper[h]! ** t]);
