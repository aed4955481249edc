import { lineOp } from './families/softmax.js';

/** Hardmax: 1 at the first greatest element of the line, 0 elsewhere. */
export const hardmax = lineOp('Hardmax', (line) => {
  const best = line.reduce((at, x, i) => (x > line[at]! ? i : at), 0);
  return line.map((_, i) => (i === best ? 1 : 0));
});
