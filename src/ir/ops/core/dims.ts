import type { Dim, Shape } from '../../shape.js';

/**
 * Arithmetic on dimensions. A symbolic dimension is a name or a polynomial over names with integer coefficients, in
 * the canonical text `2*a*b + seq - 1` (terms sorted by name, constant last), so equal extents have equal texts.
 * A quotient that is not exact is a name of its own in brackets, rounded down: `((w - 1)//2) + 1`.
 * Names that hold spaces around operators are read as such sums (`past + seq`, as exporters write them); what this
 * grammar does not cover is one opaque name. Names represent extents, so they are taken to be >= 0.
 * `null` is unknown and spreads.
 */

/** One entry of an integer tensor whose contents are known in part: the same texts, possibly negative. */
export type Ints = readonly Dim[];

const SEPARATOR = '\u0000';

/** monomial (sorted names joined by {@link SEPARATOR}, '' for the constant) -> coefficient, never 0 */
type Poly = ReadonlyMap<string, number>;

/** Beyond this many terms a sum says nothing useful and costs time: it becomes unknown. */
const MAX_TERMS = 8;

const MAX_DEGREE = 6;

const MAX_TEXT = 200;

const MAX_CACHE = 10_000;

const parsed = new Map<string, Poly>();

/** A number, a name without spaces, or a part in brackets. */
function isFactor(text: string): boolean {
  return text.startsWith('(') ? text.endsWith(')') : text !== '' && !/[ ()]/.test(text);
}

function addTerm(poly: Map<string, number>, key: string, by: number): void {
  const sum = (poly.get(key) ?? 0) + by;
  if (sum === 0) poly.delete(key);
  else poly.set(key, sum);
}

function joinNames(names: readonly string[]): string {
  return [...names].sort().join(SEPARATOR);
}

/** Terms between ` + ` and ` - `, factors between `*`; a bracketed part is one factor. */
function parse(text: string): Poly {
  const atom: Poly = new Map([[text, 1]]);
  if (!/^-|[ *]/.test(text)) return atom;
  const poly = new Map<string, number>();
  const names: string[] = [];
  let coefficient = 1;
  let start = 0;
  let depth = 0;
  if (text.startsWith('-')) [coefficient, start] = [-1, 1];
  for (let at = start; at <= text.length; at++) {
    const char = text[at];
    if (char === '(') depth++;
    if (char === ')') depth--;
    if (depth !== 0) continue;
    const operator = /^( [+-] |\*|$)/.exec(text.slice(at, at + 3))?.[1];
    if (operator === undefined || (operator === '' && at < text.length)) continue;
    const factor = text.slice(start, at);
    if (!isFactor(factor)) return atom;
    if (/^\d+$/.test(factor)) coefficient *= Number(factor);
    else names.push(factor);
    if (operator !== '*') {
      addTerm(poly, joinNames(names), coefficient);
      names.length = 0;
      coefficient = operator === ' - ' ? -1 : 1;
    }
    if (operator.length === 3) at += 2;
    start = at + 1;
  }
  return depth === 0 ? poly : atom;
}

function polyOf(dim: number | string): Poly {
  if (typeof dim === 'number') return dim === 0 ? new Map() : new Map([['', dim]]);
  let poly = parsed.get(dim);
  if (!poly) {
    if (parsed.size > MAX_CACHE) parsed.clear();
    poly = parse(dim);
    parsed.set(dim, poly);
  }
  return poly;
}

function namesIn(key: string): string[] {
  return key === '' ? [] : key.split(SEPARATOR);
}

function textOf(poly: Poly): Dim {
  if (poly.size > MAX_TERMS) return null;
  const keys = [...poly.keys()].filter((key) => key !== '').sort();
  const constant = poly.get('') ?? 0;
  if (!Number.isSafeInteger(constant)) return null;
  if (keys.length === 0) return constant;
  if (keys.length === 1 && constant === 0 && poly.get(keys[0]!) === 1 && namesIn(keys[0]!).length === 1)
    return keys[0]!;
  let text = '';
  for (const key of keys) {
    const coefficient = poly.get(key)!;
    const names = namesIn(key);
    if (!Number.isSafeInteger(coefficient) || names.length > MAX_DEGREE || !names.every(isFactor))
      return null;
    const size = [...(Math.abs(coefficient) === 1 ? [] : [Math.abs(coefficient)]), ...names].join('*');
    text += text === '' ? `${coefficient < 0 ? '-' : ''}${size}` : ` ${coefficient < 0 ? '-' : '+'} ${size}`;
  }
  if (constant !== 0) text += ` ${constant < 0 ? '-' : '+'} ${Math.abs(constant)}`;
  return text.length > MAX_TEXT ? null : text;
}

export function addDim(a: Dim, b: Dim): Dim {
  if (a === null || b === null) return null;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  const sum = new Map(polyOf(a));
  for (const [key, coefficient] of polyOf(b)) addTerm(sum, key, coefficient);
  return textOf(sum);
}

function times(a: string, b: string): string {
  return a === '' || b === '' ? a + b : joinNames([...namesIn(a), ...namesIn(b)]);
}

export function mulDim(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return 0;
  if (a === null || b === null) return null;
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (a === 1) return b;
  if (b === 1) return a;
  const product = new Map<string, number>();
  const right = polyOf(b);
  for (const [left, x] of polyOf(a)) {
    for (const [key, y] of right) addTerm(product, times(left, key), x * y);
  }
  return textOf(product);
}

export function subDim(a: Dim, b: Dim): Dim {
  return addDim(a, mulDim(b, -1));
}

export function sameExtent(a: Dim, b: Dim): boolean {
  return a !== null && b !== null && (a === b || subDim(a, b) === 0);
}

/** The monomial `term` with the names of `key` taken out; null when one is missing. */
function without(term: string, key: string): string | null {
  const names = namesIn(term);
  for (const name of namesIn(key)) {
    const at = names.indexOf(name);
    if (at < 0) return null;
    names.splice(at, 1);
  }
  return joinNames(names);
}

/** a / b when it is exact for all values of the names (b a number or a product), else null. */
export function divExact(a: Dim, b: Dim): Dim {
  if (a === null || b === null || b === 0) return null;
  if (b === 1) return a;
  if (typeof a === 'number' && typeof b === 'number') return a % b === 0 ? a / b : null;
  const divisor = polyOf(b);
  if (divisor.size !== 1) return sameExtent(a, b) ? 1 : null;
  const [[key, by]] = [...divisor] as [[string, number]];
  const quotient = new Map<string, number>();
  for (const [term, coefficient] of polyOf(a)) {
    const rest = without(term, key);
    if (rest === null || coefficient % by !== 0) return null;
    addTerm(quotient, rest, coefficient / by);
  }
  return textOf(quotient);
}

/** a / n rounded down, for a positive number n: what divides is taken out, the rest becomes a bracketed name. */
export function floorDiv(a: Dim, n: number): Dim {
  if (a === null || !(n > 0)) return null;
  if (typeof a === 'number') return Math.floor(a / n);
  if (n === 1) return a;
  const whole = new Map<string, number>();
  const rest = new Map<string, number>();
  for (const [key, coefficient] of polyOf(a)) {
    const quotient = Math.floor(coefficient / n);
    const take = key === '' ? quotient : coefficient % n === 0 ? coefficient / n : 0;
    addTerm(whole, key, take);
    addTerm(rest, key, coefficient - take * n);
  }
  const remainder = textOf(rest);
  if (remainder === null) return null;
  if (typeof remainder === 'number') return addDim(textOf(whole), Math.floor(remainder / n));
  const inner = isFactor(remainder) ? remainder : `(${remainder})`;
  return addDim(textOf(whole), `(${inner}//${n})`);
}

/** The least and the greatest value, for names >= 0. */
function bounds(dim: number | string): readonly [number, number] {
  if (typeof dim === 'number') return [dim, dim];
  let low = 0;
  let high = 0;
  for (const [key, coefficient] of polyOf(dim)) {
    if (key === '' || coefficient < 0) low += key === '' ? coefficient : Number.NEGATIVE_INFINITY;
    if (key === '' || coefficient > 0) high += key === '' ? coefficient : Number.POSITIVE_INFINITY;
  }
  return [low, high];
}

/** True when a <= b for all extents that the names can represent. */
export function atMost(a: Dim, b: Dim): boolean {
  const difference = subDim(b, a);
  return difference !== null && bounds(difference)[0] >= 0;
}

/** Integer division rounding toward zero, as ONNX Div; a symbolic dividend must not be negative unless exact. */
export function divDim(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? null : Math.trunc(a / b);
  return divExact(a, b) ?? (typeof b === 'number' && b > 0 && atMost(0, a) ? floorDiv(a, b) : null);
}

/** Sign of a - b: certainly negative, zero or positive, or null. */
export function compareDims(a: Dim, b: Dim): -1 | 0 | 1 | null {
  const difference = subDim(a, b);
  if (difference === null) return null;
  const [low, high] = bounds(difference);
  if (low === 0 && high === 0) return 0;
  if (low > 0) return 1;
  return high < 0 ? -1 : null;
}

export function minDim(a: Dim, b: Dim): Dim {
  return atMost(a, b) ? a : atMost(b, a) ? b : null;
}

export function maxDim(a: Dim, b: Dim): Dim {
  return atMost(a, b) ? b : atMost(b, a) ? a : null;
}

export function productOf(dims: readonly Dim[]): Dim {
  return dims.reduce<Dim>(mulDim, 1);
}

/** One dimension of a broadcast result; undefined when the extents contradict each other. */
export function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b;
  if (b === 1 || a === b) return a;
  if (typeof a === 'number') return typeof b === 'number' ? undefined : a;
  if (typeof b === 'number') return b;
  return sameExtent(a, b) ? a : null;
}

/** Numpy broadcasting, aligned at the last dimension; undefined when the shapes contradict each other. */
export function broadcastShapes(shapes: readonly Shape[]): Shape | undefined {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result: Dim[] = [];
  for (let k = 0; k < rank; k++) {
    let dim: Dim = 1;
    for (const shape of shapes) {
      const at = k - rank + shape.length;
      if (at < 0) continue;
      const merged = broadcastDim(dim, shape[at]!);
      if (merged === undefined) return undefined;
      dim = merged;
    }
    result.push(dim);
  }
  return result;
}

/**
 * Two statements about one extent, joined: the more definite one (number, name, unknown), the first of two names.
 * undefined when two numbers differ.
 */
export function unifyDim(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a === b ? a : undefined;
  if (typeof a === 'number') return a;
  return typeof b === 'number' || a === null ? b : a;
}
