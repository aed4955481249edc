import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import {
  type DropoutMode,
  type Recompute,
  TRAIN_DEFAULTS,
  type TrainOptions,
} from '../../src/backends/onnx-train/options.js';
import { visible } from '../../src/ir/visible.js';
import { kebab } from '../../src/options/flags.js';
import type { Tie } from '../../src/passes/sites/weight-identity.js';
import { LOSS_NUMBERS, type LossKind, type LossNumbers, lossDef } from '../../src/train/losses/index.js';
import {
  OPTIMIZERS,
  type Optimizer,
  type OptimizerKind,
  optimizerDef,
  optimizerOf,
} from '../../src/train/optimizers/index.js';
import type { Ep } from '../../src/train/signature.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';
import { count, filesText, num, weightsText } from '../text.js';
import { usageError } from '../usage.js';

export interface EmitTrainOptions extends LossNumbers {
  readonly output: string;
  readonly loss?: readonly LossSpec[];
  readonly classWeights?: readonly ClassWeights[];
  readonly frames?: string;
  readonly logits?: string;
  readonly labels: string;
  readonly shift?: true;
  readonly ignoreIndex: number;
  readonly mask?: string;
  readonly optimizer: OptimizerKind;
  readonly maxNorm: number;
  readonly train?: readonly string[];
  readonly lrMultiplier?: ReadonlyMap<string, number>;
  readonly alsoTrain?: readonly string[];
  readonly tie: Tie;
  readonly names: 'lotrc' | 'ort';
  readonly loop?: number;
  readonly recompute: Recompute;
  readonly dropout: DropoutMode;
  readonly keepFunctions?: true;
  readonly ep: Ep;
  readonly allowFallback?: readonly string[];
  readonly adapter?: string;
  readonly link?: true;
  readonly copyBase?: true;
  readonly json?: true;
}

/** Writes a training directory from a rewritten model and says what is in it. */
export function emitTrainCommand(path: string, given: EmitTrainOptions, run: Run): void {
  if (given.link && given.copyBase) throw usageError('--link and --copy-base exclude each other');
  const options: TrainOptions = {
    ...TRAIN_DEFAULTS,
    ...lossesOf(given),
    frames: given.frames,
    labels: given.labels,
    shift: given.shift ?? false,
    ignoreIndex: given.ignoreIndex,
    ...Object.fromEntries(LOSS_NUMBERS.map((name) => [name, given[name]])),
    mask: given.mask,
    optimizer: chosenOptimizer(given),
    maxNorm: given.maxNorm === 0 ? null : given.maxNorm,
    train: given.train ?? null,
    lrMultipliers: Object.fromEntries(given.lrMultiplier ?? []),
    alsoTrain: given.alsoTrain ?? [],
    tie: given.tie,
    names: given.names,
    loop: given.loop ?? null,
    recompute: given.recompute,
    dropout: given.dropout,
    keepFunctions: given.keepFunctions ?? false,
    ep: [given.ep],
    allowFallback: (given.allowFallback ?? []).flatMap((ops) => ops.split(',')),
  };
  const emitted = emitTraining({
    open: () => loadModel(path),
    folder: given.output,
    options,
    base: given.link ? 'link' : given.copyBase ? 'copy' : 'auto',
    ...(given.adapter === undefined
      ? {}
      : { adapter: readAdapter(given.adapter), adapterFile: given.adapter }),
  });
  run.reporter.report(emitted.notes);
  if (given.json) {
    run.io.out(
      `${JSON.stringify({ version: 1, files: emitted.files, base: emitted.signature.base }, null, 2)}\n`,
    );
    return;
  }
  const trained = emitted.params.filter(({ row }) => row.trainable);
  const size = trained.reduce((sum, { row }) => sum + row.shape.reduce((a, b) => a * b, 1), 0);
  run.io.out(`${count(trained.length, 'parameter')} to train, ${num(size)} values\n`);
  run.io.out(weightsText(emitted.weights));
  run.io.out(
    filesText(emitted.files.map(({ path: file, byteLength }) => ({ path: file, bytes: byteLength }))),
  );
  run.io.out(`wrote ${given.output}/state.safetensors and signature.json\n`);
  for (const { file, how } of emitted.placed) run.io.out(`${how} the base weights: ${visible(file)}\n`);
  if (emitted.placed.length === 0) run.io.out('the base weights are in this folder already\n');
}

/** `--loss KIND`, or `OUTPUT:KIND:WEIGHT`. */
export interface LossSpec {
  readonly kind: LossKind;
  readonly output?: string | undefined;
  readonly weight?: number | undefined;
}

/** `--class-weights W0,W1,...`, or `OUTPUT:W0,W1,...`. */
export interface ClassWeights {
  readonly output?: string | undefined;
  readonly weights: readonly number[];
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
  const values = given as unknown as Readonly<Record<string, number | undefined>>;
  const own = new Set(Object.keys(optimizerDef(kind).hyper));
  const names = new Set(OPTIMIZERS.flatMap(({ hyper }) => Object.keys(hyper)));
  const numbers = [...names].flatMap((name): [string, number][] => {
    const value = values[name];
    if (value === undefined) return [];
    if (!own.has(name)) throw usageError(`--${kebab(name)} does not belong to --optimizer ${kind}`);
    return [[name, value]];
  });
  return optimizerOf(kind, Object.fromEntries(numbers));
}
