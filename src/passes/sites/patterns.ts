import { badPattern } from '../../ir/codes/sites.js';
import { closest, fail } from '../../ir/diagnostics.js';
import { LAYER_RANGE } from '../../options/words.js';

/** What patterns are matched against: a layer's module path (its ordinal id when it has none) and its other names. */
export interface Named {
  readonly id: string;
  readonly modulePath: string | null;
  readonly aliases?: readonly string[];
}

/** A pattern that was read. `all-linear` is a pattern too, but what it means depends on the graph: see select.ts. */
export interface Pattern {
  readonly text: string;
  readonly kind: 'name' | 'glob' | 'regex' | 'all-linear';
  matches(path: string): boolean;
}

export const ALL_LINEAR = 'all-linear';

/**
 * Reads a pattern. Letters, digits, `_`, `-` and dots: the path itself, or a dotted end of it. `glob:`: `*` and `?` on
 * the whole path. Anything else: a regular expression searched in the path; a leading `(?i)` ignores case.
 * Throws LOTR3004, naming the option, when it is empty or not a regular expression.
 */
export function parsePattern(text: string, option: string): Pattern {
  if (text === '') fail(badPattern({ option, pattern: text, why: 'it is empty' }));
  if (text === ALL_LINEAR) return { text, kind: 'all-linear', matches: () => false };
  if (text.startsWith('glob:')) {
    const source = [...text.slice('glob:'.length)]
      .map((char) => (char === '*' ? '.*' : char === '?' ? '.' : char.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')))
      .join('');
    const whole = new RegExp(`^${source}$`, 's');
    return { text, kind: 'glob', matches: (path) => whole.test(path) };
  }
  if (/^[\w.-]+$/.test(text)) {
    return { text, kind: 'name', matches: (path) => path === text || path.endsWith(`.${text}`) };
  }
  const ignoreCase = text.startsWith('(?i)');
  try {
    const regex = new RegExp(ignoreCase ? text.slice(4) : text, ignoreCase ? 'i' : '');
    return { text, kind: 'regex', matches: (path) => regex.test(path) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(badPattern({ option, pattern: text, why }));
  }
}

/**
 * The names of a layer that patterns see. A wrapper segment that was dropped from every path may be written or left
 * out: both forms match.
 */
export function pathsSeen(site: Named, wrapper: string): readonly string[] {
  const own = [site.modulePath ?? site.id, ...(site.aliases ?? [])];
  return wrapper === '' ? own : [...own, ...own.map((name) => `${wrapper}.${name}`)];
}

/** Reads `PATTERN=NUMBER` (the last `=` divides). Throws LOTR3004. */
export function parsePatternValue(text: string, option: string): readonly [string, number] {
  const cut = text.lastIndexOf('=');
  const value = Number(text.slice(cut + 1));
  if (cut <= 0 || text.slice(cut + 1).trim() === '' || Number.isNaN(value)) {
    fail(badPattern({ option, pattern: text, why: 'PATTERN=NUMBER is wanted' }));
  }
  return [text.slice(0, cut), value];
}

/** Reads `0-5,8` as ranges, both ends included. Throws LOTR3004 when it is not a list of numbers and ranges. */
export function parseLayers(text: string): readonly (readonly [low: number, high: number])[] {
  return text.split(',').map((part) => {
    const [, low, high] = LAYER_RANGE.exec(part) ?? [];
    if (low === undefined) {
      fail(badPattern({ option: '--layers', pattern: text, why: `"${part}" is not a number or range` }));
    }
    const range = [Number(low), Number(high ?? low)] as const;
    if (range[0] > range[1]) {
      fail(badPattern({ option: '--layers', pattern: text, why: `the range "${part}" runs backwards` }));
    }
    return range;
  });
}

/** A segment of a module path that numbers the layers: `0`, `layer_0`, `h0`. */
const NUMBERED = /^(?:(?:layers?|blocks?|h|l)_?)?(\d+)$/i;

/**
 * A module path up to and including its first numbered segment, and what is after it; of a path without a number, null and the
 * whole path.
 */
export function pathParts(path: string): readonly [layer: string | null, type: string] {
  const segments = path.split('.');
  const at = segments.findIndex((segment) => NUMBERED.test(segment));
  if (at < 0) return [null, path];
  return [segments.slice(0, at + 1).join('.'), segments.slice(at + 1).join('.')];
}

/** The layer number of a module path: its first numbered segment (`layer.3`, `layers_3`, `h3`), or null. */
export function layerNumber(path: string): number | null {
  for (const segment of path.split('.')) {
    const [, digits] = NUMBERED.exec(segment) ?? [];
    if (digits !== undefined) return Number(digits);
  }
  return null;
}

/** Up to three module paths whose ends look most like the pattern; one of each kind of layer. */
export function nearestPaths(pattern: string, sites: readonly Named[]): readonly string[] {
  const word = pattern.replace(/^glob:/, '').replace(/\(\?[i:]\)?|[\\^$*+?()[\]{}|]/g, '');
  const depth = word.split('.').filter((part) => part !== '').length;
  const byEnd = new Map<string, string>();
  for (const { id, modulePath } of sites) {
    const path = modulePath ?? id;
    const end = path.split('.').slice(-Math.max(1, depth)).join('.');
    if (!byEnd.has(end)) byEnd.set(end, path);
  }
  return closest(word, byEnd.keys()).map((end) => byEnd.get(end)!);
}
