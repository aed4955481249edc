import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GivenBatch } from '../../src/runtime/batch.js';
import type { GivenFiles } from '../../src/runtime/files.js';
import { batchesInOrder, epochBatches } from '../../src/train/batches.js';
import type { DataBatch } from '../../src/train/data/dataset.js';
import { openData } from '../../src/train/data/open.js';
import { dataGraph, labelPort } from '../../src/train/labels.js';
import { rateScheduleOf, stepsOfRun } from '../../src/train/loop.js';
import { readSignature } from '../../src/train/read-signature.js';
import { cutOf } from '../../src/train/run-data.js';
import type { RateSchedule } from '../../src/train/schedule.js';
import { readSettings } from '../../src/train/settings.js';

/** The files of a folder, as a program in Node gives them. */
export const filesIn =
  (folder: string): GivenFiles =>
  (name) =>
    readFileSync(join(folder, name));

/** A batch as JSON has it. */
export const jsonBatch = (batch: GivenBatch): GivenBatch =>
  Object.fromEntries(
    Object.entries(batch).map(([name, { dims, data }]) => [
      name,
      { dims, data: Array.from(data as never, Number) },
    ]),
  );

/** What `lotrc train` did in a run: the batches of each of its steps, and the rates. */
export interface RecordedRun {
  readonly steps: readonly (readonly GivenBatch[])[];
  readonly schedule: RateSchedule;
  readonly accumulate: number;
  readonly seed: number;
}

/** The batches of a run without evaluation data, made again from its settings. */
export async function recordedRun(folder: string, output: string): Promise<RecordedRun> {
  const signature = readSignature(folder);
  const { data, reading, labels, inputs, batchSize, plan } = readSettings(output)!;
  const given = new Map(Object.entries(inputs));
  const { dataset } = await openData(data.file, signature, reading, labels, given);
  const cut = cutOf(signature, dataset, batchSize, given, reading.bucket);
  const { perEpoch, total } = stepsOfRun(plan, batchesInOrder(dataset, cut).length);
  const label = labelPort(dataGraph(signature))?.name;
  const batchOf = ({ columns, labels: { shape, data: numbers } }: DataBatch): GivenBatch => ({
    ...Object.fromEntries(
      [...cut.inputs].map(([name, column]) => {
        const { shape: dims, data: values } = columns.get(column)!;
        return [name, { dims, data: values }];
      }),
    ),
    ...(label === undefined ? {} : { labels: { dims: shape, data: numbers } }),
  });
  const { accumulate, seed } = plan;
  const steps = Array.from({ length: total }, (_, step) => {
    const first = (step % perEpoch) * accumulate;
    const epoch = epochBatches(dataset, cut, seed, Math.floor(step / perEpoch));
    const rows = epoch.slice(first, first + accumulate);
    return rows.map((each) => batchOf(dataset.batch(each, cut.rows ?? undefined)));
  });
  return { steps, schedule: rateScheduleOf(plan, total), accumulate, seed };
}
