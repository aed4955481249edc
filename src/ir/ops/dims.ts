import type { Dim, Shape } from '../shape.js';

/**
 * Arithmetic on dimensions. A symbolic dimension is a name or a polynomial over names with integer coefficients, in
 * the canonical text `2*a*b + seq - 1` (terms sorted by name, constant last), so equal extents have equal texts.
 * Names that hold spaces around operators are read as such sums (`past + seq`, as exporters write them); texts with
 * brackets or divisions are one opaque name. Names stand for extents, so they are taken to be >= 0.
 * `null` is unknown and spreads.
 */

/** One entry of an integer tensor whose contents are known in part: the same texts, possibly negative. */
export type Ints = readonly Dim[];

/** monomial (sorted names joined by `*`, '' for the constant) -> coefficient, never 0 */
type Poly = ReadonlyMap<string, number>;

/** Beyond this many terms a sum says nothing useful and costs time: it becomes unknown. */
const MAX_TERMS = 8;
const MAX_DEGREE = 6;
const MAX_CACHE = 10_000;
const parsed = new Map<string, Poly>();

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

function parse(text: string): Poly {
  const atom: Poly = new Map([[text, 1]]);
  if (!/[ *]/.test(text) || /[()/]/.test(text)) return atom;
  const poly = new Map<string, number>();
  for (const [, sign, term] of ` + ${text}`.replace(/^ \+ -/, ' - ').matchAll(/ ([+-]) (\S+)/g)) {
    let coefficient = sign === '-' ? -1 : 1;
    const names: string[] = [];
    for (const factor of term!.split('*')) {
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else if (factor === '') return atom;
      else names.push(factor);
    }
    addTerm(poly, names.sort().join('*'), coefficient);
  }
  // whatever the grammar above does not cover (two words without an operator) stays a name
  return /^\S+( [+-] \S+)*$/.test(text) ? poly : atom;
}

function addTerm(poly: Map<string, number>, key: string, by: number): void {
  const sum = (poly.get(key) ?? 0) + by;
  if (sum === 0) poly.delete(key);
  else poly.set(key, sum);
}

function textOf(poly: Poly): Dim {
  if (poly.size > MAX_TERMS) return null;
  const keys = [...poly.keys()].filter((key) => key !== '').sort();
  const constant = poly.get('') ?? 0;
  if (!Number.isSafeInteger(constant)) return null;
  if (keys.length === 0) return constant;
  if (keys.length === 1 && constant === 0 && poly.get(keys[0]!) === 1) return keys[0]!;
  let text = '';
  for (const key of keys) {
    const coefficient = poly.get(key)!;
    if (!Number.isSafeInteger(coefficient) || key.split('*').length > MAX_DEGREE || /[()/ ]/.test(key))
      return null;
    const size = Math.abs(coefficient) === 1 ? key : `${Math.abs(coefficient)}*${key}`;
    text += text === '' ? `${coefficient < 0 ? '-' : ''}${size}` : ` ${coefficient < 0 ? '-' : '+'} ${size}`;
  }
  return constant === 0 ? text : `${text} ${constant < 0 ? '-' : '+'} ${Math.abs(constant)}`;
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

function times(a: string, b: string): string {
  if (a === '') return b;
  return b === '' ? a : [...a.split('*'), ...b.split('*')].sort().join('*');
}

export function subDim(a: Dim, b: Dim): Dim {
  return addDim(a, mulDim(b, -1));
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

/** The monomial `term` with the names of `key` taken out; null when one is missing. */
function without(term: string, key: string): string | null {
  if (key === '') return term;
  const names = term === '' ? [] : term.split('*');
  for (const name of key.split('*')) {
    const at = names.indexOf(name);
    if (at < 0) return null;
    names.splice(at, 1);
  }
  return names.join('*');
}

/** Integer division rounding toward zero, as ONNX Div: numbers and exact symbolic quotients only. */
export function divDim(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? null : Math.trunc(a / b);
  return divExact(a, b);
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

/** True when a <= b for all extents that the names can stand for. */
export function atMost(a: Dim, b: Dim): boolean {
  const difference = subDim(b, a);
  return difference !== null && bounds(difference)[0] >= 0;
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

export function minDim(a: Dim, b: Dim): Dim {
  return atMost(a, b) ? a : atMost(b, a) ? b : null;
}

export function maxDim(a: Dim, b: Dim): Dim {
  return atMost(a, b) ? b : atMost(b, a) ? a : null;
}

export function sameExtent(a: Dim, b: Dim): boolean {
  return a !== null && b !== null && (a === b || subDim(a, b) === 0);
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
