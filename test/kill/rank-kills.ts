import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/init/rng.js';
import { readPosition } from '../../src/train/checkpoint.js';
import { type Job, type Launcher, processOfRank, startRanks } from '../support/mpi.js';
import { pause } from '../support/processes.js';

/** Jobs of several ranks, one of which is killed at a random step. */

export interface KillJob {
  readonly launcher: Launcher;
  readonly ranks: number;
  /** the command that starts the run, without its folder */
  readonly words: readonly string[];
  /** the command that goes on with it, without its folder */
  readonly resume: readonly string[];
  /** of a whole run */
  readonly steps: number;
}

export interface KilledJob {
  /** the rank that was killed before the last step; null: that came too late */
  readonly rank: number | null;
  /** from the kill to the end of all processes */
  readonly seconds: number;
  readonly code: number | null;
  readonly text: string;
}

const DISTRIBUTED = ['--distributed', 'mpi'];
const FILES = ['checkpoint.safetensors', 'adapter.safetensors'];

const stepOf = (output: string): number => readPosition(output)?.step ?? 0;

/** The state of a process, as /proc has it: T where it is stopped, Z where it has ended; null: there is none. */
function stateOf(pid: number): string | null {
  try {
    return /.*\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]!;
  } catch {
    return null;
  }
}

/** Stops a process; whether it had not ended. */
async function stop(pid: number): Promise<boolean> {
  for (;;) {
    const state = stateOf(pid);
    if (state === null || state === 'Z' || state === 'X') return false;
    if (state === 'T') return true;
    try {
      process.kill(pid, 'SIGSTOP');
    } catch {
      return false;
    }
    await pause(1);
  }
}

/**
 * Starts the job and stops one rank after a step of which there is a checkpoint; with a step below 0 while it starts. `pid`: the rank, which has
 * not ended then, and without which the job cannot take its last step; null: the look at it came too late, and the job goes on.
 */
export async function stopOne(
  job: KillJob,
  output: string,
  rank: number,
  after: number,
): Promise<{ readonly started: Job; readonly pid: number | null }> {
  const started = startRanks(job.launcher, job.ranks, [...job.words, '-o', output, ...DISTRIBUTED]);
  let over = false;
  void started.ended.finally(() => {
    over = true;
  });
  let pid: number | null = null;
  while (!over && (pid === null || stepOf(output) < after)) {
    pid ??= processOfRank(rank, output);
    await pause(5);
  }
  if (pid === null || !(await stop(pid))) return { started, pid: null };
  if (stepOf(output) < job.steps) return { started, pid };
  process.kill(pid, 'SIGCONT');
  return { started, pid: null };
}

/** Starts the job and kills one rank, both as the number of the kill says: a fifth of them while it starts. */
export async function killOne(job: KillJob, output: string, number: number): Promise<KilledJob> {
  const random = new RandomStream(number, 'rank-kills');
  const rank = Math.floor(job.ranks * random.uniform(0));
  return killAfter(job, output, rank, Math.floor(job.steps * (1.25 * random.uniform(1) - 0.25)));
}

/** Starts the job and kills a rank after a step. */
export async function killAfter(
  job: KillJob,
  output: string,
  rank: number,
  after: number,
): Promise<KilledJob> {
  const { started, pid } = await stopOne(job, output, rank, after);
  const killed = performance.now();
  if (pid !== null) process.kill(pid, 'SIGKILL');
  const code = await started.ended;
  const seconds = (performance.now() - killed) / 1000;
  return { rank: pid === null ? null : rank, seconds, code, text: started.text() };
}

/** Goes on with a run to its end, or starts it again where nothing was saved; what the job said. */
export async function goOn(
  job: KillJob,
  output: string,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const words = existsSync(join(output, 'run.json')) ? job.resume : job.words;
  const started = startRanks(job.launcher, job.ranks, [...words, '-o', output, ...DISTRIBUTED]);
  const code = await started.ended;
  return { code, text: started.text() };
}

/** Names of files of two runs that differ. */
export const differing = (a: string, b: string): readonly string[] =>
  FILES.filter((name) => !readFileSync(join(a, name)).equals(readFileSync(join(b, name))));
