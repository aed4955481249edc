import { recurrent } from './families/recurrent.js';

/** LSTM: long short-term memory. Shapes only. */
export const lstm = recurrent('LSTM', 4);
