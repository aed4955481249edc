import { recurrent } from './families/recurrent.js';

/** GRU: gated recurrent unit. Shapes only. */
export const gru = recurrent('GRU', 3);
