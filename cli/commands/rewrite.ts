import { join } from 'node:path';
import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import type { Model } from '../../src/ir/model.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { REWRITE } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import type { DifferenceRow } from '../../src/passes/adapters/difference.js';
import type { LoftqRow } from '../../src/passes/adapters/loftq.js';
import { type Adapter, planLayers, rewrite } from '../../src/rewrite.js';
import { rewriteOptionsOf, startsFromData } from '../../src/rewrite-values.js';
import type { EvaStart } from '../../src/train/eva.js';
import { hooksOf, printed } from '../hooks.js';
import { loadModel } from '../load.js';
import { specIn } from '../method.js';
import { defaultOutput, filesText, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { Progress } from '../progress.js';
import { planReport, planText } from '../report.js';
import { inScratch } from '../scratch.js';
import { STANDARD } from '../standard-streams.js';
import { suggest, tell } from '../tell.js';
import { count, table } from '../text.js';

export async function rewriteCommand(
  path: string,
  options: ValuesOf<typeof REWRITE>,
  run: Run,
): Promise<void> {
  writeRewritten(path, options, run, await evaOf(path, options, run));
}

/** The same where factors that start from data have done so. */
export function writeRewritten(
  path: string,
  options: ValuesOf<typeof REWRITE>,
  run: Run,
  eva: EvaStart | null = null,
): void {
  const { withoutData } = options;
  if (withoutData && (options.output ?? options.adapter) !== undefined)
    refuseUsage('--without-data only prints the plan: leave -o and --adapter out');
  const { model, plan, adapter, loftq, difference } = rewritten(path, options, run, eva);
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
      inputs: [path, options.from, options.calibration, options.tokenizer].filter(
        (file) => file !== undefined,
      ),
      clobber: options.clobber,
    },
    run,
  );
  if (options.json) {
    const started = {
      ...(loftq ? { loftq: loftq.map(({ layer, before, after }) => ({ layer, before, after })) } : {}),
      ...(difference ? { difference } : {}),
      ...(eva ? { eva: { examples: eva.examples, starts: eva.rows } } : {}),
    };
    run.io.out(`${JSON.stringify({ ...planReport(plan), ...started, files }, null, 2)}\n`);
  } else {
    tell(
      run,
      `${planText(plan)}${loftq ? loftqText(loftq) : ''}${difference ? differenceText(difference) : ''}${eva ? evaText(eva) : ''}${filesText(files)}`,
    );
    suggest(run, `lotrc emit onnx-train ${output} -o DIR, or lotrc verify ${path} ${output}`);
  }
}

/** How far layers are from the float model. */
function loftqText(rows: readonly LoftqRow[]): string {
  const of = (value: number) => value.toExponential(2);
  const lines = rows.map(({ layer, before, after }) => [visible(layer), of(before), of(after)]);
  return `${table([['relative error of the weight', 'quantised', 'with the adapter'], ...lines])}\n`;
}

/** What adapters leave out of the difference of two models. */
function differenceText(rows: readonly DifferenceRow[]): string {
  const lines = rows.map(({ layer, error }) => [visible(layer), error.toExponential(2)]);
  return `${table([['layer', 'relative error of the difference'], ...lines])}\n`;
}

/** What the directions of factors hold of what layers read. */
function evaText({ examples, rows }: EvaStart): string {
  const lines = rows.map(({ factors: [first, ...more], variance }) => [
    `${visible(first!)}${more.length > 0 ? ` and ${more.length} more` : ''}`,
    variance.toFixed(3),
  ]);
  return `${table([['factor', 'share of the variance'], ...lines])}\nstarted from ${count(examples, 'example')}\n`;
}

/** Runs the model on calibration data where --init eva asks for it. */
async function evaOf(path: string, options: ValuesOf<typeof REWRITE>, run: Run): Promise<EvaStart | null> {
  const { init, calibration: file, tokenizer = null, calibrationExamples: examples, seed } = options;
  if (!startsFromData(init)) {
    const given = file === undefined ? (tokenizer === null ? null : '--tokenizer') : '--calibration';
    if (given !== null) refuseUsage(`${given} is for --init eva: give both, or none`);
    return null;
  }
  if (options.withoutData) return null;
  if (file === undefined)
    refuseUsage(
      '--init eva needs data to run the model on: give --calibration FILE, and --tokenizer for texts',
    );
  const { startByEva } = await import('../../src/train/eva.js');
  const progress = new Progress(run.io);
  return inScratch('lotrc-eva-', async (scratch) => {
    const model = loadModel(path);
    planLayers(model, rewriteOptionsOf(options, specIn, loadModel, true));
    const watch = progress.read.bind(progress);
    return startByEva(model, join(scratch, 'model.onnx'), { file, tokenizer, examples, seed, watch });
  }).finally(() => progress.end());
}

/** Reads a model and gives it adapters, as the options say; warnings go to the reporter. Writes nothing. */
export function rewritten(
  path: string,
  options: ValuesOf<typeof REWRITE>,
  run: Run,
  eva: EvaStart | null = null,
): {
  readonly model: Model;
  readonly plan: SavedPlan;
  readonly adapter: Adapter;
  /** with --init loftq */
  readonly loftq: readonly LoftqRow[] | null;
  /** with --init difference */
  readonly difference: readonly DifferenceRow[] | null;
} {
  const { loftq, difference, ...rest } = rewriteOptionsOf(
    options,
    specIn,
    loadModel,
    eva !== null || options.withoutData,
  );
  let errors: readonly LoftqRow[] = [];
  const told = (rows: readonly LoftqRow[]) => {
    errors = rows;
  };
  let left: readonly DifferenceRow[] = [];
  const toldOf = (rows: readonly DifferenceRow[]) => {
    left = rows;
  };
  const chosen = {
    ...rest,
    ...(difference ? { difference: { ...difference, told: toldOf } } : {}),
    ...(loftq ? { loftq: { ...loftq, told } } : {}),
    ...(eva ? { start: eva.factors } : {}),
    withoutData: options.withoutData,
    hooks: hooksOf(options, run),
    print: printed,
    reload: () => loadModel(path),
  };
  const model = loadModel(path);
  const { plan, adapter, diagnostics } = rewrite(model, chosen);
  run.reporter.report(diagnostics);
  return { model, plan, adapter, loftq: loftq ? errors : null, difference: difference ? left : null };
}
