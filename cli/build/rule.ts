import { existsSync, statSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { depfileText } from '../../src/build/depfile.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { isFolder } from '../../src/ir/files/folders.js';
import { refuseUsage } from '../../src/options/usage.js';
import { shownPath } from './find-config.js';
import type { Built } from './run.js';

/** The file of each folder that is named in a rule: a folder has the time of its last new name. */
const SIGNS = ['signature.json', 'adapter.safetensors', 'plan.txt'];

/**
 * Writes the rule. An output that is up to date and older than an input gets the time of now: Make would otherwise ask for it
 * each time.
 */
export function writeDepfile(path: string, { outcomes, reads, folder }: Built): void {
  const outputs = outcomes.flatMap(({ step, files }) => {
    const { folder: made, ...single } = step.makes;
    if (made === undefined) return Object.values(single);
    const names = files.map((one) => one.path);
    return SIGNS.map((name) => `${made}/${name}`).filter((name) => names.includes(name));
  });
  const inputs = [...reads.keys()].filter((file) => existsSync(file));
  const newest = Math.max(...inputs.map((file) => statSync(file).mtimeMs));
  for (const output of outputs.map((name) => join(folder, name))) {
    const now = new Date();
    if (statSync(output).mtimeMs < newest) utimesSync(output, now, now);
  }
  const shown = (file: string) => shownPath(resolve(folder, file));
  const text = depfileText(outputs.map(shown), inputs.map(shown));
  if (isFolder(path)) refuseUsage(`--depfile names a file, and ${path} is a folder`);
  writeAtomically([{ path, write: (sink) => sink.write(Buffer.from(text)) }]);
}
