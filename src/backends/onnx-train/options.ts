import { uselessOption } from '../../ir/codes/training.js';
import { fail } from '../../ir/diagnostics.js';
import type { Tie } from '../../passes/sites/weight-identity.js';
import type { Ep, LossKind } from '../../train/signature.js';
import { ADAMW, type Optimizer } from './optimizer.js';

/** What becomes of Dropout in training mode: masks that depend on the input `draw`, or inference mode. */
export type DropoutMode = 'seeded' | 'off';
export type Recompute = 'none' | 'cheap' | 'block';

/** What the training graphs are to compute. */
export interface TrainOptions {
  readonly loss: LossKind;
  /** the output that the loss is taken of; default: the only float output */
  readonly logits?: string | undefined;
  /** embedding losses: the input that says which positions count; default: `attention_mask` where the model has it */
  readonly mask?: string | undefined;
  /** name of the label input */
  readonly labels: string;
  /** score position t against label t + 1 */
  readonly shift: boolean;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  /** contrastive loss: similarities are divided by it */
  readonly temperature: number;
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
  labelSmoothing: 0,
  temperature: 0.05,
  optimizer: ADAMW,
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

/** Losses whose batch holds pairs of rows. */
export function ofPairs(loss: LossKind): boolean {
  return loss === 'cosine' || loss === 'contrastive';
}

/** Throws LOTR5008 for an option that the loss has no use for, or whose value makes no sense. */
export function checkOptions(options: TrainOptions): void {
  const { loss, labelSmoothing, ignoreIndex, temperature } = options;
  const only = (option: string, given: boolean, losses: readonly LossKind[]): void => {
    if (given && !losses.includes(loss)) {
      fail(
        uselessOption({
          option,
          why: `${loss} has no use for it`,
          hint: `leave it out; it belongs to ${losses.join(' and ')}`,
        }),
      );
    }
  };
  const range = (option: string, good: boolean, wanted: string): void => {
    if (!good) fail(uselessOption({ option, why: 'its value makes no sense', hint: wanted }));
  };
  only('--shift', options.shift, ['cross-entropy']);
  only('--label-smoothing', labelSmoothing !== 0, ['cross-entropy']);
  only('--ignore-index', ignoreIndex !== TRAIN_DEFAULTS.ignoreIndex, ['cross-entropy']);
  only('--temperature', temperature !== TRAIN_DEFAULTS.temperature, ['contrastive']);
  only('--labels', options.labels !== TRAIN_DEFAULTS.labels, ['cross-entropy', 'mse', 'bce', 'cosine']);
  only('--mask', options.mask !== undefined, ['cosine', 'contrastive']);
  range(
    '--label-smoothing',
    labelSmoothing >= 0 && labelSmoothing < 1,
    'give a share from 0 up to, not including, 1',
  );
  range('--ignore-index', ignoreIndex === (ignoreIndex | 0), 'give an integer of 32 bits');
  range(
    '--loop',
    options.loop === null || (Number.isSafeInteger(options.loop) && options.loop > 0),
    'give a number of steps',
  );
  range('--temperature', temperature > 0 && temperature < Infinity, 'give a number above 0');
}
