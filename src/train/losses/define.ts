import type { Value } from '../../ir/model.js';
import type { Shape, ValueType } from '../../ir/shape.js';
import type { NumberRange } from '../../options/range.js';
import type { TrainBuilder } from './builder.js';
import type { LossKind } from './facts.js';

/** A loss as nodes: its mean, how many items were counted, and the gradient to start differentiation from. */
export interface Loss {
  /** f32, rank 0: mean over the counted items */
  readonly loss: Value;
  /** f32, rank 0: counted items (tokens with a label, rows, elements) */
  readonly count: Value;
  /** the value to start from (the logits, cast to f32 or shifted where the loss asks for it) */
  readonly at: Value;
  /** d loss / d at, times `scale` when given */
  gradient(scale: Value | null): Value;
}

/** What signature.json says of a loss besides its kind and numbers. */
export interface TermFields {
  readonly ignoreIndex: number | null;
  /** losses on numbers: a label of this value does not count (absent in directories of older versions) */
  readonly ignoreValue?: number;
  readonly labelSmoothing: number;
  readonly reduction: 'mean' | 'sum';
  /** logits are shifted against labels inside the graph: labels are the input ids themselves */
  readonly shift: boolean;
  /** cross-entropy: the factor of the loss of a label of each class; `count` is then the sum of these weights */
  readonly classWeights?: readonly number[];
  /** embedding losses: rows i and B + i of a batch of 2B rows belong together */
  readonly pairs?: 'halves';
}

/** Options that several losses read. */
export interface LossOptions {
  /** score position t against label t + 1 */
  readonly shift: boolean;
  /** labels with this value are ignored */
  readonly ignoreIndex: number;
  /** one weight for each class; null: all are 1 */
  readonly classWeights: readonly number[] | null;
}

/** Flags of the options that a declaration may read besides its numbers. */
export type LossFlag = '--labels' | '--shift' | '--ignore-index' | '--class-weights' | '--mask' | '--frames';

/** A number of a loss that a user may set. */
interface LossNumber extends NumberRange {
  readonly default: number;
  /** only whole numbers below 2^31 */
  readonly whole?: true;
  readonly doc: string;
}

/** What a loss is built from. */
interface LossGiven<N extends string> {
  readonly output: Value;
  readonly labels: Value | null;
  /** distillation: the same output of the base */
  readonly teacher: Value | null;
  /** the input that says which positions count */
  readonly mask: Value | null;
  /** how many frames of each row count */
  readonly frames: Value | null;
  readonly options: LossOptions;
  readonly numbers: Readonly<Record<N, number>>;
}

/** A loss as nodes; what holds without them is in facts.ts. */
export interface LossDef<K extends LossKind = LossKind, N extends string = string> {
  readonly kind: K;
  /** the definition, as the documents of PyTorch or a paper call it */
  readonly doc: string;
  /** for documents: the output and the labels that it takes */
  readonly takes: { readonly output: string; readonly labels: string };
  readonly reads: readonly LossFlag[];
  readonly numbers: Readonly<Record<N, LossNumber>>;
  /** why an output does not fit; null: it does */
  problem(
    output: Value,
    options: LossOptions,
    numbers: Readonly<Record<N, number>>,
    opset: number,
  ): string | null;
  /** type of the label input for an output of that shape; null: the graph gets none */
  labelType(shape: Shape | null): ValueType | null;
  /** why a number is not a label; null: it is one */
  labelProblem?(value: number): string | null;
  build(b: TrainBuilder, given: LossGiven<N>): Loss;
  /** what a host finds in the signature besides the numbers */
  signature(options: LossOptions, output: Value): Partial<TermFields>;
}

/** Declares a loss. A number that several losses have is read in one range. */
export function defineLoss<const K extends LossKind, const N extends string = never>(
  def: LossDef<K, N>,
): LossDef<K, N> {
  return def;
}
