import { createHash } from 'node:crypto';
import type { BuildStep } from './steps.js';

/** How keys are made; a change of it makes every cache entry one of another version. */
const FORMAT = 1;

/** A file that a step reads: its path as the config has it, and its digest; null where there is none. */
export type BuildRead = readonly [path: string, digest: string | null];

/**
 * What names the outputs of a step: everything that their bytes depend on. That is the version of lotrc, the options with
 * their defaults, the bytes of every file that is read, the paths from the folder of the config, since models refer to their
 * weights by them, and the keys of the steps whose outputs it takes. Times and absolute paths have no part in it.
 */
export function keyOf(
  { model, kind, options, takes, makes }: BuildStep,
  reads: readonly BuildRead[],
  after: readonly string[],
  version: string,
): string {
  const sorted = (fields: object) => Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  const all = [FORMAT, version, model, kind, sorted(options), sorted(takes), sorted(makes), reads, after];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
