import { OrtSession } from '../../../src/backends/ort/session.js';
import { continued } from '../../../src/train/continued.js';
import { CONTEXT, decode, encode } from './charlm.js';

/** Continues a prompt character by character. */
export async function continuedText(model: string, prompt: string, characters: number): Promise<string> {
  const session = await OrtSession.open(model, { threads: 1 });
  try {
    const next = async (seen: readonly number[]): Promise<Float32Array> => {
      const data = BigInt64Array.from(seen, BigInt);
      const { logits } = await session.run({ input_ids: { type: 'int64', dims: [1, seen.length], data } });
      return (logits!.data as Float32Array).subarray(-logits!.dims.at(-1)!);
    };
    return decode(await continued(next, [...encode(prompt)], characters, CONTEXT));
  } finally {
    await session.close();
  }
}
