import type { AttrsOf } from '../define.js';
import type { FormProblem } from './attention.js';
import { attributes } from './vjp.js';

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
