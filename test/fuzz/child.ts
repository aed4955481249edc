import { performance } from 'node:perf_hooks';
import { exercise } from './exercise.js';
import { makeInput } from './inputs.js';
import { loadSeeds } from './seeds.js';
import { Workspace } from './workspace.js';

/** What the parent is told: the input that begins, a defect, or the end with a count of each diagnostic. */
export type Report =
  | { readonly kind: 'begin'; readonly index: number }
  | { readonly kind: 'defect'; readonly index: number; readonly why: string }
  | {
      readonly kind: 'end';
      readonly codes: readonly (readonly [string, number])[];
      readonly slowest: { readonly index: number; readonly ms: number };
      readonly peak: number;
    };

/** Processor time that one input may take. */
const MAX_MS = 2000;
/** Resident memory that the process may ever have taken. */
const MAX_BYTES = 500e6;

const [corpus, scratch, seed, first, last] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const send = (report: Report) => process.send!(report);
const workspace = new Workspace(scratch);
process.on('exit', () => workspace.remove());
const seeds = loadSeeds(corpus, workspace);
const codes = new Map<string, number>();
let slowest = { index: -1, ms: 0 };
const peak = () => process.resourceUsage().maxRSS * 1024;
let overfull = false;

function one(index: number): void {
  send({ kind: 'begin', index });
  const input = makeInput(seeds, Number(seed), index);
  const start = process.cpuUsage();
  const wall = performance.now();
  try {
    const outcome = exercise(input, workspace);
    for (const code of outcome.length === 0 ? ['success'] : new Set(outcome)) {
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  } catch (error) {
    send({
      kind: 'defect',
      index,
      why: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
  const { user, system } = process.cpuUsage(start);
  const ms = Math.min((user + system) / 1000, performance.now() - wall);
  if (ms > slowest.ms) slowest = { index, ms };
  if (ms > MAX_MS) send({ kind: 'defect', index, why: `it took ${ms.toFixed(0)} ms` });
  if (!overfull && peak() > MAX_BYTES) {
    overfull = true;
    send({ kind: 'defect', index, why: `the process had ${(peak() / 1e6).toFixed(0)} MB` });
  }
}

let index = Number(first);
/** In turns, so that messages leave before the next inputs are tried. */
function turn(): void {
  for (let left = 8; left > 0 && index < Number(last); left--) one(index++);
  if (index < Number(last)) setImmediate(turn);
  else {
    send({ kind: 'end', codes: [...codes].sort(), slowest, peak: peak() });
    process.disconnect();
  }
}
turn();
