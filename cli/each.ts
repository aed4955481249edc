import { basename } from 'node:path';
import { isFolder } from '../src/ir/files/folders.js';
import { visible } from '../src/ir/visible.js';
import { refuseUsage } from '../src/options/usage.js';
import type { Run } from './program.js';
import { tell } from './tell.js';

/** What several models cannot share. */
interface Shared {
  readonly output?: string | undefined;
  readonly adapter?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * Runs a command on each of several models, in their order; the first that fails ends it. Outputs of several models go next to them
 * or into one folder. Throws a usage error for what only one model can have.
 */
export async function forEachModel(
  models: readonly string[],
  { output, adapter, json }: Shared,
  run: Run,
  act: (model: string) => unknown,
): Promise<void> {
  if (models.length > 1) {
    if (output !== undefined && !/[/\\]$/.test(output) && !isFolder(output))
      refuseUsage(`-o must be a folder for several models: ${output}/`);
    const names = models.map((model) => basename(model));
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (output !== undefined && twice !== undefined)
      refuseUsage(`two models are called ${twice}, and their outputs would be one file in ${output}`);
    if (adapter !== undefined)
      refuseUsage('--adapter is of one model: give the others in commands of their own');
    if (json) refuseUsage('--json is the report on one model: give the others in commands of their own');
  }
  for (const model of models) {
    if (models.length > 1) tell(run, `${visible(model)}:\n`);
    await act(model);
  }
}
