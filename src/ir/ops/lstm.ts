import { op } from './define.js';
import { recurrent } from './families/recurrent.js';
import { byDecomposition } from './gradients/attention.js';
import { recurrentProblem } from './gradients/recurrent.js';

/** LSTM: long short-term memory. Shapes only. */
export const LSTM = op(recurrent('LSTM', 4), { vjp: byDecomposition(recurrentProblem) });
