import { withinTime } from '#platform';

/** Seconds that a pattern of a foreign file may take on a text: two, and one for each million characters. */
export const patternSeconds = (text: string): number => 2 + Math.floor(text.length / 1e6);

/** Shorter texts are matched without a watch where the pattern backtracks at most over pairs of places. */
const SHORT = 1024;

/**
 * Whether a pattern may take very long even on a short text: it repeats a group without bound, refers back, or one of its
 * alternatives repeats more than two things without bound.
 */
export function mayBacktrack(source: string): boolean {
  const plain = source.replace(/\\[\s\S]/g, 'x').replace(/\[[^\]]*\]/g, 'x');
  if (/\\[1-9k]/.test(source) || /\)(?:[*+]|\{\d*,\d*\}|\{\d+\})/.test(plain)) return true;
  return plain.split('|').some((part) => (part.match(/[*+]|\{\d*,\}/g)?.length ?? 0) > 2);
}

/** Matches a pattern of a foreign file against a text: with a watch where it could take long. Throws {@link TooLong}. */
export function matching<T>(text: string, risky: boolean, work: () => T): T {
  return risky || text.length > SHORT ? withinTime(patternSeconds(text), work) : work();
}
