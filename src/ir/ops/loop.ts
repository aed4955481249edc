import { op } from './define.js';
import { settle } from './families/carried.js';
import { joinTypes, rule, typeOf } from './rules.js';

/**
 * Loop(M, cond, initial...): the body gets the iteration number, the condition and the carried values, and gives the
 * condition, the carried values and one slice per scan output. How often it runs is not known.
 */
export const Loop = op({
  name: 'Loop',
  since: 1,
  infer: rule((node, ctx) => {
    const initial = node.inputs.slice(2).map((_, k) => ctx.type(k + 2));
    const head = [typeOf('i64', []), typeOf('bool', [])];
    let results: ReturnType<typeof ctx.subgraph> = null;
    const { carried, outputs } = settle(initial, (types) => {
      results = ctx.subgraph('body', [...head, ...types]);
      return (results as typeof outputs)?.slice(1) ?? null;
    });
    const count = initial.length;
    const types = node.outputs.map((_, k) => {
      if (!outputs) return null;
      if (k < count) return joinTypes(carried[k] ?? null, outputs[k] ?? null);
      const slice = outputs[k];
      return slice?.kind === 'tensor' ? typeOf(slice.dtype, slice.shape && [null, ...slice.shape]) : null;
    });
    return { types };
  }),
});
