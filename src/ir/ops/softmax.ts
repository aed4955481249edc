import { op } from './define.js';
import { lineOp } from './families/softmax.js';
import { softmaxVjp } from './gradients/softmax.js';
import { softmaxLine } from './nd.js';

/** Softmax: e^x over the sum of e^x of the line. */
export const Softmax = op(lineOp('Softmax', softmaxLine), { vjp: softmaxVjp });
