import type { Tie } from '../../passes/sites/weight-identity.js';
import type { LossKind, LossNumbers } from '../../train/losses/index.js';
import { type Optimizer, optimizerOf } from '../../train/optimizers/index.js';
import type { Ep } from '../../train/signature.js';

/** How Dropout in training mode is handled: masks that depend on the input `draw`, or inference mode. */
type DropoutMode = 'seeded' | 'off';
type Recompute = 'none' | 'cheap' | 'block';

/** One of several losses: the sum of all, each times its weight, is minimized. */
export interface TermOptions {
  readonly kind: LossKind;
  /** the output that the loss is computed from; default: the only float output */
  readonly output?: string | undefined;
  readonly weight: number;
  /** cross-entropy: one weight for each class */
  readonly classWeights?: readonly number[] | undefined;
}

/** What the training graphs compute. */
export interface TrainOptions extends LossNumbers {
  readonly loss: LossKind;
  /** the output that the loss is computed from; default: the only float output */
  readonly logits?: string | undefined;
  /** cross-entropy: one weight for each class; null: all are 1 */
  readonly classWeights?: readonly number[] | null;
  /** several losses, in place of the three options before */
  readonly terms?: readonly TermOptions[];
  /** embedding losses: the input that says which positions count; default: `attention_mask` where the model has it */
  readonly mask?: string | undefined;
  /** name of the label input */
  readonly labels: string;
  /** score position t against label t + 1 */
  readonly shift: boolean;
  readonly ignoreIndex: number;
  /** CTC: name of an input to add, with the number of frames of each row that count; default: all count */
  readonly frames?: string | undefined;
  readonly optimizer: Optimizer;
  /** gradients are scaled down to this global norm; null: never */
  readonly maxNorm: number | null;
  /** factors that are trained, by name (`M` alone: core-only); null: all */
  readonly train: readonly string[] | null;
  /** learning-rate multipliers by factor name */
  readonly lrMultipliers: Readonly<Record<string, number>>;
  /** regular expressions: weights that are trained in full */
  readonly alsoTrain: readonly string[];
  /** weights trained in full are one parameter if their contents are equal, or only if they are stored once */
  readonly tie: Tie;
  /** `ort`: gradients and learning rate are called as in ONNX Runtime's retired training API */
  readonly names: 'lotrc' | 'ort';
  /** number of steps that step-loop.onnx does in one run; null: no such graph */
  readonly loop: number | null;
  /** activations that the backward pass computes again instead of keeping: none, those that cost little time, or
   * all but the inputs of blocks */
  readonly recompute: Recompute;
  readonly dropout: DropoutMode;
  /** adapted layers and their gradients are calls of functions of the model, which a library of operators may override */
  readonly keepFunctions: boolean;
  readonly ep: readonly Ep[];
  /** ops that may run on the CPU although the chosen provider has no kernel */
  readonly allowFallback: readonly string[];
}

export const TRAIN_DEFAULTS: TrainOptions = {
  loss: 'cross-entropy',
  labels: 'labels',
  shift: false,
  ignoreIndex: -100,
  optimizer: optimizerOf('adamw'),
  maxNorm: 1,
  train: null,
  lrMultipliers: {},
  alsoTrain: [],
  tie: 'content',
  names: 'lotrc',
  loop: null,
  recompute: 'cheap',
  dropout: 'seeded',
  keepFunctions: false,
  ep: ['cpu'],
  allowFallback: [],
};

/** The losses of the graphs: one over one output, or several. */
export function termsOf({ terms, loss, logits, classWeights }: TrainOptions): readonly TermOptions[] {
  if (terms && terms.length > 0) return terms;
  return [{ kind: loss, output: logits, weight: 1, classWeights: classWeights ?? undefined }];
}
