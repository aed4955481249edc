import { recurrent } from './families/recurrent.js';

/** RNN: simple recurrent network. Shapes only. */
export const rnn = recurrent('RNN', 1);
