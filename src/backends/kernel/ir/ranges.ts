import type { Bool, Expr, KType, U32, View } from './kir.js';
import { WARP } from './units.js';

/** Least and greatest value of a whole number. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const UNKNOWN: Interval = { low: 0, high: Number.POSITIVE_INFINITY };

/** What is known about a name: its definition, the range of a loop counter, and whether all invocations agree on it. */
export interface NameFact {
  readonly type: KType;
  readonly init?: Expr;
  readonly range?: Interval;
  readonly uniform: boolean;
  /** counter of a loop that is written out: a constant when it is used as an index */
  readonly constant: boolean;
  /** counter of a loop: every value is a multiple of this */
  readonly multipleOf?: number;
}

export type Facts = ReadonlyMap<string, NameFact>;

/** The range of an expression by interval arithmetic; what is not known is unbounded. */
export function rangeOf(expr: Expr, facts: Facts, workgroup: readonly number[]): Interval {
  const of = (part: Expr) => rangeOf(part, facts, workgroup);
  switch (expr.e) {
    case 'lit':
      return { low: expr.value, high: expr.value };
    case 'ref': {
      const fact = facts.get(expr.name);
      return fact?.range ?? (fact?.init ? of(fact.init) : UNKNOWN);
    }
    case 'id':
      return expr.of === 'local' ? { low: 0, high: workgroup[expr.axis]! - 1 } : UNKNOWN;
    case 'bin': {
      const [a, b] = [of(expr.a), of(expr.b)];
      switch (expr.op) {
        case '+':
          return { low: a.low + b.low, high: a.high + b.high };
        case '*':
          return { low: a.low * b.low, high: a.high === 0 || b.high === 0 ? 0 : a.high * b.high };
        case '/':
          return b.low > 0 ? { low: 0, high: Math.floor(a.high / b.low) } : UNKNOWN;
        case '%':
          return { low: 0, high: Math.min(a.high, b.high - 1) };
        case 'min':
          return { low: Math.min(a.low, b.low), high: Math.min(a.high, b.high) };
        case 'max':
          return { low: Math.max(a.low, b.low), high: Math.max(a.high, b.high) };
        case '-':
          // wraps below 0, so only a difference that cannot be negative is known
          return a.low >= b.high ? { low: a.low - b.high, high: a.high - b.low } : UNKNOWN;
      }
      return UNKNOWN;
    }
    case 'subgroup':
      return expr.of === 'number' ? { low: 0, high: expr.count - 1 } : UNKNOWN;
    default:
      return UNKNOWN;
  }
}

/** Whether all invocations of a workgroup have the same value. */
export function isUniform(expr: Expr, facts: Facts): boolean {
  switch (expr.e) {
    case 'lit':
    case 'uniform':
      return true;
    case 'id':
      return expr.of === 'group';
    case 'ref':
      return facts.get(expr.name)?.uniform ?? false;
    case 'bin':
    case 'cmp':
    case 'and':
      return isUniform(expr.a, facts) && isUniform(expr.b, facts);
    default:
      return false;
  }
}

/** Whether the threads of a warp have the same value: a thread's number counts only through its warp's. */
export function isWarpUniform(expr: Expr, facts: Facts): boolean {
  if (isUniform(expr, facts)) return true;
  if (expr.e === 'ref') {
    const init = facts.get(expr.name)?.init;
    return init !== undefined && isWarpUniform(init, facts);
  }
  if (expr.e === 'subgroup') return expr.of === 'number';
  if (expr.e !== 'bin') return false;
  if (expr.op === '/' && expr.b.e === 'lit' && expr.b.value % WARP === 0 && isThread(expr.a, facts))
    return true;
  return isWarpUniform(expr.a, facts) && isWarpUniform(expr.b, facts);
}

/** The number of a thread along the first axis, by whatever name. */
function isThread(expr: Expr, facts: Facts): boolean {
  if (expr.e === 'ref') {
    const init = facts.get(expr.name)?.init;
    return init !== undefined && isThread(init, facts);
  }
  return expr.e === 'id' && expr.of === 'local' && expr.axis === 0;
}

/** Whether a whole number is provably a multiple of another. Sums and differences modulo 2^32 stay so for powers of two. */
export function isMultiple(expr: Expr, of: number, facts: Facts): boolean {
  switch (expr.e) {
    case 'lit':
      return expr.value % of === 0;
    case 'ref': {
      const fact = facts.get(expr.name);
      return fact?.multipleOf !== undefined
        ? fact.multipleOf % of === 0
        : fact?.init !== undefined && isMultiple(fact.init, of, facts);
    }
    case 'bin':
      if (expr.op === '*') return isMultiple(expr.a, of, facts) || isMultiple(expr.b, of, facts);
      if (expr.op === '/') return false;
      return isMultiple(expr.a, of, facts) && isMultiple(expr.b, of, facts);
    default:
      return false;
  }
}

/** Whether `count` neighbours along the last axis lie side by side, the first at a multiple of as many. */
export function isRun({ offset, strides }: View, at: readonly U32[], count: 2 | 4, facts: Facts): boolean {
  const last = strides.at(-1)!;
  const whole = [offset, ...strides.slice(0, -1), at.at(-1)!].every((part) => isMultiple(part, count, facts));
  return whole && last.e === 'lit' && last.value === 1;
}

/** Whether an index into a register array is a number once loops are written out. */
export function isConstant(expr: Expr, facts: Facts): boolean {
  if (expr.e === 'lit') return true;
  if (expr.e === 'ref') return facts.get(expr.name)?.constant ?? false;
  return expr.e === 'bin' && isConstant(expr.a, facts) && isConstant(expr.b, facts);
}

/** The conditions that must all hold for a mask to hold. */
export function conjuncts(mask: Bool | undefined): readonly Expr[] {
  if (!mask) return [];
  return mask.e === 'and' ? [...conjuncts(mask.a), ...conjuncts(mask.b)] : [mask];
}

const same = (a: Expr, b: Expr): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/** Whether `bound` is at most `extent`: the same, or the lesser of it and something else. */
function atMost(bound: Expr, extent: Expr, facts: Facts): boolean {
  if (same(bound, extent)) return true;
  if (bound.e === 'lit' && extent.e === 'lit') return bound.value <= extent.value;
  if (bound.e === 'bin' && bound.op === 'min') {
    return atMost(bound.a, extent, facts) || atMost(bound.b, extent, facts);
  }
  const init = bound.e === 'ref' ? facts.get(bound.name)?.init : undefined;
  return init !== undefined && atMost(init, extent, facts);
}

/** Whether a coordinate is below its extent, by its range or because a condition that holds says so. */
export function isBelow(
  coordinate: U32,
  extent: U32,
  conditions: readonly Expr[],
  facts: Facts,
  workgroup: readonly number[],
): boolean {
  if (extent.e === 'lit' && rangeOf(coordinate, facts, workgroup).high < extent.value) return true;
  return conditions.some(
    (condition) =>
      condition.e === 'cmp' &&
      condition.op === '<' &&
      same(condition.a, coordinate) &&
      atMost(condition.b, extent, facts),
  );
}
