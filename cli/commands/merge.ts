import type { WeightsMode } from '../../src/ir/onnx/writer.js';
import { requirePlan } from '../../src/passes/adapters/plan.js';
import { merge } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel } from '../load.js';
import { beside, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { count, filesText } from '../text.js';

export interface MergeOptions {
  readonly output?: string;
  readonly adapter?: string;
  readonly weights: WeightsMode;
  readonly json?: true;
}

export function mergeCommand(path: string, options: MergeOptions, run: Run): void {
  const model = loadModel(path);
  const layers = requirePlan(model, 'merge').plans.reduce((sum, row) => sum + row.sites.length, 0);
  merge(model, options.adapter === undefined ? undefined : readAdapter(options.adapter));
  const output = outputFile(options.output, beside(path, '.merged.onnx'));
  const inputs = [path, ...(options.adapter === undefined ? [] : [options.adapter])];
  const files = writeArtifacts({ model: { model, path: output, weights: options.weights }, inputs }, run);
  if (options.json) run.io.out(`${JSON.stringify({ version: 1, layers, files }, null, 2)}\n`);
  else run.io.out(`merged the adapters of ${count(layers, 'layer')}\n${filesText(files)}`);
}
