import { type Count, extentOf, shapeOf } from './counts.js';
import { entry } from './shape.js';
import { input, type Vjp } from './vjp.js';

/** Tile: each axis that was repeated is split into repeats and extent, and summed over the repeats. */
export const tileVjp: Vjp = (b, node, [dy]) => {
  const [x, repeats] = [input(node, 0), input(node, 1)];
  const known = b.contents(repeats);
  const counts: Count[] = [];
  const axes: number[] = [];
  for (let axis = 0; axis < b.rank(x); axis++) {
    const repeat = known?.[axis];
    if (repeat !== 1) {
      axes.push(counts.length);
      counts.push(typeof repeat === 'number' ? repeat : entry(b, repeats, axis));
    }
    counts.push(extentOf(b, x, axis));
  }
  if (axes.length === 0) return [dy!, null];
  return [b.reduceSum(b.reshape(dy!, shapeOf(b, counts)), axes, false), null];
};
