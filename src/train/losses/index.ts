import { bce } from './bce.js';
import { contrastive } from './contrastive.js';
import { cosine } from './cosine.js';
import { crossEntropyLoss } from './cross-entropy.js';
import { ctc } from './ctc.js';
import type { LossDef } from './define.js';
import type { LossKind } from './facts.js';
import { focal } from './focal.js';
import { kl, klBase } from './kl.js';
import { mse } from './mse.js';
import { output } from './output.js';

/** All losses, in the order of their facts. */
export const LOSSES = [
  crossEntropyLoss,
  focal,
  mse,
  bce,
  kl,
  klBase,
  cosine,
  contrastive,
  ctc,
  output,
] as const;

type Declared = (typeof LOSSES)[number];
type NumbersOf<D> = D extends { readonly numbers: infer N } ? keyof N & string : never;
/** A number that some loss has. */
export type LossNumberName = NumbersOf<Declared>;

/** What a back end knows of a loss: with its facts, all that code may depend on the kind for. */
export function lossDef(kind: LossKind): LossDef {
  return LOSSES.find((def) => def.kind === kind)! as LossDef;
}

/** The numbers of all losses, each once. */
export const LOSS_NUMBERS = [
  ...new Set(LOSSES.flatMap(({ numbers }) => Object.keys(numbers))),
] as readonly LossNumberName[];

/** Numbers of losses that are given. */
export type LossNumbers = { readonly [N in LossNumberName]?: number | undefined };

/** The numbers of one loss: those given, and else its defaults. */
export function lossNumbersOf(kind: LossKind, given: LossNumbers): Readonly<Record<string, number>> {
  const numbers: Readonly<Record<string, number | undefined>> = given;
  return Object.fromEntries(
    Object.entries(lossDef(kind).numbers).map(([name, own]) => [name, numbers[name] ?? own.default]),
  );
}
