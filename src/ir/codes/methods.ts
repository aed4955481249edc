import { defineCode } from '../diagnostics.js';

/** Diagnostics 35xx: descriptions of adapter methods. */

export const badDescription = defineCode<{ source: string; field: string; why: string }>({
  code: 'LOTR3501',
  severity: 'error',
  title: 'the description of an adapter method is not valid',
  explain:
    'A method is a JSON object with the fields method, delta (an einsum such as ir,ro->io), scale, scaling, extents, wrap, ' +
    'detachNorm, scaleBias and factors: one object per operand of delta, and one more for the wrap column-norm, with name, ' +
    'share, mode, init, lrMultiplier and slice.',
  make: ({ source, field, why }) => ({
    message: `${source}: ${field === '' ? 'it' : field} ${/^(?:is|has) /.test(why) ? why : `cannot be used: ${why}`}`,
    hint: 'docs/methods.md describes the fields, and shows a method as JSON',
  }),
});
