import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import type { Model } from '../../src/ir/model.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { REWRITE } from '../../src/options/sets/adapters.js';
import { parseShare } from '../../src/passes/sites/groups.js';
import { parsePatternValue } from '../../src/passes/sites/patterns.js';
import { type Adapter, rewrite } from '../../src/rewrite.js';
import { hooksOf, printed } from '../hooks.js';
import { loadModel } from '../load.js';
import { loweringOf, specOf } from '../method.js';
import { defaultOutput, filesText, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport, planText } from '../report.js';
import { STANDARD } from '../standard-streams.js';
import { suggest, tell } from '../tell.js';
import { usageError } from '../usage.js';

export function rewriteCommand(path: string, options: ValuesOf<typeof REWRITE>, run: Run): void {
  const { withoutData } = options;
  if (withoutData && (options.output ?? options.adapter) !== undefined)
    throw usageError('--without-data only prints the plan: leave -o and --adapter out');
  const { model, plan, adapter } = rewritten(path, options, run);
  if (withoutData) {
    if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), files: [] }, null, 2)}\n`);
    else run.io.out(`${planText(plan)}planned without the weights: nothing was written\n`);
    return;
  }
  if (options.output === STANDARD && options.adapter === undefined)
    throw usageError('-o - writes the model to stdout: give --adapter FILE for the factors');
  const output = outputFile(options.output, defaultOutput(path, '.lotr.onnx'));
  const files = writeArtifacts(
    {
      model: { model, path: output, weights: options.weights },
      adapter: { adapter, path: outputFile(options.adapter, defaultOutput(output, '.safetensors')) },
      inputs: [path],
      clobber: options.clobber,
    },
    run,
  );
  if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), files }, null, 2)}\n`);
  else {
    tell(run, `${planText(plan)}${filesText(files)}`);
    suggest(run, `lotrc emit onnx-train ${output} -o DIR, or lotrc verify ${path} ${output}`);
  }
}

/** Reads a model and gives it adapters, as the options say; warnings go to the reporter. Writes nothing. */
export function rewritten(
  path: string,
  options: ValuesOf<typeof REWRITE>,
  run: Run,
): { readonly model: Model; readonly plan: SavedPlan; readonly adapter: Adapter } {
  const pairs = (option: string, list: readonly string[] = []) =>
    list.map((text) => parsePatternValue(text, option));
  const { rank, targets, exclude, layers, carry, factorDType, seed, tie, replace, storeSeeded, withoutData } =
    options;
  const chosen = {
    ...{ rank, exclude, layers, carry, factorDType, seed, tie, replace, storeSeeded, withoutData },
    spec: specOf(options),
    rankPatterns: pairs('--rank-pattern', options.rankPatterns),
    scalePatterns: pairs('--scale-pattern', options.scalePatterns),
    share: parseShare(options.share),
    lowering: loweringOf(options),
    hooks: hooksOf(options, run),
    print: printed,
    reload: () => loadModel(path),
  };
  const model = loadModel(path);
  const { plan, adapter, diagnostics } = rewrite(model, targets ? { ...chosen, targets } : chosen);
  run.reporter.report(diagnostics);
  return { model, plan, adapter };
}
