import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import type { Model } from '../../src/ir/model.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { REWRITE } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import { type Adapter, rewrite } from '../../src/rewrite.js';
import { rewriteOptionsOf } from '../../src/rewrite-values.js';
import { hooksOf, printed } from '../hooks.js';
import { loadModel } from '../load.js';
import { specIn } from '../method.js';
import { defaultOutput, filesText, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport, planText } from '../report.js';
import { STANDARD } from '../standard-streams.js';
import { suggest, tell } from '../tell.js';

export function rewriteCommand(path: string, options: ValuesOf<typeof REWRITE>, run: Run): void {
  const { withoutData } = options;
  if (withoutData && (options.output ?? options.adapter) !== undefined)
    refuseUsage('--without-data only prints the plan: leave -o and --adapter out');
  const { model, plan, adapter } = rewritten(path, options, run);
  if (withoutData) {
    if (options.json) run.io.out(`${JSON.stringify({ ...planReport(plan), files: [] }, null, 2)}\n`);
    else run.io.out(`${planText(plan)}planned without the weights: nothing was written\n`);
    return;
  }
  if (options.output === STANDARD && options.adapter === undefined)
    refuseUsage('-o - writes the model to stdout: give --adapter FILE for the factors');
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
  const chosen = {
    ...rewriteOptionsOf(options, specIn),
    withoutData: options.withoutData,
    hooks: hooksOf(options, run),
    print: printed,
    reload: () => loadModel(path),
  };
  const model = loadModel(path);
  const { plan, adapter, diagnostics } = rewrite(model, chosen);
  run.reporter.report(diagnostics);
  return { model, plan, adapter };
}
