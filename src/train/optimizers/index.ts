import { adamw } from './adamw.js';
import type { OptimizerDef } from './define.js';

export type { Projection } from './define.js';
export { type Correction, OPTIMIZER_KINDS, type OptimizerKind } from './facts.js';

import type { OptimizerKind } from './facts.js';
import { lion } from './lion.js';
import { muon } from './muon.js';
import { lotrAdamw, lotrSgd, lowrankAdamw, lowrankSgd } from './projected.js';
import { sgd } from './sgd.js';

/** All optimizers, in the order of their facts. */
export const OPTIMIZERS = [adamw, sgd, lion, muon, lowrankAdamw, lowrankSgd, lotrAdamw, lotrSgd] as const;

/** The optimizer where none is chosen. */
export const DEFAULT_OPTIMIZER = adamw;

type Declared = (typeof OPTIMIZERS)[number];

/** An optimizer with its numbers. */
export type Optimizer = {
  [D in Declared as D['kind']]: { readonly kind: D['kind'] } & {
    readonly [H in keyof D['hyper']]: number;
  };
}[OptimizerKind];

/** A number that some optimizer has. */
export type HyperName = { [D in Declared as D['kind']]: keyof D['hyper'] & string }[OptimizerKind];

/** What a back end knows of an optimizer: all code that depends on the kind uses it. */
export function optimizerDef(kind: OptimizerKind): OptimizerDef {
  return OPTIMIZERS.find((def) => def.kind === kind)! as OptimizerDef;
}

/** An optimizer with the defaults of its declaration, but for the numbers given. */
export function optimizerOf<K extends OptimizerKind>(
  kind: K,
  given: Partial<Omit<Extract<Optimizer, { kind: K }>, 'kind'>> = {},
): Extract<Optimizer, { kind: K }> {
  const numbers = Object.entries(optimizerDef(kind).hyper).map(([name, { default: value }]) => [name, value]);
  return { kind, ...Object.fromEntries(numbers), ...given } as Extract<Optimizer, { kind: K }>;
}

/** The numbers of an optimizer by name, in the order of its declaration. */
export function hyperOf(optimizer: Optimizer): Readonly<Record<string, number>> {
  const { kind, ...given } = optimizer;
  const numbers: Readonly<Record<string, number>> = given;
  return Object.fromEntries(Object.keys(optimizerDef(kind).hyper).map((name) => [name, numbers[name]!]));
}
