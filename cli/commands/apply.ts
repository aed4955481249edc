import { type Carry, type Lowering, PLAN_KEY, type PlanRow, type SavedPlan } from '../../src/ir/adapter.js';
import type { WeightsMode } from '../../src/ir/onnx/writer.js';
import { planOfAdapter } from '../../src/passes/adapters/adapter-file.js';
import { type Adapter, apply } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel } from '../load.js';
import { beside, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport, planText } from '../report.js';
import { filesText } from '../text.js';

export interface ApplyOptions {
  readonly output?: string;
  readonly factors?: Carry;
  readonly keepFunctions?: true;
  readonly lowering?: Lowering;
  readonly weights: WeightsMode;
  readonly json?: true;
}

export function applyCommand(base: string, adapterPath: string, options: ApplyOptions, run: Run): void {
  const model = loadModel(base);
  const plan = apply(model, inForm(readAdapter(adapterPath), adapterPath, options), adapterPath);
  const output = options.output ?? beside(base, '.lotr.onnx');
  const inputs = [base, adapterPath];
  const files = writeArtifacts({ model: { model, path: output, weights: options.weights }, inputs }, run);
  if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), files }, null, 2)}\n`);
  else run.io.out(`${planText(plan)}${filesText(files)}`);
}

/** The adapter with the form of its plan replaced by what the options ask for. */
function inForm(adapter: Adapter, file: string, options: ApplyOptions): Adapter {
  const { factors: carry, lowering: form, keepFunctions } = options;
  const lowering = keepFunctions ? 'function' : form;
  if (carry === undefined && lowering === undefined) return adapter;
  const { version, plans } = planOfAdapter(adapter, file);
  const change: Partial<Pick<PlanRow, 'carry' | 'lowering'>> = {
    ...(carry ? { carry } : {}),
    ...(lowering ? { lowering } : {}),
  };
  const plan: SavedPlan = { version, plans: plans.map((row) => ({ ...row, ...change })) };
  return { tensors: adapter.tensors, metadata: { ...adapter.metadata, [PLAN_KEY]: JSON.stringify(plan) } };
}
