import { join, resolve } from 'node:path';
import { type GridValues, runsOf, type StudyRun, wordsOf } from '../../src/build/study/grid.js';
import { nextRound } from '../../src/build/study/halving.js';
import { failedRecord, type RunRecord } from '../../src/build/study/record.js';
import { studyRunFailed } from '../../src/ir/codes/study.js';
import { makeFolders } from '../../src/ir/files/folders.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { SWEEP } from '../../src/options/sets/study.js';
import { readLogs } from '../../src/train/logs/find.js';
import { METRIC_NAMES, metricDef } from '../../src/train/metrics/index.js';
import { holdRun } from '../../src/train/run-lock.js';
import { EXIT } from '../failure.js';
import type { Run } from '../program.js';
import { duration } from '../progress.js';
import { RunPool } from '../study/pool.js';
import { Study } from '../study/study.js';
import { suggest, tell } from '../tell.js';
import { count, num } from '../text.js';

type SweepOptions = ValuesOf<typeof SWEEP>;

/** Runs a grid: each run is `lotrc tune` in a process of its own, and leaves a record; all rows go into one Parquet file. */
export async function sweepCommand(file: string, options: SweepOptions, run: Run): Promise<void> {
  makeFolders(options.output);
  const lock = holdRun(options.output);
  try {
    const study = Study.open(file, options.output, options.resume);
    await sweep(study, options, run);
  } finally {
    lock.release();
  }
}

async function sweep(study: Study, options: SweepOptions, run: Run): Promise<void> {
  const { search } = study.grid;
  const pool = new RunPool(study.base);
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    pool.stop();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const records = new Map<string, RunRecord>();
  const order: StudyRun[] = [];
  try {
    for (let runs = runsOf(study.grid); runs.length > 0 && !stopped; ) {
      order.push(...runs);
      await round(study, runs, records, { ...options, pool, run, stopped: () => stopped });
      runs = search?.kind === 'halving' && !stopped ? nextRound(runs, records, search) : [];
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    study.sweep();
  }
  const rows = order.flatMap(({ id }) => records.get(id) ?? []);
  const path = study.writeRows(rows);
  const failed = rows.filter(({ status }) => status === 'failed').length;
  if (stopped) {
    run.exitCode = EXIT.interrupted;
    run.io.err(`${num(rows.length)} of ${count(order.length, 'run')} ended; --resume goes on\n`);
    return;
  }
  if (failed > 0) run.exitCode = EXIT.diagnostics;
  if (options.json) {
    run.io.out(
      `${JSON.stringify({ version: 1, output: options.output, runs: rows.length, failed, rows: path, records: rows }, null, 2)}\n`,
    );
    return;
  }
  tell(
    run,
    `${count(rows.length, 'run')}, ${num(failed)} failed; the rows: ${visible(join(options.output, 'runs.parquet'))}\n`,
  );
  suggest(run, `lotrc table ${options.output}`);
}

interface Round extends Pick<SweepOptions, 'jobs' | 'retries'> {
  readonly pool: RunPool;
  readonly run: Run;
  stopped(): boolean;
}

/** Does the runs that have no record, several at a time, and gathers the records of all. */
async function round(
  study: Study,
  runs: readonly StudyRun[],
  records: Map<string, RunRecord>,
  { jobs, retries, pool, run, stopped }: Round,
): Promise<void> {
  const missing: StudyRun[] = [];
  for (const one of runs) {
    const found = study.record(one.id);
    if (found?.status === 'done') records.set(one.id, found);
    else missing.push(one);
  }
  if (missing.length < runs.length)
    run.io.err(`${count(runs.length - missing.length, 'run')} of ${num(runs.length)} are there\n`);
  const started = performance.now();
  let ended = 0;
  const waiting = missing.values();
  const work = async (): Promise<void> => {
    for (const one of waiting) {
      if (stopped()) return;
      const { record, tries } = await attempt(study, one, retries, pool, stopped);
      if (record === null) return;
      study.keep(record);
      records.set(one.id, record);
      ended++;
      const left = ((performance.now() - started) / 1000 / ended) * (missing.length - ended);
      run.io.err(`${num(ended)}/${num(missing.length)} ${visible(lineOf(record))}  ${duration(left)} left\n`);
      if (record.why !== undefined)
        run.reporter.report(studyRunFailed({ run: nameOf(record), why: record.why, tries }));
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, missing.length) }, work));
}

interface Attempted {
  /** null: the study was stopped meanwhile */
  readonly record: RunRecord | null;
  readonly tries: number;
}

/** One run; again where its process crashed, which a run that ends with a diagnostic would not mend. */
async function attempt(
  study: Study,
  run: StudyRun,
  retries: number,
  pool: RunPool,
  stopped: () => boolean,
): Promise<Attempted> {
  for (let tries = 1; ; tries++) {
    const folder = study.work(run.id);
    const model = resolve(study.base, study.grid.model);
    const answer = await pool.run(['tune', model, ...wordsOf(run.options), '-o', folder, '--json']);
    if (stopped()) return { record: null, tries };
    if (typeof answer !== 'string' && answer.code === EXIT.ok)
      return { record: recordOf(run, answer.out, folder), tries };
    const crashed = typeof answer === 'string' || /LOTR8112/.test(answer.err);
    const why = typeof answer === 'string' ? answer : reasonOf(answer.err, answer.code);
    if (!crashed || tries > retries) return { record: failedRecord(run, why), tries };
  }
}

/** The first diagnostic of a command that failed. */
function reasonOf(err: string, code: number): string {
  const found = /error(?:\[|\s)?\s*(LOTR\d{4}[^\n]*)/.exec(err)?.[1] ?? /(LOTR\d{4}[^\n]*)/.exec(err)?.[1];
  return found ?? `it ended with exit code ${code}`;
}

function recordOf({ id, task, round: turn, varied }: StudyRun, out: string, folder: string): RunRecord {
  const { after } = JSON.parse(out) as {
    readonly after: { readonly step: number } & Readonly<Record<string, number | null>>;
  };
  const [log] = readLogs([join(folder, 'run')]).logs;
  const parameters = log?.settings.get('parameters');
  const metrics = METRIC_NAMES.flatMap((name) => (name in after ? [[name, after[name]!] as const] : []));
  const evaluated = log?.rows.findLast(({ split }) => split === 'eval')?.values;
  const last = METRIC_NAMES.flatMap((name) => {
    const value = evaluated?.get(name);
    return value === undefined ? [] : [[name, Number.isFinite(value) ? value : null] as const];
  });
  return {
    version: 1,
    id,
    task,
    round: turn,
    status: 'done',
    varied,
    step: after.step,
    ...(typeof parameters === 'number' ? { parameters } : {}),
    metrics: Object.fromEntries(metrics),
    ...(last.length > 0 ? { last: Object.fromEntries(last) } : {}),
  };
}

function nameOf({ task, varied }: { readonly task: string | null; readonly varied: GridValues }): string {
  const options = Object.entries(varied).map(([key, value]) => `${key}=${String(value)}`);
  return [...(task === null ? [] : [task]), ...options].join(' ');
}

function lineOf(record: RunRecord): string {
  const values = METRIC_NAMES.flatMap((name) => {
    const value = record.metrics?.[name];
    return value === null || value === undefined ? [] : [metricDef(name).show(value)];
  });
  return `${nameOf(record)}: ${record.why ?? values.slice(0, 3).join(', ')}`;
}
