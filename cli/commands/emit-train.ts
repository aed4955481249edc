import { join } from 'node:path';
import { type Emitted, emitTraining } from '../../src/backends/onnx-train/emit.js';
import { explainProducts, type MatrixForm } from '../../src/backends/onnx-train/explain.js';
import { chooseBaseDtype } from '../../src/backends/onnx-train/int8/choose.js';
import { HYPER_OPTIONS, type LossSpec, type ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import { sharedOptions, TRAIN_DEFAULTS, type TrainOptions } from '../../src/backends/onnx-train/options.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import { kebab } from '../../src/options/flags.js';
import { LOSS_NUMBERS, lossDef } from '../../src/train/losses/index.js';
import {
  type HyperName,
  type Optimizer,
  optimizerDef,
  optimizerOf,
} from '../../src/train/optimizers/index.js';
import { readAdapter } from '../adapter-file.js';
import { hooksOf } from '../hooks.js';
import { loadModel } from '../load.js';
import { filesText, refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { inScratch } from '../scratch.js';
import { STANDARD } from '../standard-streams.js';
import { suggest, tell } from '../tell.js';
import { count, num, table, weightsText } from '../text.js';
import { usageError } from '../usage.js';

type EmitTrainOptions = ValuesOf<typeof ONNX_TRAIN>;

/** Writes a training directory from a rewritten model and says what is in it; with --explain prints what it would compute in. */
export async function emitTrainCommand(path: string, given: EmitTrainOptions, run: Run): Promise<void> {
  const { output } = given;
  if (output === STANDARD) throw usageError('-o names a folder: a training directory has several files');
  if (!output && !given.explain) throw usageError('-o DIR is missing (or --explain)');
  if (given.link && given.copyBase) throw usageError('--link and --copy-base exclude each other');
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
  const options = optionsOf(given);
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

function optionsOf(given: EmitTrainOptions): TrainOptions {
  return {
    ...TRAIN_DEFAULTS,
    ...lossesOf(given),
    frames: given.frames,
    ...sharedOptions(given),
    ...Object.fromEntries(LOSS_NUMBERS.map((name) => [name, given[name]])),
    mask: given.mask,
    optimizer: chosenOptimizer(given),
    maxNorm: given.maxNorm === 0 ? null : given.maxNorm,
    train: given.train ?? null,
    lrMultipliers: Object.fromEntries(given.lrMultipliers ?? []),
    groups: given.groups ?? [],
    alsoTrain: given.alsoTrain ?? [],
    loop: given.loop ?? null,
    ep: [given.ep],
    allowFallback: (given.allowFallback ?? []).flatMap((ops) => ops.split(',')),
  };
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

/** One loss with its output, or several as terms. */
function lossesOf({
  loss: losses = [{ kind: 'cross-entropy' }],
  logits,
  classWeights = [],
}: EmitTrainOptions) {
  const [first] = losses as readonly [LossSpec];
  if (losses.length > 1 && logits !== undefined) {
    throw usageError('--logits names the output of one loss; with several, give --loss OUTPUT:KIND:WEIGHT');
  }
  if (losses.length === 1) {
    if (first.weight !== undefined) throw usageError('--loss: a weight needs several losses');
    if (logits !== undefined && first.output !== undefined) {
      throw usageError('--logits and --loss OUTPUT:KIND exclude each other');
    }
  }
  const single = losses.length === 1;
  const named = single ? classWeights[0]?.output : undefined;
  const terms = losses.map(({ kind, output = logits ?? named, weight = 1 }) => {
    const found = classWeights.filter((row) => row.output === undefined || row.output === output);
    if (found.length > 1) throw usageError('--class-weights is given twice for one output');
    // for one loss without class weights, the graphs report it
    const takes = single || lossDef(kind).reads.includes('--class-weights');
    const weights = takes ? found[0]?.weights : undefined;
    return { kind, output, weight, classWeights: weights };
  });
  const unused = classWeights.find(({ weights }) => !terms.some((term) => term.classWeights === weights));
  if (unused) {
    throw usageError(
      `--class-weights: no cross-entropy is computed from the output "${unused.output ?? logits ?? ''}"`,
    );
  }
  return { terms };
}

/** The optimizer with the numbers of the command line, which all must be its own. */
function chosenOptimizer(given: EmitTrainOptions): Optimizer {
  const { optimizer: kind } = given;
  const own = new Set(Object.keys(optimizerDef(kind).hyper));
  const names = Object.keys(HYPER_OPTIONS) as readonly HyperName[];
  const numbers = names.flatMap((name): [string, number][] => {
    const value = given[name];
    if (value === undefined) return [];
    if (!own.has(name)) throw usageError(`--${kebab(name)} does not belong to --optimizer ${kind}`);
    return [[name, value]];
  });
  return optimizerOf(kind, Object.fromEntries(numbers));
}
