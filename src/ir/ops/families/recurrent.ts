import type { Dim } from '../../shape.js';
import type { OpDef } from '../define.js';
import { divExact } from '../dims.js';
import { attrs, rule, tensorAt, typeOf } from '../rules.js';

type Recurrent = 'LSTM' | 'GRU' | 'RNN';

/**
 * Shapes of a recurrent layer over x (seq, batch, in), or (batch, seq, in) with layout=1: all states, and the last of
 * each kind. `gates` is how many matrices W (directions, gates * hidden, in) stacks.
 */
export function recurrent<const Op extends Recurrent>(name: Op, gates: number): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const a = attrs(node, ctx) as { hidden_size?: number; layout?: number; direction?: string };
      const [x, w] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
      const hidden: Dim = a.hidden_size ?? divExact(w?.shape?.[1] ?? null, gates);
      const directions = a.direction === 'bidirectional' ? 2 : 1;
      const [first, second] = [x?.shape?.[0] ?? null, x?.shape?.[1] ?? null];
      const batchFirst = a.layout === 1;
      const all = batchFirst ? [first, second, directions, hidden] : [first, directions, second, hidden];
      const last = batchFirst ? [first, directions, hidden] : [directions, second, hidden];
      return { types: node.outputs.map((_, k) => typeOf(x?.dtype, k === 0 ? all : last)) };
    }),
  };
}
