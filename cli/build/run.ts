import { existsSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type States, stateAt } from '../../src/build/file-state.js';
import { FileTable } from '../../src/build/file-table.js';
import { type BuildRead, keyOf } from '../../src/build/keys.js';
import { type BuildStep, makesFolder, stepsOf } from '../../src/build/steps.js';
import { type Counts, type Made, type MadeFile, replaceFile, Store } from '../../src/build/store.js';
import { fileIsThere } from '../../src/ir/codes/load.js';
import { type Diagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import { readRegular } from '../../src/ir/files/regular.js';
import { sweepStale } from '../../src/ir/files/temporary.js';
import { Unreadable } from '../../src/ir/files/unreadable.js';
import { version } from '../version.js';
import { loadConfig } from './load-config.js';
import { Pool } from './pool.js';
import { memoryOf, memoryText } from './recall.js';

/** What becomes of a step. */
type BuildResult =
  | 'up to date'
  | 'from the cache'
  | 'made'
  | 'failed'
  /** what it needs failed */
  | 'left out'
  /** with --dry-run */
  | 'would be made'
  | 'would come from the cache';

/** A step and what became of it. */
export interface BuildOutcome {
  readonly step: BuildStep;
  readonly result: BuildResult;
  readonly about: string;
  readonly counts: Counts | null;
  readonly files: readonly MadeFile[];
}

export interface BuildRequest {
  readonly config: string | undefined;
  readonly cache: string | undefined;
  readonly jobs: number | undefined;
  readonly force: boolean;
  readonly dryRun: boolean;
  /** false: a step whose outputs are there and are not what it makes fails */
  readonly clobber: boolean;
}

export interface BuildEvents {
  /** a step that was not up to date has ended */
  ended(outcome: BuildOutcome): void;
  report(diagnostics: readonly Diagnostic[], exitCode: number): void;
  line(step: BuildStep, text: string): void;
  /** how the build is told to end */
  started(interrupt: () => void): void;
}

export interface Built {
  readonly outcomes: readonly BuildOutcome[];
  /** every file that was read, absolute, as it was before; also those that were looked for and are not there */
  readonly reads: States;
  /** folder of the config, absolute */
  readonly folder: string;
  /** folder of golden files, absolute */
  readonly golden: string;
}

/** A step with what is known before it runs. */
interface Known {
  readonly step: BuildStep;
  readonly key: string;
  readonly made: Made | null;
  readonly current: boolean;
}

/**
 * Builds what a config says, of which something may have changed. `file`, `cache`: the config and the folder of the cache, absolute.
 * Steps that fail are reported; throws LOTR83xx for the config itself.
 */
export async function buildConfig(
  file: string,
  cache: string,
  request: BuildRequest,
  events: BuildEvents,
): Promise<Built> {
  const folder = dirname(file);
  const reads = new Map([[file, stateAt(file)]]);
  const { config, shown, isData } = await loadConfig(file, cache);
  const table = new FileTable(cache);
  look(file, table, reads);
  const steps = stepsOf(config, folder, shown);
  const place = { folder, cache, table, name: file, shown, reads };
  const outcomes = await buildSteps({ steps, ...place }, request, events);
  const built = { outcomes, reads, folder, golden: resolve(folder, config.golden ?? 'golden') };
  if (isData && !request.dryRun) remember(built, table, memoryOf(cache, file, 'whole'));
  return built;
}

/** Keeps what `recalled` needs, where all outputs are there and no file was changed while it was read. */
function remember(built: Built, table: FileTable, path: string): void {
  const outputs = new Map<string, string>();
  for (const { result, files } of built.outcomes) {
    if (FAILED.has(result)) return;
    for (const { path: output, digest } of files) {
      const file = join(built.folder, output);
      const state = table.digest(file) === digest ? table.stateOf(file) : null;
      if (state === null) return;
      outputs.set(file, state);
      // a build that is killed leaves something in it, which the next one removes
      outputs.set(dirname(file), stateAt(dirname(file)));
    }
  }
  for (const [file, state] of built.reads) if (table.stateOf(file) !== state) return;
  try {
    replaceFile(path, memoryText(built, outputs));
  } catch (error) {
    // a cache that cannot be written to: the next build looks again
    if (!(error instanceof LotrcError)) throw error;
  }
}

/** The digest of a file that a build reads. Its state is that before it was read first. */
function look(file: string, table: FileTable, reads: Map<string, string>): string | null {
  if (!reads.has(file)) reads.set(file, stateAt(file));
  return table.digest(file);
}

/** Steps, and where they are done. */
interface StepsRequest {
  readonly steps: readonly BuildStep[];
  /** which their paths are relative to, absolute */
  readonly folder: string;
  /** folder of the cache, absolute, and what it knows of files */
  readonly cache: string;
  readonly table: FileTable;
  /** what their last build is remembered by */
  readonly name: string;
  /** the file that asks for them, as messages call it */
  readonly shown: string;
  /** gets every file that is read, absolute, as it was before; also those that were looked for and are not there */
  readonly reads: Map<string, string>;
}

/** Does steps, each after those that it needs, or takes what they make from the cache. Those that fail are reported. */
export async function buildSteps(
  { steps, folder, cache, table, name, shown, reads }: StepsRequest,
  request: Pick<BuildRequest, 'jobs' | 'force' | 'dryRun' | 'clobber'>,
  events: BuildEvents,
): Promise<readonly BuildOutcome[]> {
  const store = new Store(cache);
  const last = new LastBuild(cache, name);
  const pool = new Pool(folder);
  const outcomes = new Map<string, BuildOutcome>();
  const known = new Map<string, Known>();

  let stopped = false;
  events.started(() => {
    stopped = true;
    pool.interrupt();
  });

  const end = (outcome: BuildOutcome): BuildOutcome => {
    outcomes.set(outcome.step.id, outcome);
    if (outcome.result !== 'up to date') events.ended(outcome);
    return outcome;
  };
  const failed = (step: BuildStep, diagnostics: readonly Diagnostic[], exitCode: number): BuildOutcome => {
    events.report(
      diagnostics.map((one) => within(one, step, shown)),
      exitCode,
    );
    return end({ step, result: 'failed', about: '', counts: null, files: [] });
  };
  const know = async (step: BuildStep): Promise<Known> => {
    const found = await readsOf(step, folder, table, reads);
    const after = step.after.map((id) => known.get(id)!.key);
    const key = keyOf(step, found, after, version());
    const told = request.force ? null : store.read(key);
    const current = told?.files.every((one) => table.digest(join(folder, one.path)) === one.digest) ?? false;
    // what is up to date needs no copy in the cache
    const made = current || told === null ? told : store.find(key, (path) => table.digest(path));
    const row = { step, key, made, current };
    known.set(step.id, row);
    return row;
  };
  const runOne = async (step: BuildStep): Promise<BuildOutcome> => {
    if (stopped || step.after.some((id) => !known.has(id) || FAILED.has(outcomes.get(id)!.result)))
      return end({ step, result: 'left out', about: '', counts: null, files: [] });
    let row: Known;
    try {
      row = await know(step);
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      return failed(step, error.diagnostics, 1);
    }
    const { key, made, current } = row;
    const told = made ?? { about: '', counts: null, files: [] };
    const { about, counts, files } = told;
    if (current) {
      if (!request.dryRun) sweepStale(files.map((one) => join(folder, one.path)));
      last.set(step.id, key);
      return end({ step, result: 'up to date', about, counts, files });
    }
    const ask = (want: 'make' | 'make again' | 'place' | 'plan') =>
      pool.run({ step, key, cache, want }, (text) => events.line(step, text));
    if (request.dryRun) {
      if (made) return end({ step, result: 'would come from the cache', about, counts, files });
      const planned = step.kind === 'rewrite' ? await ask('plan') : null;
      if (planned?.kind === 'failed') return failed(step, planned.diagnostics, planned.exitCode);
      const plan = planned?.kind === 'planned' ? planned : { about: '', counts: null };
      return end({ step, result: 'would be made', about: plan.about, counts: plan.counts, files: [] });
    }
    const there = request.clobber
      ? undefined
      : placesOf(step, made).find((path) => existsSync(join(folder, path)));
    if (there !== undefined) return failed(step, [fileIsThere({ file: there })], 1);
    const reply = await ask(made ? 'place' : request.force ? 'make again' : 'make');
    if (reply.kind !== 'made') {
      if (reply.kind === 'planned') throw new Error('a step was planned that was to be made');
      return stopped && reply.diagnostics.every(({ severity }) => severity === 'error')
        ? end({ step, result: 'left out', about: '', counts: null, files: [] })
        : failed(step, reply.diagnostics, reply.exitCode);
    }
    events.report(
      reply.made.diagnostics.map((one) => within(one, step, shown)),
      0,
    );
    const before = last.key(step.id);
    if (before !== null && makesFolder(step)) removeOld(store.read(before), reply.made, step, folder, table);
    last.set(step.id, key);
    for (const { path } of reply.made.files) table.digest(join(folder, path));
    return end({ step, result: reply.from === 'step' ? 'made' : 'from the cache', ...reply.made });
  };
  try {
    await inOrder(steps, request.jobs ?? availableParallelism(), runOne);
  } finally {
    pool.close();
    table.save();
    if (!request.dryRun) last.save();
  }
  return steps.map(({ id }) => outcomes.get(id)!);
}

const FAILED: ReadonlySet<BuildResult> = new Set(['failed', 'left out']);

/** Runs steps, each after those that it names, at most so many at a time. */
async function inOrder(
  steps: readonly BuildStep[],
  jobs: number,
  run: (step: BuildStep) => Promise<unknown>,
): Promise<void> {
  const waiting = [...steps];
  const running = new Map<string, Promise<string>>();
  while (waiting.length > 0 || running.size > 0) {
    const next = running.size < jobs ? waiting.findIndex((step) => ready(step, waiting, running)) : -1;
    if (next >= 0) {
      const [step] = waiting.splice(next, 1) as [BuildStep];
      running.set(
        step.id,
        run(step).then(() => step.id),
      );
    } else running.delete(await Promise.race(running.values()));
  }
}

const ready = (
  { after }: BuildStep,
  waiting: readonly BuildStep[],
  running: ReadonlyMap<string, unknown>,
): boolean => after.every((id) => !running.has(id) && !waiting.some((other) => other.id === id));

/** Every file of the user that a step reads, with its digest. */
async function readsOf(
  step: BuildStep,
  folder: string,
  table: FileTable,
  all: Map<string, string>,
): Promise<readonly BuildRead[]> {
  const paths = [...step.files];
  if (step.input !== null) {
    const model = join(folder, step.input);
    look(model, table, all);
    let data = table.dataOf(model);
    if (data === null) {
      const { filesOfModel } = await import('./model-files.js');
      data = filesOfModel(model);
      table.setData(model, data);
    }
    paths.push(step.input, ...data.map((path) => relative(folder, path).split(sep).join('/')));
  }
  return paths.sort().map((path): BuildRead => {
    return [path, look(join(folder, path), table, all)];
  });
}

/** Where a step writes: its files where they are known, else those that it is sure to make, or its folder. */
function placesOf({ makes }: BuildStep, made: Made | null): readonly string[] {
  if (made) return made.files.map(({ path }) => path);
  return Object.values(makes).flatMap((path) => (path === makes.onnx ? [path, `${path}.data`] : [path]));
}

/** A diagnostic of a step, with the place in the config that it comes from. */
function within(diagnostic: Diagnostic, { at }: BuildStep, config: string): Diagnostic {
  const notes = [...(diagnostic.notes ?? []), { message: `in ${at} of ${config}` }];
  return { ...diagnostic, notes };
}

/** Removes what the last build put into the folder of a step and this one did not, where it was not changed since. */
function removeOld(before: Made | null, now: Made, step: BuildStep, folder: string, table: FileTable): void {
  const stays = new Set(now.files.map(({ path }) => path));
  for (const { path, digest } of before?.files ?? []) {
    const file = join(folder, path);
    if (!stays.has(path) && path.startsWith(`${step.makes.folder}/`) && table.digest(file) === digest)
      rmSync(file, { force: true });
  }
}

/** The key with which each step of a config was built last. */
class LastBuild {
  readonly #path: string;
  readonly #keys: Map<string, string>;
  #changed = false;

  constructor(cache: string, config: string) {
    this.#path = memoryOf(cache, config, 'json');
    this.#keys = new Map(Object.entries(this.#read()));
  }

  key(step: string): string | null {
    return this.#keys.get(step) ?? null;
  }

  set(step: string, key: string): void {
    if (this.#keys.get(step) === key) return;
    this.#keys.set(step, key);
    this.#changed = true;
  }

  save(): void {
    if (this.#changed) replaceFile(this.#path, JSON.stringify(Object.fromEntries(this.#keys)));
  }

  #read(): Readonly<Record<string, string>> {
    try {
      const value: unknown = JSON.parse(readRegular(this.#path).toString('utf8'));
      const rows = Object.entries(value as object).filter(([, key]) => /^[0-9a-f]{64}$/.test(String(key)));
      return Object.fromEntries(rows) as Record<string, string>;
    } catch (error) {
      if (error instanceof Unreadable || error instanceof SyntaxError || error instanceof TypeError)
        return {};
      throw error;
    }
  }
}
