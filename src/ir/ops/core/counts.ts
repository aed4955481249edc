import { attrInt } from '../../attr.js';
import type { Value } from '../../model.js';
import type { GradBuilder } from './define.js';
import { extentAt } from './gradient-shape.js';

/** An extent or a position: a number, or an i64 vector of length 1 that the graph computes in each run. */
export type Count = number | Value;

/** The extent of a value along an axis; a number where it is static. */
export function extentOf(b: GradBuilder, value: Value, axis: number): Count {
  const dim = b.dims(value)[axis];
  return typeof dim === 'number' ? dim : extentAt(b, value, axis);
}

/** As an i64 vector of length 1. */
export function vector(b: GradBuilder, count: Count): Value {
  return typeof count === 'number' ? b.ints([count]) : count;
}

type Rule = (b: GradBuilder, left: Count, right: Count) => Count;

/** An operation that is done here when both numbers are known, and by the graph otherwise. */
function operation(op: string, f: (left: number, right: number) => number): Rule {
  return (b, left, right) =>
    typeof left === 'number' && typeof right === 'number'
      ? f(left, right)
      : b.one(op, [vector(b, left), vector(b, right)]);
}

export const subCounts = operation('Sub', (left, right) => left - right);

export const least = operation('Min', Math.min);

export const most = operation('Max', Math.max);

const sum = operation('Add', (left, right) => left + right);

export const addCounts: Rule = (b, left, right) =>
  right === 0 ? left : left === 0 ? right : sum(b, left, right);

const product = operation('Mul', (left, right) => left * right);

export const mulCounts: Rule = (b, left, right) =>
  right === 1 ? left : left === 1 ? right : product(b, left, right);

/** The quotient of natural numbers, rounded down. */
export const divCounts = operation('Div', (left, right) => Math.floor(left / right));

/** The remainder of natural numbers. */
export const rest: Rule = (b, left, right) =>
  typeof left === 'number' && typeof right === 'number'
    ? left % right
    : subCounts(b, left, mulCounts(b, divCounts(b, left, right), right));

/** 0, 1, ... below a number that the graph computes. */
export function positions(b: GradBuilder, count: Value): Value {
  return b.one('Range', [b.index(0), b.reshape(count, b.ints([])), b.index(1)]);
}

/** A shape of these extents. */
export function shapeOfCounts(b: GradBuilder, counts: readonly Count[]): Value {
  if (counts.every((count) => typeof count === 'number')) return b.ints(counts);
  return b.one(
    'Concat',
    counts.map((count) => vector(b, count)),
    { axis: attrInt(0) },
  );
}
