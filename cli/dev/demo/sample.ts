import { OrtSession } from '../../../src/backends/ort/session.js';
import { CONTEXT, decode, encode } from './charlm.js';

/** softer than the model's own distribution: rare characters become rarer */
const TEMPERATURE = 0.5;

/**
 * Continues a prompt character by character, drawn from the model's distribution with a seeded generator, so that two
 * models get the same random draws.
 */
export async function continued(model: string, prompt: string, characters: number): Promise<string> {
  const session = await OrtSession.open(model, { threads: 1 });
  try {
    const random = mulberry32(7);
    const text = [...encode(prompt)];
    for (let i = 0; i < characters; i++) {
      const seen = text.slice(-CONTEXT);
      const data = BigInt64Array.from(seen, BigInt);
      const { logits } = await session.run({ input_ids: { type: 'int64', dims: [1, seen.length], data } });
      text.push(draw((logits!.data as Float32Array).subarray(-logits!.dims.at(-1)!), random()));
    }
    return decode(text);
  } finally {
    await session.close();
  }
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
