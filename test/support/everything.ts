/**
 * Whether cases that repeat others in another type, size or architecture run too: in CI, and with LOTRC_EVERYTHING=1. They
 * are the same tests; what is left out otherwise is reported as skipped.
 */
export const EVERYTHING = process.env.CI === 'true' || process.env.LOTRC_EVERYTHING === '1';

/** What a repeated check is made for: all in CI, the first otherwise. */
export const allOrFirst = <const T extends readonly unknown[]>(all: T): readonly T[number][] =>
  EVERYTHING ? all : all.slice(0, 1);

/**
 * The variants that the n-th of some models is checked with: all in CI and for the first model, otherwise one, in turn, so
 * that every variant meets some models.
 */
export const inTurn = <const T extends readonly unknown[]>(variants: T, n: number): readonly T[number][] =>
  EVERYTHING || n === 0 ? variants : [variants[n % variants.length]];
