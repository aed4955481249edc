import type { ValuesOf } from '../../options/define.js';
import { kebab } from '../../options/flags.js';
import { refuseUsage } from '../../options/usage.js';
import { LOSS_NUMBERS, lossDef } from '../../train/losses/index.js';
import { type HyperName, type Optimizer, optimizerDef, optimizerOf } from '../../train/optimizers/index.js';
import { HYPER_OPTIONS, type LossSpec, type ONNX_TRAIN } from './option-set.js';
import { sharedOptions, TRAIN_DEFAULTS, type TrainOptions } from './options.js';

/** All options of the command but --base-dtype, which may ask for a measurement. */
type EmitTrainOptions = ValuesOf<typeof ONNX_TRAIN>;

/** What options of `lotrc emit onnx-train` mean, whoever reads them. Throws LOTR8001. */
export function trainOptionsOf(given: EmitTrainOptions): TrainOptions {
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

/** One loss with its output, or several as terms. */
function lossesOf({
  loss: losses = [{ kind: 'cross-entropy' }],
  logits,
  classWeights = [],
}: EmitTrainOptions) {
  const [first] = losses as readonly [LossSpec];
  if (losses.length > 1 && logits !== undefined) {
    refuseUsage('--logits names the output of one loss; with several, give --loss OUTPUT:KIND:WEIGHT');
  }
  if (losses.length === 1) {
    if (first.weight !== undefined) refuseUsage('--loss: a weight needs several losses');
    if (logits !== undefined && first.output !== undefined) {
      refuseUsage('--logits and --loss OUTPUT:KIND exclude each other');
    }
  }
  const single = losses.length === 1;
  const named = single ? classWeights[0]?.output : undefined;
  const terms = losses.map(({ kind, output = logits ?? named, weight = 1 }) => {
    const found = classWeights.filter((row) => row.output === undefined || row.output === output);
    if (found.length > 1) refuseUsage('--class-weights is given twice for one output');
    // for one loss without class weights, the graphs report it
    const takes = single || lossDef(kind).reads.includes('--class-weights');
    const weights = takes ? found[0]?.weights : undefined;
    return { kind, output, weight, classWeights: weights };
  });
  const unused = classWeights.find(({ weights }) => !terms.some((term) => term.classWeights === weights));
  if (unused) {
    refuseUsage(
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
    if (!own.has(name)) refuseUsage(`--${kebab(name)} does not belong to --optimizer ${kind}`);
    return [[name, value]];
  });
  return optimizerOf(kind, Object.fromEntries(numbers));
}
