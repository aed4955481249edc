import { lineOp } from './families/softmax.js';
import { softmaxLine } from './nd.js';

/** Softmax: e^x over the sum of e^x of the line. */
export const softmax = lineOp('Softmax', softmaxLine);
