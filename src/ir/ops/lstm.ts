import { recurrent } from './families/recurrent.js';
import { withGradient } from './gradients/attach.js';
import { byDecomposition } from './gradients/attention.js';
import { recurrentProblem } from './gradients/recurrent.js';

/** LSTM: long short-term memory. Shapes only. */
export const lstm = withGradient(recurrent('LSTM', 4), byDecomposition(recurrentProblem));
