import { defaultsOf, type OrNull, pick, type ValuesOf } from '../../options/define.js';
import type { BaseDtype } from '../../options/words.js';
import { LOSS_KINDS, type LossKind } from '../../train/losses/facts.js';
import type { LossNumbers } from '../../train/losses/index.js';
import { type Optimizer, optimizerOf } from '../../train/optimizers/index.js';
import type { TrainingEp } from '../../train/signature.js';
import { ONNX_TRAIN } from './option-set.js';

/** One of several losses: the sum of all, each times its weight, is minimized. */
export interface TermOptions {
  readonly kind: LossKind;
  /** the output that the loss is computed from; default: the only float output */
  readonly output?: string | undefined;
  readonly weight: number;
  /** cross-entropy: one weight for each class */
  readonly classWeights?: readonly number[] | undefined;
}

/** Options that are called the same on the command line. */
const SHARED_KEYS = [
  'labels',
  'shift',
  'ignoreIndex',
  'tie',
  'names',
  'recompute',
  'dropout',
  'keepFunctions',
] as const;
const SHARED: Pick<typeof ONNX_TRAIN, (typeof SHARED_KEYS)[number]> = pick(ONNX_TRAIN, ...SHARED_KEYS);

type Declared = ValuesOf<typeof ONNX_TRAIN>;
type Shared = ValuesOf<typeof SHARED>;

/** What the training graphs compute: options of `lotrc emit onnx-train`, which say what each is. */
export interface TrainOptions
  extends LossNumbers,
    Shared,
    Pick<Declared, 'logits' | 'mask' | 'frames'>,
    OrNull<Pick<Declared, 'train' | 'loop'>> {
  readonly loss: LossKind;
  /** cross-entropy: one weight for each class; null: all are 1 */
  readonly classWeights?: readonly number[] | null;
  /** several losses, in place of `loss`, `logits` and `classWeights` */
  readonly terms?: readonly TermOptions[];
  readonly optimizer: Optimizer;
  /** what products with frozen matrices of the base compute in; `chooseBaseDtype` measures which is faster here */
  readonly baseDtype: BaseDtype;
  /** gradients are scaled down to this global norm; null: never */
  readonly maxNorm: number | null;
  /** learning-rate multipliers by factor name */
  readonly lrMultipliers: Readonly<Record<string, number>>;
  /** `REGEX:lr=16x,weight-decay=0`, or a method: settings of the parameters whose names fit; the first one counts */
  readonly groups?: readonly string[];
  /** regular expressions: weights that are trained in full */
  readonly alsoTrain: readonly string[];
  readonly ep: readonly TrainingEp[];
  /** ops that may run on the CPU although the chosen provider has no kernel */
  readonly allowFallback: readonly string[];
}

export const TRAIN_DEFAULTS: TrainOptions = {
  ...defaultsOf(SHARED),
  loss: LOSS_KINDS[0]!,
  optimizer: optimizerOf(ONNX_TRAIN.optimizer.default),
  baseDtype: ONNX_TRAIN.baseDtype.default,
  maxNorm: ONNX_TRAIN.maxNorm.default,
  train: null,
  lrMultipliers: {},
  alsoTrain: [],
  loop: null,
  ep: [ONNX_TRAIN.ep.default],
  allowFallback: [],
};

/** Options of the command line that graphs take as they are. */
export function sharedOptions(given: Shared): Shared {
  return Object.fromEntries(SHARED_KEYS.map((key) => [key, given[key]])) as unknown as Shared;
}

/** The losses of the graphs: one over one output, or several. */
export function termsOf({ terms, loss, logits, classWeights }: TrainOptions): readonly TermOptions[] {
  if (terms && terms.length > 0) return terms;
  return [{ kind: loss, output: logits, weight: 1, classWeights: classWeights ?? undefined }];
}
