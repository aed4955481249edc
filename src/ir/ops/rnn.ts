import { op } from './define.js';
import { recurrent } from './families/recurrent.js';
import { byDecomposition } from './gradients/attention.js';
import { recurrentProblem } from './gradients/recurrent.js';

/** RNN: simple recurrent network. Shapes only. */
export const RNN = op(recurrent('RNN', 1), { vjp: byDecomposition(recurrentProblem) });
