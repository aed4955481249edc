/** softer than the model's own distribution: rare tokens become rarer */
const TEMPERATURE = 0.5;

/**
 * The tokens of a text and so many more, each drawn from the model's distribution with a seeded generator, so that two models get the
 * same random draws. `next`: logits of the token after those that it is given, of which there are at most `context`.
 */
export async function continued(
  next: (seen: readonly number[]) => Promise<Float32Array>,
  start: readonly number[],
  count: number,
  context: number,
): Promise<readonly number[]> {
  const random = mulberry32(7);
  const ids = [...start];
  for (let k = 0; k < count; k++) ids.push(draw(await next(ids.slice(-context)), random()));
  return ids;
}

function draw(logits: Float32Array, at: number): number {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = Array.from(logits, (value) => Math.exp((value - largest) / TEMPERATURE));
  let left = at * weights.reduce((a, b) => a + b, 0);
  return weights.findIndex((weight) => (left -= weight) < 0);
}

/** Tommy Ettinger's mulberry32: a small generator with 32 bits of state, uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
