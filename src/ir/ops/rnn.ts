import { recurrent } from './families/recurrent.js';
import { withGradient } from './gradients/attach.js';
import { byDecomposition } from './gradients/attention.js';
import { recurrentProblem } from './gradients/recurrent.js';

/** RNN: simple recurrent network. Shapes only. */
export const rnn = withGradient(recurrent('RNN', 1), byDecomposition(recurrentProblem));
