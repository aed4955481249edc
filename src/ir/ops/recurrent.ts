import type { Dim } from '../shape.js';
import { byDecomposition, type FormProblem } from './attention.js';
import { type AttrsOf, type OpDef, op } from './core/define.js';
import { divExact } from './core/dims.js';
import { attributes } from './core/gradient.js';
import { attrs, rule, tensorAt, typeOf } from './core/rules.js';

/** Recurrent layers: shapes, and why the pass `decompose` leaves a node alone. */

type Recurrent = 'LSTM' | 'GRU' | 'RNN';

/**
 * Shapes of a recurrent layer over x (seq, batch, in), or (batch, seq, in) with layout=1: all states, and the last of
 * each kind. `gates` is how many matrices W (directions, gates * hidden, in) stacks.
 */
function recurrent<const Op extends Recurrent>(name: Op, gates: number): OpDef<Op> {
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

/** Activations of recurrent ops that are lowered: those without parameters that PyTorch has. */
const ACTIVATIONS = new Set(['tanh', 'sigmoid', 'relu']);

/** LSTM, GRU and RNN: why a node is of a form that the pass `decompose` leaves alone. */
export const recurrentProblem: FormProblem = (node) => {
  const op = node.op as 'LSTM' | 'GRU' | 'RNN';
  const a = attributes(node, op);
  if (a.layout) return 'its batch comes first (layout)';
  if (a.clip) return 'it clips what it computes (clip)';
  if (node.inputs[7]) return 'it has peepholes';
  if (op === 'LSTM' && (a as AttrsOf<'LSTM'>).input_forget) return 'its gates are coupled (input_forget)';
  const other = a.activations?.find((name) => !ACTIVATIONS.has(name.toLowerCase()));
  if (other !== undefined) return `its activation is ${other}`;
  const [x, w, r] = node.inputs.map((value) => (value?.type?.kind === 'tensor' ? value.type.shape : null));
  if (!x || !w || !r) return 'the rank of an input is unknown';
  return typeof r[2] === 'number' && typeof r[0] === 'number'
    ? null
    : 'the extents of its weights are unknown';
};

/** RNN: simple recurrent network. Shapes only. */
export const RNN = op(recurrent('RNN', 1), {
  linear: { weight: 1, more: [2], does: 'is recurrent: its weights are multiplied inside the operator' },
  gradientsOf: 'all',
  vjp: byDecomposition(recurrentProblem),
});

/** GRU: gated recurrent unit. Shapes only. */
export const GRU = op(recurrent('GRU', 3), {
  linear: { weight: 1, more: [2], does: 'is recurrent: its weights are multiplied inside the operator' },
  gradientsOf: 'all',
  vjp: byDecomposition(recurrentProblem),
});

/** LSTM: long short-term memory. Shapes only. */
export const LSTM = op(recurrent('LSTM', 4), {
  linear: { weight: 1, more: [2], does: 'is recurrent: its weights are multiplied inside the operator' },
  gradientsOf: 'all',
  vjp: byDecomposition(recurrentProblem),
});
