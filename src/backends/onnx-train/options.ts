import type { Ep, LossKind } from '../../train/signature.js';
import { ADAMW, type Optimizer } from './optimizer.js';

/** What the training graphs are to compute. */
export interface TrainOptions {
  readonly loss: LossKind;
  /** the output that the loss is taken of; default: the only float output */
  readonly logits?: string | undefined;
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
  ep: ['cpu'],
  allowFallback: [],
};
