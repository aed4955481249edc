import { mutateModel } from './mutate-proto.js';
import { mutateFlat, mutateSafetensors, mutateText } from './mutate-text.js';
import { Random } from './random.js';
import type { Seeds } from './seeds.js';

export type Format = 'onnx' | 'onnxtxt' | 'safetensors' | 'onnx_adapter' | 'peft.json';

/** A file under test: its content and the format it pretends to have. */
export interface Input {
  readonly format: Format;
  readonly bytes: Uint8Array;
}

/** The input of a seed and an index, the same wherever it is made: three quarters are models. */
export function makeInput(seeds: Seeds, seed: number, index: number): Input {
  const random = new Random(seed, index);
  const share = random.below(100);
  if (share < 72) return { format: 'onnx', bytes: mutateModel(random, seeds.models) };
  if (share < 86) {
    return {
      format: 'onnxtxt',
      bytes: Buffer.from(mutateText(random, random.pick(seeds.texts), seeds.texts)),
    };
  }
  if (share < 94)
    return { format: 'safetensors', bytes: mutateSafetensors(random, random.pick(seeds.safetensors)) };
  if (share < 98) return { format: 'onnx_adapter', bytes: mutateFlat(random, random.pick(seeds.flat)) };
  return { format: 'peft.json', bytes: Buffer.from(mutateText(random, random.pick(seeds.peft), seeds.peft)) };
}
