import { recurrent } from './families/recurrent.js';
import { withGradient } from './gradients/attach.js';
import { byDecomposition } from './gradients/attention.js';
import { recurrentProblem } from './gradients/recurrent.js';

/** GRU: gated recurrent unit. Shapes only. */
export const gru = withGradient(recurrent('GRU', 3), byDecomposition(recurrentProblem));
