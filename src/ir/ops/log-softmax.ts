import { op } from './define.js';
import { lineOp } from './families/softmax.js';
import { logSoftmaxVjp } from './gradients/softmax.js';

/** LogSoftmax: x minus the logarithm of the sum of e^x of the line. */
export const LogSoftmax = op(
  lineOp('LogSoftmax', (line) => {
    const top = line.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const log = top + Math.log(line.reduce((a, x) => a + Math.exp(x - top), 0));
    return line.map((x) => x - log);
  }),
  { vjp: logSoftmaxVjp },
);
