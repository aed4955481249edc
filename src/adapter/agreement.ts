import type { PlanRow } from './saved-plan.js';

/** Keys from a row of a plan to what it says; `*`: each entry of a list. */
type Path = readonly string[];

/** One thing that two adapter files agree in where the factors of one serve the layers of the other. */
export interface Agreement {
  /** as messages have it */
  readonly name: string;
  /** where each row of a plan says it */
  readonly at: readonly Path[];
  /** what the rows of one plan say, each at these places */
  readonly is: readonly (readonly Said[])[];
}

/** Numbers and words of a plan, and lists of them. */
export type Said = number | string | readonly Said[];

/** All of them: code that lotrc emits has no list of its own, but the rows of `agreementsOf`. */
const AGREED: Readonly<Record<string, readonly Path[]>> = {
  method: [['spec', 'delta']],
  rank: [['groups', '*', 'rank']],
  scale: [
    ['spec', 'scale'],
    ['spec', 'scaling'],
  ],
  seed: [['seed']],
};

/** What adapter files for the layers of a plan agree in. */
export const agreementsOf = (plans: readonly PlanRow[]): readonly Agreement[] =>
  Object.entries(AGREED).map(([name, at]) => ({
    name,
    at,
    is: plans.map((row) => at.map((path) => said(row, path))),
  }));

const said = (value: unknown, [key, ...rest]: Path): Said => {
  if (key === undefined) return value as Said;
  if (key === '*') return (value as readonly unknown[]).map((one) => said(one, rest));
  return said((value as Readonly<Record<string, unknown>>)[key], rest);
};
