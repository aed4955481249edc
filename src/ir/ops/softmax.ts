import { lineOp } from './families/softmax.js';
import { withGradient } from './gradients/attach.js';
import { softmaxVjp } from './gradients/softmax.js';
import { softmaxLine } from './nd.js';

/** Softmax: e^x over the sum of e^x of the line. */
export const softmax = withGradient(lineOp('Softmax', softmaxLine), softmaxVjp);
