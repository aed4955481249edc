import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/init/rng.js';
import { faultsOfEnded, faultsOfKilled, stateOf } from './checks.js';
import { type Moment, runCommand } from './command.js';
import type { Measured } from './jobs.js';

/** The part of the kills that happen at a change in the folder: it is short, and most that can go wrong is in it. */
const AT_CHANGES = 0.5;
/** Moments reach beyond the usual end: a command on a busy machine takes longer. */
const BEYOND = 1.05;

export interface ChainResult {
  readonly kills: number;
  /** those that left something unfinished: temporary files, or locks */
  readonly within: number;
  /** what did not hold; empty if all did */
  readonly faults: readonly string[];
}

/**
 * Kills commands of a job one after the other in one folder, up to `most`, and lets the last one end. Those that end before
 * their moment are not counted, and end the chain where the job goes on with what is there.
 */
export async function runChain(
  job: Measured,
  folder: string,
  seed: number,
  index: number,
  most: number,
): Promise<ChainResult> {
  const random = new RandomStream(seed, `kill/${index}`);
  const out = join(folder, `chain-${index}`);
  mkdirSync(out);
  let kills = 0;
  let within = 0;
  for (let turn = 0; ; turn++) {
    const [which, kind, at, far] = [0, 1, 2, 3].map((n) => random.uniform(4 * turn + n)) as [
      number,
      number,
      number,
      number,
    ];
    const others = job.others === true && far < 0.5;
    const command = Math.floor(which * job.commands.length);
    const undisturbed = job.undisturbed[command]!;
    const moment: Moment | null =
      kills === most
        ? null
        : kind < AT_CHANGES
          ? { change: 1 + Math.floor(at * undisturbed.changes), others }
          : { ms: at * BEYOND * undisturbed.ms, others };
    const before = stateOf(out, job);
    const { ended, ms, errors, left } = await runCommand(job.commands[command]!(out), out, moment);
    const killed = ended === null;
    const faults = [
      ...left,
      ...(killed ? faultsOfKilled(out, job, undisturbed, before) : []),
      ...(ended === 0 ? faultsOfEnded(out, job, undisturbed) : []),
      ...(killed || ended === 0 ? [] : [`it ended with ${ended}: ${errors}`]),
    ];
    if (killed) {
      kills++;
      if (readdirSync(out).some((name) => name.startsWith('.'))) within++;
    } else undisturbed.ms = (undisturbed.ms + ms) / 2;
    if (faults.length > 0) {
      const files = readdirSync(out).map((name) => `${name} (${statSync(join(out, name)).size})`);
      const what = killed ? `killed (${JSON.stringify(moment)})` : 'left to end';
      const where = `chain ${index}, ${job.name}, command ${turn}, ${what}`;
      return {
        kills,
        within,
        faults: faults.map((fault) => `${where}: ${fault}; the folder: ${files.join(', ')}`),
      };
    }
    if (!killed && (kills === most || job.commands.length === 1)) {
      rmSync(out, { recursive: true });
      return { kills, within, faults };
    }
  }
}
