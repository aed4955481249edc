import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { schedulesJson } from '../../src/backends/kernel/plan/schedule-file.js';
import { type TuningJob, tunedRows } from './jobs.js';

/** What is read of the jobs.json that cuda-jobs.ts writes. */
export interface JobsFile {
  readonly target: string;
  readonly jobs: readonly {
    readonly problem: TuningJob['problem'];
    readonly candidates: readonly { readonly schedule: TuningJob['schedules'][number] }[];
  }[];
}

/** The file of rows for `--schedules`, from the times of all candidates: null for one that has none. */
export function rowsText({ target, jobs }: JobsFile, times: readonly (readonly (number | null)[])[]): string {
  const tuned = jobs.map(({ problem, candidates }) => ({
    problem,
    schedules: candidates.map(({ schedule }) => schedule),
  }));
  return schedulesJson(tunedRows(target, tuned, times));
}

function main(): void {
  const [folder, output] = process.argv.slice(2);
  if (!folder || !output) throw new Error('usage: cuda-rows.js FOLDER OUTPUT');
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const times = read('times.json') as readonly (readonly (number | null)[])[];
  writeFileSync(output, rowsText(read('jobs.json') as JobsFile, times));
}

if (process.argv[1] === import.meta.filename) main();
