/**
 * All optimizers; the first is the default. For each the scalars that callers compute for step t, from 1 on: 1 - h^t, with the name of
 * its number h. Apart from the declarations, which say how a step is computed: a page that trains does not need them.
 */
const adamw = { bc1: 'beta1', bc2: 'beta2' } as const;
export const CORRECTIONS_OF = {
  adamw,
  sgd: {},
  lion: {},
  muon: {},
  'lowrank-adamw': adamw,
  'lowrank-sgd': {},
  'lotr-adamw': adamw,
  'lotr-sgd': {},
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type OptimizerKind = keyof typeof CORRECTIONS_OF;
export const OPTIMIZER_KINDS = Object.keys(CORRECTIONS_OF) as readonly OptimizerKind[];

type NamesOf<C> = C extends unknown ? keyof C & string : never;
/** A scalar that callers compute for each step. */
export type Correction = NamesOf<(typeof CORRECTIONS_OF)[OptimizerKind]>;

/** The corrections of all optimizers, with the number h of each. */
export const CORRECTIONS: Readonly<Record<Correction, string>> = Object.assign(
  {},
  ...Object.values(CORRECTIONS_OF),
);

export const isCorrection = (name: string): name is Correction => Object.hasOwn(CORRECTIONS, name);
