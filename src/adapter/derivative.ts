import type { Term } from './terms.js';

/**
 * The gradient of a term by one of its operands, as a term: operand 0 is the gradient of the result, the others are those
 * of the term without that operand, in order. A term is linear in each operand, so this is exact.
 */
export function derivativeBy(term: Term, operand: number): Term {
  const { operands, result } = term;
  return { operands: [result, ...operands.filter((_, k) => k !== operand)], result: operands[operand]! };
}
