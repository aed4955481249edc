import { existsSync, readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { Commands } from './commands.js';
import { exercise, kindOf, type Place } from './exercise.js';
import { formatOf } from './formats.js';
import { type Input, makeInput } from './inputs.js';
import { failsAs, minimised } from './minimise.js';
import { saveInput } from './saved.js';
import { loadSeeds } from './seeds.js';
import { Watch } from './watch.js';
import { Workspace } from './workspace.js';

/** What the parent asks for. */
export interface Task {
  readonly corpus: string;
  readonly data: string;
  readonly scratch: string;
  readonly save: string;
  readonly seed: number;
  readonly first: number;
  readonly last: number;
  readonly only: string | null;
}

/** What the parent is told: the input that begins, a defect, or the end with a count of each format and diagnostic. */
export type Report =
  | { readonly kind: 'begin'; readonly index: number }
  | {
      readonly kind: 'defect';
      readonly index: number;
      readonly name: string;
      readonly why: string;
      /** where the input was kept; null where others of its kind are */
      readonly saved: string | null;
    }
  | {
      readonly kind: 'end';
      readonly formats: readonly (readonly [string, Counts])[];
      readonly codes: readonly (readonly [string, number])[];
      readonly slowest: { readonly index: number; readonly ms: number };
      readonly peak: number;
    };

export interface Counts {
  readonly inputs: number;
  /** those in which nothing was refused */
  readonly accepted: number;
  readonly ms: number;
}

/** Seconds of processor time that one input may take, where its format does not say more. */
const SECONDS = 2;
/** Resident memory that the process may ever have taken. */
const MAX_BYTES = 600e6;
/** Files that the process may have open: lotrc keeps 32 for reading, and Node some of its own. */
const MAX_OPEN = 100;
/** Defects of one kind that are minimised and kept. */
const KEPT = 2;

const task = JSON.parse(process.argv[2]!) as Task;
const send = (report: Report) => process.send!(report);
const workspace = new Workspace(task.scratch);
process.on('exit', () => workspace.remove());
workspace.enter();
const seeds = loadSeeds(task.corpus, task.data, workspace);
const place: Place = { workspace, watch: new Watch(workspace.root), commands: new Commands() };
const codes = new Map<string, number>();
const formats = new Map<string, { inputs: number; accepted: number; ms: number }>();
const kinds = new Map<string, number>();
let slowest = { index: -1, ms: 0 };
const peak = () => process.resourceUsage().maxRSS * 1024;
const openFiles = () => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0);
let overfull = false;

async function one(index: number): Promise<void> {
  send({ kind: 'begin', index });
  const input = makeInput(seeds, task.seed, index, task.only);
  const start = process.cpuUsage();
  const wall = performance.now();
  let accepted = false;
  try {
    const outcome = await exercise(input, place);
    accepted = outcome.length === 0;
    for (const code of accepted ? ['success'] : new Set(outcome)) codes.set(code, (codes.get(code) ?? 0) + 1);
  } catch (error) {
    await defect(
      index,
      input,
      kindOf(error),
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
  }
  const { user, system } = process.cpuUsage(start);
  const ms = Math.min((user + system) / 1000, performance.now() - wall);
  const counts = formats.get(input.format) ?? { inputs: 0, accepted: 0, ms: 0 };
  formats.set(input.format, counts);
  counts.inputs += 1;
  counts.accepted += accepted ? 1 : 0;
  counts.ms += ms;
  if (ms > slowest.ms) slowest = { index, ms };
  const { seconds = SECONDS } = formatOf(input.format);
  if (ms > 1000 * seconds)
    report(index, input, `${input.format}: it took too long`, `it took ${ms.toFixed(0)} ms`);
  if (index % 500 === 0 && openFiles() > MAX_OPEN) {
    report(index, input, 'open files', `the process has ${openFiles()} open files`);
  }
  if (!overfull && peak() > MAX_BYTES) {
    overfull = true;
    report(
      index,
      input,
      `${input.format}: too much memory`,
      `the process had ${(peak() / 1e6).toFixed(0)} MB`,
    );
  }
}

function report(index: number, input: Input, name: string, why: string): void {
  const saved = saveInput(task.save, `seed-${task.seed}-${index}`, input);
  send({ kind: 'defect', index, name, why, saved });
}

/** Makes a defect small and keeps it; of a kind that was seen often enough only says so. */
async function defect(index: number, input: Input, name: string, why: string): Promise<void> {
  const seen = (kinds.get(name) ?? 0) + 1;
  kinds.set(name, seen);
  if (seen > KEPT) send({ kind: 'defect', index, name, why, saved: null });
  else report(index, await minimised(input, (trial) => failsAs(trial, name, place)), name, why);
}

let index = task.first;
/** In turns, so that messages leave before the next inputs are tried. */
async function turn(): Promise<void> {
  for (let left = 32; left > 0 && index < task.last; left--) await one(index++);
  if (index < task.last) setImmediate(() => void turn());
  else {
    const end: Report = {
      kind: 'end',
      formats: [...formats],
      codes: [...codes].sort(),
      slowest,
      peak: peak(),
    };
    // before it has left, a parent that is slow would lose it
    process.send!(end, () => process.disconnect());
  }
}
await turn();
