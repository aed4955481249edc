import { defineCode } from '../diagnostics.js';

/** Diagnostics 35xx: descriptions of adapter methods. */

export const badDescription = defineCode<{ source: string; field: string; why: string }>({
  code: 'LOTR3501',
  severity: 'error',
  title: 'the description of an adapter method is not valid',
  explain:
    'A method is a JSON object with the fields method, delta (an einsum such as ir,ro->io), scale, scaling, extents and ' +
    'factors: one object per operand of delta, with name, share, mode, init, lrMultiplier and slice.',
  make: ({ source, field, why }) => ({
    message: `${source}: ${field === '' ? 'it' : field} ${/^(?:is|has) /.test(why) ? why : `cannot be used: ${why}`}`,
    hint: 'docs/methods.md describes the fields, and shows a method as JSON',
  }),
});

export const notCarried = defineCode<{ source: string; method: string; field: string; value: string }>({
  code: 'LOTR3502',
  severity: 'error',
  title: 'this version of lotrc does not carry out a part of an adapter description',
  explain:
    'The language of descriptions has parts that lotrc reads and does not carry out yet: the wraps hadamard and ' +
    'column-norm, axes of the result that are split in parentheses or repeat values, and the initial form ' +
    'weightNorm. Nothing is written for such a method rather than something else than it says.',
  make: ({ source, method, field, value }) => ({
    message: `${source}: ${field} of method "${method}" is ${value}, which this version of lotrc does not carry out`,
    hint: 'use a method without it, or a newer lotrc',
  }),
});
