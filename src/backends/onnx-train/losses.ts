import { opsetOf } from '../../ir/builder.js';
import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from '../../train/losses/builder.js';
import type { Loss, LossOptions } from '../../train/losses/define.js';
import { lossFacts } from '../../train/losses/facts.js';
import { lossDef, lossNumbersOf } from '../../train/losses/index.js';
import type { LossTerm } from '../../train/signature.js';
import type { TermOptions, TrainOptions } from './options.js';

/** An output of the model with the loss over it. */
export interface Head {
  readonly term: TermOptions;
  readonly value: Value;
  /** distillation: the same output of the base */
  readonly teacher: Value | null;
  /** embedding losses: the input that says which positions count */
  readonly mask: Value | null;
}

/** The options of one loss of the graphs. */
function optionsOf({ shift, ignoreIndex }: TrainOptions, { classWeights }: TermOptions): LossOptions {
  return { shift, ignoreIndex, classWeights: classWeights ?? null };
}

/** Why a loss cannot be computed from an output; null: it can. */
export function headProblem(value: Value, options: TrainOptions, term: TermOptions): string | null {
  const { kind } = term;
  return lossDef(kind).problem(
    value,
    optionsOf(options, term),
    lossNumbersOf(kind, options),
    opsetOf(value.graph!),
  );
}

/** The nodes of one loss. */
export function buildLoss(
  b: TrainBuilder,
  { term, value, teacher, mask }: Head,
  given: { readonly labels: Value | null; readonly frames: Value | null },
  options: TrainOptions,
): Loss {
  return lossDef(term.kind).build(b, {
    output: value,
    mask,
    teacher,
    ...given,
    options: optionsOf(options, term),
    numbers: lossNumbersOf(term.kind, options),
  });
}

/** One term of the loss as the signature has it. */
export function termSignature(options: TrainOptions, { term, value }: Head): LossTerm {
  const { kind } = term;
  const def = lossDef(kind);
  const own = def.signature(optionsOf(options, term), value);
  return {
    kind,
    ignoreIndex: null,
    ...(own.ignoreValue === undefined ? {} : { ignoreValue: own.ignoreValue }),
    labelSmoothing: 0,
    reduction: 'mean',
    shift: false,
    ...own,
    ...lossNumbersOf(kind, options),
    ...(lossFacts(kind).pairs ? { pairs: 'halves' as const } : {}),
  };
}
