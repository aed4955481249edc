import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../cli/bench/turns.js';

/** One process from start to end. */
export interface Measure {
  /** seconds of wall clock */
  readonly seconds: number;
  /** peak resident memory in bytes; null where GNU time is not installed */
  readonly peak: number | null;
}

const TIME = '/usr/bin/time';

/**
 * Runs a command as a process of its own and waits. Memory comes from GNU time and not from a parent's rusage, because
 * Linux lets a child start with the peak of the process it was forked from. Throws when the command fails.
 */
export function measure(command: readonly string[]): Measure {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-bench-'));
  const record = join(folder, 'time');
  const timed = existsSync(TIME);
  const [program, ...args] = timed ? [TIME, '-f', '%M', '-o', record, ...command] : command;
  try {
    const start = process.hrtime.bigint();
    const done = spawnSync(program!, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    if (done.error) throw done.error;
    if (done.status !== 0) throw new Error(`${command.join(' ')} failed:\n${done.stderr.slice(-2000)}`);
    const peak = timed ? Number(readFileSync(record, 'utf8').trim().split('\n').at(-1)) * 1024 : null;
    return { seconds, peak };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Median time and largest memory of several runs. */
export function summarise(runs: readonly Measure[]): Measure {
  const peaks = runs.flatMap(({ peak }) => (peak === null ? [] : [peak]));
  return {
    seconds: median(runs.map(({ seconds }) => seconds)),
    peak: peaks.length === runs.length ? Math.max(...peaks) : null,
  };
}

/** The last line that a process prints, JSON. Throws when the process fails. */
export function lastJsonOf([program, ...args]: readonly string[]): unknown {
  const done = spawnSync(program!, args, { encoding: 'utf8' });
  if (done.status !== 0)
    throw new Error(`${program} ${args.join(' ')} failed:\n${(done.stderr ?? '').slice(-2000)}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!);
}
