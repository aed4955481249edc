import type { Carry, Lowering } from '../../src/ir/adapter.js';
import type { WeightsMode } from '../../src/ir/onnx/writer.js';
import { apply } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel } from '../load.js';
import { beside, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport, planText } from '../report.js';
import { filesText, weightsText } from '../text.js';

export interface ApplyOptions {
  readonly output?: string;
  readonly factors?: Carry;
  readonly factorDtype?: 'f32' | 'model';
  readonly keepFunctions?: true;
  readonly lowering?: Lowering;
  readonly weights: WeightsMode;
  readonly json?: true;
}

export function applyCommand(base: string, adapterPath: string, options: ApplyOptions, run: Run): void {
  const model = loadModel(base);
  const plan = apply(model, readAdapter(adapterPath), {
    carry: options.factors,
    lowering: options.keepFunctions ? 'function' : options.lowering,
    factorDType: options.factorDtype,
    file: adapterPath,
  });
  const output = outputFile(options.output, beside(base, '.lotr.onnx'));
  const inputs = [base, adapterPath];
  const files = writeArtifacts({ model: { model, path: output, weights: options.weights }, inputs }, run);
  const weights = (plan.weights ?? []).map(({ name }) => name);
  if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), weights, files }, null, 2)}\n`);
  else run.io.out(`${planText(plan)}${weightsText(plan.weights ?? [])}${filesText(files)}`);
}
