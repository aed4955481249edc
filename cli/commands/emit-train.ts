import { join } from 'node:path';
import { type Emitted, emitTraining } from '../../src/backends/onnx-train/emit.js';
import { explainProducts, type MatrixForm } from '../../src/backends/onnx-train/explain.js';
import { chooseBaseDtype } from '../../src/backends/onnx-train/int8/choose.js';
import type { ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import type { TrainOptions } from '../../src/backends/onnx-train/options.js';
import { trainOptionsOf } from '../../src/backends/onnx-train/values.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import { refuseUsage } from '../../src/options/usage.js';
import { readAdapter } from '../adapter-file.js';
import { hooksOf } from '../hooks.js';
import { loadModel } from '../load.js';
import { filesText, refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { inScratch } from '../scratch.js';
import { STANDARD } from '../standard-streams.js';
import { suggest, tell } from '../tell.js';
import { count, num, table, weightsText } from '../text.js';

type EmitTrainOptions = ValuesOf<typeof ONNX_TRAIN>;

/** Writes a training directory from a rewritten model and says what is in it; with --explain prints what it would compute in. */
export async function emitTrainCommand(path: string, given: EmitTrainOptions, run: Run): Promise<void> {
  const { output } = given;
  if (output === STANDARD) refuseUsage('-o names a folder: a training directory has several files');
  if (!output && !given.explain) refuseUsage('-o DIR is missing (or --explain)');
  if (given.link && given.copyBase) refuseUsage('--link and --copy-base exclude each other');
  if (output && !given.explain) refuseInputs([join(output, 'signature.json')], [], given.clobber);
  const options = await withBaseDtype(path, given, run);
  const request = {
    open: () => loadModel(path),
    watch: { hooks: hooksOf(given, run, path) },
    options,
    ...(given.adapter === undefined
      ? {}
      : { adapter: readAdapter(given.adapter), adapterFile: given.adapter }),
  };
  if (given.explain) {
    const matrices = explainProducts(request);
    const { baseDtype } = options;
    run.io.out(
      given.json
        ? `${JSON.stringify({ version: 1, baseDtype, matrices }, null, 2)}\n`
        : matricesText(baseDtype, matrices),
    );
    return;
  }
  const base = given.link ? 'link' : given.copyBase ? 'copy' : 'auto';
  tellEmitted(emitTraining({ ...request, folder: output!, base }), output!, given, run);
}

/** The options of the graphs; `--base-dtype auto` is measured and said. */
async function withBaseDtype(path: string, given: EmitTrainOptions, run: Run): Promise<TrainOptions> {
  const { baseDtype } = given;
  const options = trainOptionsOf(given);
  if (baseDtype !== 'auto') return { ...options, baseDtype };
  const chosen = await inScratch('lotrc-auto-', (folder) =>
    chooseBaseDtype(loadModel(path), options, folder),
  );
  run.reporter.report([chosen.note]);
  return { ...options, baseDtype: chosen.baseDtype };
}

function matricesText(baseDtype: string, matrices: readonly MatrixForm[]): string {
  const rows = matrices.map(({ layer, shape, form, why }) => [layer, shape?.join('x') ?? '', form, why]);
  const head = `products of the base in a step, --base-dtype ${baseDtype}\n`;
  return `${head}${table([['layer', 'in x out', 'form', 'why'], ...rows])}`;
}

function tellEmitted(emitted: Emitted, output: string, given: EmitTrainOptions, run: Run): void {
  run.reporter.report(emitted.notes);
  const { base, baseProducts } = emitted.signature;
  if (given.json) {
    run.io.out(
      `${JSON.stringify({ version: 1, files: emitted.files, base, ...(baseProducts ? { baseProducts } : {}) }, null, 2)}\n`,
    );
    return;
  }
  const trained = emitted.params.filter(({ row }) => row.trainable);
  const size = trained.reduce((sum, { row }) => sum + row.shape.reduce((a, b) => a * b, 1), 0);
  tell(run, `${count(trained.length, 'parameter')} to train, ${num(size)} values\n`);
  tell(run, weightsText(emitted.weights));
  tell(
    run,
    filesText(emitted.files.map(({ path: file, byteLength }) => ({ path: file, bytes: byteLength }))),
  );
  tell(run, `wrote ${join(output, 'state.safetensors')} and signature.json\n`);
  if (baseProducts) {
    const { rounded, float32 } = baseProducts;
    const rest = float32 > 0 ? `, ${num(float32)} in float32` : '';
    tell(
      run,
      `${count(rounded, 'product')} of the base in int8${rest}; eval.onnx and infer.onnx compute in float32\n`,
    );
  }
  for (const { file, how } of emitted.placed) tell(run, `${how} the base weights: ${visible(file)}\n`);
  if (emitted.placed.length === 0) tell(run, 'the base weights are in this folder already\n');
  suggest(run, `lotrc train ${output} --data FILE`);
}
