import type { ValuesOf } from '../../src/options/define.js';
import type { MERGE } from '../../src/options/sets/adapters.js';
import { mergeUnmergedLora } from '../../src/passes/adapters/merge-unmerged.js';
import { readPlan } from '../../src/passes/plan/plan.js';
import { merge } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { hooksOf } from '../hooks.js';
import { loadModel } from '../load.js';
import { defaultOutput, filesText, outputFile, type Written, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { count, weightsText } from '../text.js';

/** What a merge did. */
interface MergeReport {
  readonly layers: number;
  readonly files: readonly Written[];
}

export function mergeCommand(path: string, options: ValuesOf<typeof MERGE>, run: Run): MergeReport {
  const model = loadModel(path);
  const { adapter } = options;
  const unmerged = adapter === undefined && !readPlan(model) ? mergeUnmergedLora(model) : 0;
  const { plans, weights = [] } =
    unmerged > 0
      ? { plans: [] }
      : merge(model, adapter === undefined ? undefined : readAdapter(adapter), adapter, {
          hooks: hooksOf(options, run, path),
        });
  const layers = unmerged || plans.reduce((sum, row) => sum + row.sites.length, 0);
  const output = outputFile(options.output, defaultOutput(path, '.merged.onnx'));
  const inputs = [path, ...(adapter === undefined ? [] : [adapter])];
  const files = writeArtifacts(
    { model: { model, path: output, weights: options.weights }, inputs, clobber: options.clobber },
    run,
  );
  if (options.json)
    run.io.out(
      `${JSON.stringify({ version: 1, layers, weights: weights.map(({ name }) => name), files }, null, 2)}\n`,
    );
  else
    tell(run, `merged the adapters of ${count(layers, 'layer')}\n${weightsText(weights)}${filesText(files)}`);
  return { layers, files };
}
