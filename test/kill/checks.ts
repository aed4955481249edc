import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { Measured, Undisturbed } from './jobs.js';

/** Most bytes of temporary files that stay after a kill: larger ones are removed by a janitor. */
const MAX_LEFT = 64 << 20;

export function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Digests of the outputs that are in a folder. */
export function stateOf(out: string, job: Measured): ReadonlyMap<string, string> {
  const names = readdirSync(out).filter((name) => !name.startsWith('.') && job.compared.test(name));
  return new Map(names.map((name) => [name, digest(join(out, name))]));
}

/**
 * What does not hold after a command was killed: every output is what it was before, or what the command writes. Where its bytes
 * are not known, it is whole. What stays besides is small and belongs to an output.
 */
export function faultsOfKilled(
  out: string,
  job: Measured,
  { files }: Undisturbed,
  before: ReadonlyMap<string, string>,
): readonly string[] {
  const faults: string[] = [];
  const known = job.commands.length > 1;
  const now = stateOf(out, job);
  for (const name of known ? new Set([...before.keys(), ...now.keys()]) : []) {
    const found = now.get(name);
    if (found === before.get(name) || (found !== undefined && found === files.get(name))) continue;
    faults.push(`${name} is ${found === undefined ? 'gone' : 'neither the old one nor the new one'}`);
  }
  let left = 0;
  for (const name of readdirSync(out)) {
    const path = join(out, name);
    if (!name.startsWith('.')) {
      if (!files.has(name)) faults.push(`${name} is not an output`);
      const why = known ? null : notWhole(path);
      if (why !== null) faults.push(`${name} is not whole: ${why}`);
    } else if (/^\..+\.(tmp|lotrc\.lock(\.[0-9a-f]{12})*)$/.test(name)) left += statSync(path).size;
    else faults.push(`${name} stayed`);
  }
  if (left >= MAX_LEFT) faults.push(`temporary files of ${left} bytes stayed`);
  return faults;
}

/** What does not hold after a command ended by itself: the outputs are those of an undisturbed one, and nothing else is there. */
export function faultsOfEnded(out: string, job: Measured, { files }: Undisturbed): readonly string[] {
  const faults = readdirSync(out)
    .filter((name) => !files.has(name))
    .map((name) => `${name} stayed`);
  for (const [name, wanted] of files) {
    if (!existsSync(join(out, name))) faults.push(`${name} is missing`);
    else if (job.compared.test(name) && digest(join(out, name)) !== wanted)
      faults.push(`${name} is not what an undisturbed command writes`);
  }
  return faults;
}

/** Why a file of a training run is cut short, or null. */
function notWhole(path: string): string | null {
  try {
    if (path.endsWith('.safetensors') && readSafetensors(path).tensors.size === 0) return 'it is empty';
    if (path.endsWith('.json')) JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return (error as Error).message;
  }
  if (path.endsWith('.html') && !/<\/html>\s*$/.test(readFileSync(path, 'utf8'))) return 'it has no end';
  const magic = () => readFileSync(path).subarray(-4).toString('latin1');
  return path.endsWith('.parquet') && magic() !== 'PAR1' ? 'it has no end' : null;
}
