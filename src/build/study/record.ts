import { fits, object, oneOf, optional, record, type Schema, text, whole } from '../../ir/files/schema.js';
import type { GridValue, GridValues, StudyRun } from './grid.js';

/** The file of a run in a study. It has no times, so that the same run leaves the same bytes. Version 1. */
export interface RunRecord {
  readonly version: 1;
  readonly id: string;
  readonly task: string | null;
  readonly round: number | null;
  readonly status: 'done' | 'failed';
  readonly varied: GridValues;
  /** the step whose parameters were kept; absent where the run failed */
  readonly step?: number | undefined;
  /** values of the parameters that were trained */
  readonly parameters?: number | undefined;
  /** metrics of the parameters that were kept */
  readonly metrics?: Readonly<Record<string, number | null>> | undefined;
  /** metrics of the last evaluation, whichever was kept */
  readonly last?: Readonly<Record<string, number | null>> | undefined;
  /** why the run failed */
  readonly why?: string | undefined;
}

const value = fits<GridValue>('a value of an option', (given) => given !== null && given !== undefined);

const metrics = record(fits<number | null>('a number or null', (n) => n === null || typeof n === 'number'));

export const recordSchema: Schema<RunRecord> = object<RunRecord>({
  version: oneOf([1]),
  id: text,
  task: fits<string | null>('text or null', (given) => given === null || typeof given === 'string'),
  round: fits<number | null>('a number or null', (given) => given === null || typeof given === 'number'),
  status: oneOf(['done', 'failed']),
  varied: record(value),
  step: optional(whole()),
  parameters: optional(whole()),
  metrics: optional(metrics),
  last: optional(metrics),
  why: optional(text),
});

/** What a row of the table of a study has in a column. */
export type RowValue = string | number | boolean | null;

/** A record as a row: what the run is, then what came out of it. */
export function rowOf(run: RunRecord): ReadonlyMap<string, RowValue> {
  const entries: [string, RowValue][] = [
    ['id', run.id],
    ['task', run.task],
    ['round', run.round],
    ...Object.entries(run.varied).map(([key, given]): [string, RowValue] => [
      key,
      typeof given === 'object' ? given.join(',') : given,
    ]),
    ['status', run.status],
    ['step', run.step ?? null],
    ['size', run.parameters ?? null],
    ...Object.entries(run.metrics ?? {}),
    ...Object.entries(run.last ?? {}).map(([name, given]): [string, RowValue] => [`last_${name}`, given]),
    ['why', run.why ?? null],
  ];
  return new Map(entries);
}

/** The record of a run that failed. */
export function failedRecord({ id, task, round, varied }: StudyRun, why: string): RunRecord {
  return { version: 1, id, task, round, status: 'failed', varied, why };
}
