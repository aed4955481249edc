import { lineOp } from './families/softmax.js';
import { withoutGradient } from './gradients/attach.js';

/** Hardmax: 1 at the first greatest element of the line, 0 elsewhere. */
export const hardmax = withoutGradient(
  lineOp('Hardmax', (line) => {
    const best = line.reduce((at, x, i) => (x > line[at]! ? i : at), 0);
    return line.map((_, i) => (i === best ? 1 : 0));
  }),
);
