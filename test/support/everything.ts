/**
 * Whether cases that repeat others in another type, size or architecture run too: in CI, and with LOTRC_EVERYTHING=1. They
 * are the same tests; what is left out otherwise is reported as skipped.
 */
export const EVERYTHING = process.env.CI === 'true' || process.env.LOTRC_EVERYTHING === '1';

/** Whether nothing at all is left out: with LOTRC_EVERYTHING=1, before a release. */
export const WHOLE = process.env.LOTRC_EVERYTHING === '1';

/**
 * CI has fifteen minutes: of costly cases that CI alone runs it takes every second one, from `first` on. All with
 * LOTRC_EVERYTHING=1.
 */
export const everySecond = <T>(cases: readonly T[], first = 0): readonly T[] =>
  WHOLE || !EVERYTHING || cases.length < 2 ? cases : cases.filter((_, at) => (at + first) % 2 === 0);

/** What a repeated check is made for: all in CI, the first otherwise. */
export const allOrFirst = <const T extends readonly unknown[]>(all: T): readonly T[number][] =>
  EVERYTHING ? all : all.slice(0, 1);

/**
 * The variants that the n-th of some models is checked with: all in CI and for the first model, otherwise one, in turn, so
 * that every variant meets some models.
 */
export const inTurn = <const T extends readonly unknown[]>(variants: T, n: number): readonly T[number][] =>
  EVERYTHING || n === 0 ? variants : [variants[n % variants.length]];

/** Some of many cases that are alike: all in CI, otherwise every n-th, from the first on. */
export const everyNth = <T>(n: number, cases: readonly T[]): readonly T[] =>
  EVERYTHING ? cases : cases.filter((_, at) => at % n === 0);

/** Cases in each of some types: all in CI; otherwise each case in one of the types, in turn. */
export const typesInTurn = <T, C>(types: readonly T[], casesOf: (type: T) => readonly C[]): readonly C[] =>
  types.flatMap((type, t) => casesOf(type).filter((_, n) => EVERYTHING || n % types.length === t));
