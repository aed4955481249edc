import type { ValuesOf } from '../../src/options/define.js';
import type { EXTRACT } from '../../src/options/sets/adapters.js';
import { requirePlan } from '../../src/passes/plan/plan.js';
import { extract } from '../../src/rewrite.js';
import { loadModel } from '../load.js';
import { defaultOutput, filesText, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { count, weightsText } from '../text.js';

export function extractCommand(path: string, options: ValuesOf<typeof EXTRACT>, run: Run): void {
  const model = loadModel(path);
  const adapter = extract(model);
  const output = outputFile(options.output, defaultOutput(path, '.safetensors'));
  const files = writeArtifacts(
    { adapter: { adapter, path: output }, inputs: [path], clobber: options.clobber },
    run,
  );
  const { weights = [] } = requirePlan(model, 'extract');
  const factors = adapter.tensors.size - weights.length;
  if (options.json) {
    const names = weights.map(({ name }) => name);
    run.io.out(`${JSON.stringify({ version: 1, factors, weights: names, files }, null, 2)}\n`);
  } else tell(run, `extracted ${count(factors, 'factor')}\n${weightsText(weights)}${filesText(files)}`);
}
