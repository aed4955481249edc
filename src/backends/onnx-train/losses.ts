import { opsetOf } from '../../ir/builder.js';
import type { Value } from '../../ir/model.js';
import { type Shape, shapeOf, tensorType, type ValueType } from '../../ir/shape.js';
import { LOSSES, type LossKind } from '../../train/losses.js';
import type { LossTerm } from '../../train/signature.js';
import type { TrainBuilder } from './builder.js';
import { CTC_OPSET, ctcLoss } from './ctc.js';
import { contrastive, cosineRegression } from './embedding-loss.js';
import {
  binaryCrossEntropy,
  crossEntropy,
  IGNORE_VALUE,
  type Loss,
  meanSquaredError,
  shiftForNextToken,
} from './loss.js';
import type { TermOptions, TrainOptions } from './options.js';
import { type OwnLoss, outputLoss } from './own-loss.js';

/** An output of the model with the loss over it. */
export interface Head {
  readonly term: TermOptions;
  readonly value: Value;
  /** embedding losses: the input that says which positions count */
  readonly mask: Value | null;
  /** a loss that the model computes: how */
  readonly own: OwnLoss | null;
}

/** What a loss is built from. */
interface Given {
  readonly head: Head;
  readonly labels: Value | null;
  /** CTC: how many frames of each row count */
  readonly frames: Value | null;
  readonly options: TrainOptions;
}

/** What a back end needs to know about a loss; all code that depends on the kind of a loss uses this table. */
interface LossDef {
  /** options of the loss besides those that all have */
  readonly reads: readonly LossOption[];
  /** why an output does not fit; null: it does */
  problem(output: Value, options: TrainOptions, term: TermOptions): string | null;
  /** type of the label input for an output of that shape; null: the graph gets none */
  labels(shape: Shape | null): ValueType | null;
  build(b: TrainBuilder, given: Given): Loss;
  /** what a host finds in the signature */
  signature(options: TrainOptions, head: Head): Partial<LossTerm>;
}

export type LossOption =
  | '--labels'
  | '--shift'
  | '--label-smoothing'
  | '--ignore-index'
  | '--class-weights'
  | '--temperature'
  | '--mask'
  | '--blank'
  | '--frames';

/** The last extent, where it is known before a run. */
const classesOf = (logits: Value): number | null => {
  const last = shapeOf(logits)?.at(-1);
  return typeof last === 'number' ? last : null;
};
const numbers = { ignoreIndex: null, ignoreValue: IGNORE_VALUE };

/** Losses on numbers, element by element. */
const elementwise = (build: (b: TrainBuilder, output: Value, labels: Value) => Loss): LossDef => ({
  reads: ['--labels'],
  problem: () => null,
  labels: (shape) => tensorType('f32', shape),
  build: (b, { head, labels }) => build(b, head.value, labels!),
  signature: () => numbers,
});

function embeddingProblem(output: Value): string | null {
  const shape = shapeOf(output);
  if (!shape) return 'its rank is unknown';
  if (shape.length !== 2 && shape.length !== 3) return `embeddings have 2 or 3 axes, it has ${shape.length}`;
  const [rows] = shape;
  return typeof rows === 'number' && rows % 2 === 1
    ? `pairs need an even number of rows, it has ${rows}`
    : null;
}

export const LOSS_DEFS: Readonly<Record<LossKind, LossDef>> = {
  'cross-entropy': {
    reads: ['--labels', '--shift', '--label-smoothing', '--ignore-index', '--class-weights'],
    problem: (output, { shift }, { classWeights }) => {
      const shape = shapeOf(output);
      if (!shape) return 'its rank is unknown';
      if (shape.length < 2) return `cross-entropy needs at least 2 axes, it has ${shape.length}`;
      if (shift && shape.length !== 3) return 'shifting needs logits [batch, seq, vocabulary]';
      const classes = shape.at(-1);
      if (!classWeights || classes === classWeights.length) return null;
      return typeof classes === 'number'
        ? `it has ${classes} classes, and --class-weights gives ${classWeights.length}`
        : 'class weights need a fixed number of classes';
    },
    labels: (shape) => tensorType('i32', shape?.slice(0, -1) ?? null),
    build: (b, { head: { value, term }, labels, options }) => {
      const [scored, shifted] = options.shift ? shiftForNextToken(b, value, labels!) : [value, labels!];
      const classWeights = term.classWeights ?? null;
      return crossEntropy(b, scored, shifted, classesOf(value), { ...options, classWeights });
    },
    signature: ({ ignoreIndex, labelSmoothing, shift }, { term: { classWeights } }) => ({
      ignoreIndex,
      labelSmoothing,
      shift,
      ...(classWeights ? { classWeights } : {}),
    }),
  },
  mse: elementwise(meanSquaredError),
  bce: elementwise(binaryCrossEntropy),
  cosine: {
    reads: ['--labels', '--mask'],
    problem: embeddingProblem,
    labels: (shape) => {
      const rows = shape?.[0];
      return tensorType('f32', [typeof rows === 'number' ? rows / 2 : 'pairs']);
    },
    build: (b, { head: { value, mask }, labels }) => cosineRegression(b, { output: value, mask }, labels!),
    signature: () => numbers,
  },
  contrastive: {
    reads: ['--mask', '--temperature'],
    problem: embeddingProblem,
    labels: () => null,
    build: (b, { head: { value, mask }, options }) =>
      contrastive(b, { output: value, mask }, options.temperature),
    signature: ({ temperature }) => ({ temperature }),
  },
  ctc: {
    reads: ['--labels', '--ignore-index', '--blank', '--frames'],
    problem: (output, { blank }) => {
      const shape = shapeOf(output);
      if (shape?.length !== 3) return 'CTC needs logits [batch, time, classes]';
      const classes = shape[2];
      if (typeof classes === 'number' && blank >= classes) return `it has no class ${blank} for --blank`;
      const opset = opsetOf(output.graph!);
      return opset < CTC_OPSET ? `CTC needs operator set ${CTC_OPSET}, and the model uses ${opset}` : null;
    },
    labels: (shape) => tensorType('i32', [shape?.[0] ?? null, 'labels']),
    build: (b, { head: { value }, labels, frames, options }) =>
      ctcLoss(b, value, labels!, frames, { ...options, classes: classesOf(value) }),
    signature: ({ ignoreIndex, blank }) => ({ ignoreIndex, blank }),
  },
  output: {
    reads: ['--labels'],
    problem: (output) => {
      const shape = shapeOf(output);
      if (!shape) return 'its rank is unknown';
      return shape.every((dim) => dim === 1) ? null : 'a loss has one element';
    },
    labels: () => null,
    build: (b, { head: { value, own } }) => outputLoss(b, value, own),
    signature: (_, { own }) => ({
      ignoreIndex: own?.ignoreIndex ?? null,
      reduction: own?.reduction ?? 'mean',
    }),
  },
};

/** One term of the loss as the signature has it. */
export function termSignature(options: TrainOptions, head: Head): LossTerm {
  const { kind } = head.term;
  const own = LOSS_DEFS[kind].signature(options, head);
  return {
    kind,
    ignoreIndex: null,
    ...(own.ignoreValue === undefined ? {} : { ignoreValue: own.ignoreValue }),
    labelSmoothing: 0,
    reduction: 'mean',
    shift: false,
    ...own,
    ...(LOSSES[kind].pairs ? { pairs: 'halves' as const } : {}),
  };
}
