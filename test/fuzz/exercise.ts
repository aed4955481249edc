import { type Commands, Steps } from './commands.js';
import { formatOf } from './formats.js';
import type { Input } from './inputs.js';
import { Random } from './random.js';
import type { Watch } from './watch.js';
import type { Workspace } from './workspace.js';

/** Codes of the diagnostics that the steps ended in; no step may end in anything else but success. */
export type Outcome = readonly string[];

/** Where inputs are exercised: the workspace is this process's working directory. */
export interface Place {
  readonly workspace: Workspace;
  readonly watch: Watch;
  readonly commands: Commands;
}

/**
 * Does with the files of an input all that the command line does with such files. Throws what is a defect: an error that is no
 * refusal, a LOTR9xxx, a changed prototype, a change outside of the folder for outputs, a file that is left over, or a written
 * file that does not read as what it was written from.
 */
export async function exercise(input: Input, { workspace, watch, commands }: Place): Promise<Outcome> {
  workspace.place(input.files);
  watch.start();
  const steps = new Steps(commands);
  await formatOf(input.format).exercise(steps, new Random(input.choice, 0), input.files);
  const fault = watch.fault();
  if (fault !== null) throw new Error(fault);
  return steps.codes;
}

/** A short name of a defect: inputs that fail alike are one defect. */
export function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split('\n').find((line) => /^\s+at .*\/(src|cli)\//.test(line)) ?? '';
  const message = error.message
    .split('\n')[0]!
    .replace(/"(?:[^"\\]|\\.)*"|\d+/g, '#')
    .slice(0, 200);
  return `${error.name}: ${message} ${place.trim().replace(/\(?file:.*\/dist\//, '')}`;
}
