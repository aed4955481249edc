import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeEp } from '../backends/execution-providers.js';
import { badRun, runDiffers, runExists } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { writeAtomically } from '../ir/files/atomic.js';
import { readJsonFile } from '../ir/files/json-file.js';
import type { LabelMap } from './data/labels.js';
import type { DataOptions } from './data/read-data.js';
import type { RecordFile } from './data/source.js';
import type { StreamIndex } from './data/stream/stream.js';
import type { TrainingPlan } from './loop.js';
import { settingsSchema } from './settings-schema.js';

/** Everything that fixes the result of a run, as `run.json` keeps it. Version 1. */
export interface RunSettings {
  readonly version: 1;
  /** of signature.json */
  readonly training: string;
  readonly data: RecordFile;
  readonly evalData: RecordFile | null;
  readonly evalSplit: number;
  readonly reading: DataOptions;
  /** by its contents: other ids are other data, whatever the name of the file */
  readonly tokenizer: RecordFile | null;
  readonly batchSize: number;
  readonly plan: TrainingPlan;
  readonly ep: NodeEp;
  readonly threads: number;
  readonly lowMemory: boolean;
  /** processes that train together */
  readonly ranks: number;
  readonly inputs: Readonly<Record<string, string>>;
  readonly labels: LabelMap | null;
  /** of data that is read window by window: what was found in it */
  readonly stream: StreamIndex | null;
  /** files next to the tokenizer that say how texts become tokens; absent in runs of older versions */
  readonly tokenizerFiles?: readonly RecordFile[];
}

const FILE = 'run.json';

/** Settings that may change when a run is resumed: its length, when it stops early, and who takes part. */
const MAY_CHANGE: ReadonlySet<string> = new Set([
  'plan.epochs',
  'plan.maxSteps',
  'plan.patience',
  'plan.warmupSteps',
  'ranks',
]);

/** Settings of the run in a folder; null when there is none. Throws LOTR8212. */
export function readSettings(folder: string): RunSettings | null {
  const file = join(folder, FILE);
  if (!existsSync(file)) return null;
  return readJsonFile(file, settingsSchema, (why) => fail(badRun({ file, why })));
}

export function writeSettings(folder: string, settings: RunSettings): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(settings, null, 2)}\n`);
  writeAtomically([{ path: join(folder, FILE), write: (sink) => sink.write(bytes) }]);
}

/** A new run needs a folder without one. Throws LOTR8210. */
export function requireNoRun(folder: string): void {
  if (existsSync(join(folder, FILE))) fail(runExists({ folder }));
}

/**
 * Throws LOTR8211 when a run would be resumed with other settings than it was started with, except its length. Paths of
 * files may change, their contents may not.
 */
export function requireSame(folder: string, held: RunSettings, now: RunSettings): void {
  const what = differences(held, now)
    .filter(({ name }) => !MAY_CHANGE.has(name))
    .map(({ name, values: [before, after] }) => `${name} was ${before}, now ${after}`);
  if (what.length > 0) fail(runDiffers({ folder, what }));
}

/** A setting that two runs do not have in common, and what it is in each. */
export interface SettingDifference {
  readonly name: string;
  readonly values: readonly [string, string];
}

/** Settings in which two runs differ; paths of files do not count, their contents do. */
export function differences(one: RunSettings, other: RunSettings): readonly SettingDifference[] {
  const [a, b] = [flat(one), flat(other)];
  const value = (leaves: ReadonlyMap<string, string>, name: string) => leaves.get(name) ?? 'not given';
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((name) => !/(^|\.)file$|^reading\.tokenizer$/.test(name) && a.get(name) !== b.get(name))
    .map((name) => ({ name, values: [value(a, name), value(b, name)] }));
}

/** Leaves of an object by path, as text. */
function flat(value: unknown, path = ''): Map<string, string> {
  const leaves = new Map<string, string>();
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      for (const [name, text] of flat(inner, path === '' ? key : `${path}.${key}`)) leaves.set(name, text);
    }
  } else if (value !== null && value !== undefined) leaves.set(path, JSON.stringify(value));
  return leaves;
}
