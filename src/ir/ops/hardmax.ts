import { op } from './define.js';
import { lineOp } from './families/softmax.js';

/** Hardmax: 1 at the first greatest element of the line, 0 elsewhere. */
export const Hardmax = op(
  lineOp('Hardmax', (line) => {
    const best = line.reduce((at, x, i) => (x > line[at]! ? i : at), 0);
    return line.map((_, i) => (i === best ? 1 : 0));
  }),
  { stopsGradient: true },
);
