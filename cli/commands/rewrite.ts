import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import type { Model } from '../../src/ir/model.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { REWRITE } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import type { LoftqRow } from '../../src/passes/adapters/loftq.js';
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
import { table } from '../text.js';

export function rewriteCommand(path: string, options: ValuesOf<typeof REWRITE>, run: Run): void {
  const { withoutData } = options;
  if (withoutData && (options.output ?? options.adapter) !== undefined)
    refuseUsage('--without-data only prints the plan: leave -o and --adapter out');
  const { model, plan, adapter, loftq } = rewritten(path, options, run);
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
      inputs: [path, ...(options.from === undefined ? [] : [options.from])],
      clobber: options.clobber,
    },
    run,
  );
  if (options.json) {
    const started = loftq
      ? { loftq: loftq.map(({ layer, before, after }) => ({ layer, before, after })) }
      : {};
    run.io.out(`${JSON.stringify({ ...planReport(plan), ...started, files }, null, 2)}\n`);
  } else {
    tell(run, `${planText(plan)}${loftq ? loftqText(loftq) : ''}${filesText(files)}`);
    suggest(run, `lotrc emit onnx-train ${output} -o DIR, or lotrc verify ${path} ${output}`);
  }
}

/** How far layers are from the float model. */
function loftqText(rows: readonly LoftqRow[]): string {
  const of = (value: number) => value.toExponential(2);
  const lines = rows.map(({ layer, before, after }) => [visible(layer), of(before), of(after)]);
  return `${table([['relative error of the weight', 'quantised', 'with the adapter'], ...lines])}\n`;
}

/** Reads a model and gives it adapters, as the options say; warnings go to the reporter. Writes nothing. */
export function rewritten(
  path: string,
  options: ValuesOf<typeof REWRITE>,
  run: Run,
): {
  readonly model: Model;
  readonly plan: SavedPlan;
  readonly adapter: Adapter;
  /** with --init loftq */
  readonly loftq: readonly LoftqRow[] | null;
} {
  const { loftq, ...rest } = rewriteOptionsOf(options, specIn, loadModel);
  let errors: readonly LoftqRow[] = [];
  const told = (rows: readonly LoftqRow[]) => {
    errors = rows;
  };
  const chosen = {
    ...rest,
    ...(loftq ? { loftq: { ...loftq, told } } : {}),
    withoutData: options.withoutData,
    hooks: hooksOf(options, run),
    print: printed,
    reload: () => loadModel(path),
  };
  const model = loadModel(path);
  const { plan, adapter, diagnostics } = rewrite(model, chosen);
  run.reporter.report(diagnostics);
  return { model, plan, adapter, loftq: loftq ? errors : null };
}
