import { defaultsOf, type ValuesOf } from '../../src/options/define.js';
import type { DIFF } from '../../src/options/sets/build.js';
import { VERIFY } from '../../src/options/sets/models.js';
import { refuseUsage } from '../../src/options/usage.js';
import { EXIT } from '../failure.js';
import { loadModel } from '../load.js';
import { modelText } from '../model-text.js';
import type { Run } from '../program.js';
import { changesText, textChanges } from '../text-changes.js';

/** Says in what two models differ; the exit code is then 1, as that of `diff`. */
export async function diffCommand(
  a: string,
  b: string,
  options: ValuesOf<typeof DIFF>,
  run: Run,
): Promise<void> {
  const { numbers, json } = options;
  if (numbers && json) refuseUsage('--numbers prints a table: use `lotrc verify --json` for numbers');
  const changes = textChanges(modelText(loadModel(a)), modelText(loadModel(b)));
  const equal = changes.length === 0;
  if (json) run.io.out(`${JSON.stringify({ version: 1, equal, changes }, null, 2)}\n`);
  else run.io.out(equal ? 'the models have the same structure and tensors\n' : changesText(changes));
  if (!equal) run.exitCode = EXIT.diagnostics;
  if (!numbers) return;
  const { verifyCommand } = await import('./verify.js');
  await verifyCommand(a, b, defaultsOf(VERIFY), run);
}
