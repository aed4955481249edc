import type { Carry, Lowering } from '../../src/adapter/saved-plan.js';
import type { WeightsMode } from '../../src/ir/onnx/writer.js';
import { parseShare } from '../../src/passes/sites/groups.js';
import { parsePatternValue } from '../../src/passes/sites/patterns.js';
import type { Tie } from '../../src/passes/sites/weight-identity.js';
import { rewrite } from '../../src/rewrite.js';
import { hooksOf, printed, type WatchOptions } from '../hooks.js';
import { loadModel } from '../load.js';
import { loweringOf, specOf } from '../method.js';
import { defaultOutput, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport, planText } from '../report.js';
import { filesText } from '../text.js';
import { usageError } from '../usage.js';

export interface RewriteOptions extends WatchOptions {
  readonly rank: number;
  readonly method: string;
  readonly target?: readonly string[];
  readonly exclude?: readonly string[];
  readonly layers?: string;
  readonly rankPattern?: readonly string[];
  readonly scale?: number;
  readonly scalePattern?: readonly string[];
  readonly share: string;
  readonly init?: string;
  readonly base?: 'keep' | 'residual';
  readonly seed: number;
  readonly tie: Tie;
  readonly replace?: true;
  readonly factors?: Carry;
  readonly factorDtype?: 'f32' | 'model';
  readonly keepFunctions?: true;
  readonly lowering?: Lowering;
  readonly weights: WeightsMode;
  readonly output?: string;
  readonly adapter?: string;
  readonly withoutData?: true;
  readonly json?: true;
}

export function rewriteCommand(path: string, options: RewriteOptions, run: Run): void {
  if (options.withoutData && (options.output ?? options.adapter) !== undefined)
    throw usageError('--without-data only prints the plan: leave -o and --adapter out');
  const pairs = (option: string, list: readonly string[] = []) =>
    list.map((text) => parsePatternValue(text, option));
  const { targets, ...rest } = {
    rank: options.rank,
    spec: specOf(options),
    targets: options.target,
    exclude: options.exclude,
    layers: options.layers,
    rankPatterns: pairs('--rank-pattern', options.rankPattern),
    scalePatterns: pairs('--scale-pattern', options.scalePattern),
    share: parseShare(options.share),
    carry: options.factors,
    factorDType: options.factorDtype,
    lowering: loweringOf(options),
    seed: options.seed,
    tie: options.tie,
    replace: options.replace ?? false,
    withoutData: options.withoutData ?? false,
    hooks: hooksOf(options, run),
    print: printed,
    reload: () => loadModel(path),
  };
  const model = loadModel(path);
  const { plan, adapter, diagnostics } = rewrite(model, targets ? { ...rest, targets } : rest);
  run.reporter.report(diagnostics);
  if (options.withoutData) {
    if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), files: [] }, null, 2)}\n`);
    else run.io.out(`${planText(plan)}planned without the weights: nothing was written\n`);
    return;
  }
  const output = outputFile(options.output, defaultOutput(path, '.lotr.onnx'));
  const files = writeArtifacts(
    {
      model: { model, path: output, weights: options.weights },
      adapter: { adapter, path: outputFile(options.adapter, defaultOutput(output, '.safetensors')) },
      inputs: [path],
    },
    run,
  );
  if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), files }, null, 2)}\n`);
  else run.io.out(`${planText(plan)}${filesText(files)}`);
}
