import { op } from './define.js';
import { recurrent } from './families/recurrent.js';
import { byDecomposition } from './gradients/attention.js';
import { recurrentProblem } from './gradients/recurrent.js';

/** GRU: gated recurrent unit. Shapes only. */
export const GRU = op(recurrent('GRU', 3), { vjp: byDecomposition(recurrentProblem) });
