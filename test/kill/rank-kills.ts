import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/init/rng.js';
import { type Launcher, processOfRank, startRanks } from '../support/mpi.js';

/** Jobs of several ranks, one of which is killed at a random moment. */

export interface KillJob {
  readonly launcher: Launcher;
  readonly ranks: number;
  /** the command that starts the run, without its folder */
  readonly words: readonly string[];
  /** the command that goes on with it, without its folder */
  readonly resume: readonly string[];
}

export interface KilledJob {
  /** the rank that was killed; null: the job had ended before */
  readonly rank: number | null;
  /** from the kill to the end of all processes */
  readonly seconds: number;
  readonly code: number | null;
  readonly text: string;
}

const DISTRIBUTED = ['--distributed', 'mpi'];
const FILES = ['checkpoint.safetensors', 'adapter.safetensors'];

/** Starts the job and kills one rank within `most` ms of its start, both as the number of the kill says. */
export async function killOne(
  job: KillJob,
  output: string,
  number: number,
  most: number,
): Promise<KilledJob> {
  const random = new RandomStream(number, 'rank-kills');
  const rank = Math.floor(job.ranks * random.uniform(0));
  const started = startRanks(job.launcher, job.ranks, [...job.words, '-o', output, ...DISTRIBUTED]);
  let over = false;
  const ended = started.ended.finally(() => {
    over = true;
  });
  let victim: number | null = null;
  const moment = performance.now() + most * random.uniform(1);
  while (!over && (victim === null || performance.now() < moment)) {
    victim ??= processOfRank(rank, output);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const killed = performance.now();
  let hit = false;
  if (victim !== null && !over) {
    try {
      process.kill(victim, 'SIGKILL');
      hit = true;
    } catch {
      // it has just ended
    }
  }
  const code = await ended;
  const seconds = (performance.now() - killed) / 1000;
  return { rank: hit ? rank : null, seconds, code, text: started.text() };
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
