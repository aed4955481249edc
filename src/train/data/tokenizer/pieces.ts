import { toRegExp } from 'oniguruma-to-es';
import { matching, mayBacktrack, patternSeconds } from '../../../ir/time-limit.js';
import { TooLong } from '../../../platform/too-long.js';
import { OTHER_PROGRAM, type Part } from './part.js';

/** A stretch of text on its way to the model. */
export interface Piece {
  readonly text: string;
  /** it begins where the text that was given begins */
  readonly first: boolean;
}

/** A stretch of a text that a pattern matches, or that lies between two matches. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly match: boolean;
}

/** How a text is divided by a pattern: what becomes of the stretches that match. */
export type Behavior = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

const BEHAVIORS: ReadonlySet<string> = new Set<Behavior>([
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
]);

export function behaviorOf(part: Part, otherwise?: Behavior): Behavior {
  const name = part.text('behavior', otherwise);
  return BEHAVIORS.has(name) ? (name as Behavior) : part.refuse(`the behavior "${name}" is not known`);
}

/** A pattern of a tokenizer.json, and how work with it is done: within a time, since a stranger wrote it. */
export interface SplitPattern {
  readonly regex: RegExp;
  /** does work that matches the pattern against a text */
  match<T>(text: string, work: () => T): T;
}

/** The pattern of a part. Matching it throws LOTR8209 when it takes too long on a text. */
export function patternOf(part: Part): SplitPattern {
  const regex = regexOf(part);
  const risky = mayBacktrack(regex.source);
  return {
    regex,
    match(text, work) {
      try {
        return matching(text, risky, work);
      } catch (error) {
        if (!(error instanceof TooLong)) throw error;
        return part.refuse(
          `its pattern takes longer than ${patternSeconds(text)} seconds on a text of ${text.length} characters`,
          OTHER_PROGRAM,
        );
      }
    },
  };
}

/**
 * The pattern of a part as a regular expression with the flag `g`: {"String": ...} is literal text, {"Regex": ...} has
 * the syntax of Oniguruma, which Python's tokenizers use.
 */
function regexOf(part: Part): RegExp {
  const pattern = part.part('pattern') ?? part.refuse('it has no "pattern"');
  if (pattern.has('String')) return anyOfTexts([pattern.text('String')]);
  const source = pattern.text('Regex');
  try {
    // a letter that never matches keeps (?i:...) from being made a flag of the whole expression, which changes \p{L}
    return toRegExp(`(?:${withWords(source)})|(?!)a`, { global: true, avoidSubclass: true });
  } catch (error) {
    return part.unsupported(`the regular expression ${JSON.stringify(source)} (${why(error)})`);
  }
}

/** What \w means in a class; outside of one, Oniguruma has some numbers of Latin-1 too. */
const IN_CLASS = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}';
const WORDS = `${IN_CLASS}\u00b2\u00b3\u00b9\u00bc-\u00be`;

/** A pattern with \w, \W, \b and \B written out. */
function withWords(source: string): string {
  const [inside, outside] = [`[${WORDS}]`, `[^${WORDS}]`];
  let depth = 0;
  return source.replace(/\\[\s\S]|[[\]]/gu, (found) => {
    if (found === '[') depth++;
    if (found === ']' && depth > 0) depth--;
    switch (found) {
      case '\\w':
        return depth > 0 ? IN_CLASS : inside;
      case '\\W':
        return depth > 0 ? `[^${IN_CLASS}]` : outside;
      case '\\b':
        return depth > 0 ? found : `(?:(?<=${inside})(?!${inside})|(?<!${inside})(?=${inside}))`;
      case '\\B':
        return depth > 0 ? found : `(?:(?<=${inside})(?=${inside})|(?<!${inside})(?!${inside}))`;
      default:
        return found;
    }
  });
}

const why = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Any of some texts, the longest where several begin at one place. */
export function anyOfTexts(texts: readonly string[]): RegExp {
  const longest = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(longest.map((text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|'), 'gu');
}

/**
 * Divides a piece by a pattern, which is a RegExp where it is lotrc's own and needs no limit; `invert` exchanges what matches
 * and what does not. Empty stretches are left out.
 */
export function splitPiece(
  piece: Piece,
  pattern: RegExp | SplitPattern,
  behavior: Behavior,
  invert = false,
): Piece[] {
  const { text } = piece;
  const spans =
    pattern instanceof RegExp
      ? spansOf(text, pattern)
      : pattern.match(text, () => spansOf(text, pattern.regex));
  const seen = invert ? spans.map((span) => ({ ...span, match: !span.match })) : spans;
  return cut(
    piece,
    merged(seen, behavior).map(({ start, end }) => [start, end]),
  );
}

/** The stretches of a piece between the offsets, without empty ones. */
export function cut(piece: Piece, ranges: readonly (readonly [number, number])[]): Piece[] {
  return ranges
    .filter(([start, end]) => end > start)
    .map(([start, end]) => ({ text: piece.text.slice(start, end), first: piece.first && start === 0 }));
}

function spansOf(text: string, pattern: RegExp): readonly Span[] {
  const spans: Span[] = [];
  let last = 0;
  for (const found of text.matchAll(pattern)) {
    const start = found.index;
    const end = start + found[0].length;
    if (start > last) spans.push({ start: last, end: start, match: false });
    spans.push({ start, end, match: true });
    last = end;
  }
  if (last < text.length) spans.push({ start: last, end: text.length, match: false });
  return spans;
}

function merged(spans: readonly Span[], behavior: Behavior): readonly Span[] {
  switch (behavior) {
    case 'Isolated':
      return spans;
    case 'Removed':
      return spans.filter(({ match }) => !match);
    case 'Contiguous':
      return joined(spans, (last, next) => last.match === next.match);
    case 'MergedWithPrevious':
      return joined(spans, (last, next) => next.match && !last.match);
    case 'MergedWithNext':
      return joined(spans, (last, next) => last.match && !next.match);
  }
}

/** Neighbours as one where `join` says so; it sees the spans as they were found. */
function joined(spans: readonly Span[], join: (last: Span, next: Span) => boolean): readonly Span[] {
  const made: Span[] = [];
  for (const [i, span] of spans.entries()) {
    const last = made.at(-1);
    if (last && join(spans[i - 1]!, span)) made[made.length - 1] = { ...last, end: span.end };
    else made.push(span);
  }
  return made;
}

/** Byte b as the printable character that byte-level vocabularies write for it. */
const BYTE_CHARS: readonly string[] = (() => {
  let next = 256;
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
})();
const BYTE_CODES = Uint16Array.from(BYTE_CHARS, (char) => char.charCodeAt(0));

/** Characters of a long text that are joined at once: one by one they would be as many strings until it is read. */
const AT_ONCE = 4096;

const UTF8 = new TextEncoder();

/** The UTF-8 bytes of a text, each as one printable character. */
export function byteChars(text: string): string {
  const bytes = UTF8.encode(text);
  let made = '';
  if (bytes.length <= AT_ONCE) {
    for (const byte of bytes) made += BYTE_CHARS[byte]!;
    return made;
  }
  const codes = new Uint16Array(AT_ONCE);
  for (let start = 0; start < bytes.length; start += AT_ONCE) {
    const count = Math.min(AT_ONCE, bytes.length - start);
    for (let i = 0; i < count; i++) codes[i] = BYTE_CODES[bytes[start + i]!]!;
    // an array-like takes a sixth of the time of a spread one
    made += Reflect.apply(String.fromCharCode, null, codes.subarray(0, count));
  }
  return made;
}

/** The UTF-8 bytes of a text. */
export const bytesOf = (text: string): Uint8Array => UTF8.encode(text);
