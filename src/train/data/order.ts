import { RandomStream } from '../../init/rng.js';

/**
 * The order of rows in one epoch: a Fisher-Yates shuffle by the stream (seed, `train.order.<epoch>`), the same on every
 * machine. Epochs do not depend on each other, so a resumed run needs no state for it.
 */
export function shuffled(size: number, seed: number, epoch: number | string): Int32Array {
  const order = Int32Array.from({ length: size }, (_, i) => i);
  const random = new RandomStream(seed, `train.order.${epoch}`);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(random.uniform(size - 1 - i) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
