import { join, resolve } from 'node:path';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { toF32 } from '../../src/ir/values.js';
import { relativeError, runOrt, type Tensor } from './ort.js';

/** Models and adapters of PEFT with what PyTorch computes: test/data/peft/make.py. */
export const PEFT = resolve(import.meta.dirname, '../data/peft');

/** `bert.onnx` of the case `bert.plain`. */
export const baseOf = (name: string): string => join(PEFT, `${name.split('.')[0]}.onnx`);

/** The inputs of a case and the logits of PyTorch with PEFT. */
export function recorded(name: string): {
  readonly feeds: Record<string, Tensor>;
  readonly logits: Float32Array;
} {
  const { tensors } = readSafetensors(join(PEFT, `${name}.safetensors`));
  const feeds: Record<string, Tensor> = {};
  for (const [key, data] of tensors) {
    if (!key.startsWith('input.')) continue;
    const bytes = data.bytes().slice();
    feeds[key.slice('input.'.length)] =
      data.dtype === 'i64'
        ? { dtype: 'int64', shape: data.shape, data: new BigInt64Array(bytes.buffer) }
        : { dtype: 'float32', shape: data.shape, data: toF32(data) };
  }
  return { feeds, logits: toF32(tensors.get('logits')!) };
}

/** How far a model's logits are from those of PyTorch with PEFT, relative in norm. */
export async function errorAgainst(name: string, model: string): Promise<number> {
  const { feeds, logits } = recorded(name);
  const { logits: found } = await runOrt(model, feeds);
  return relativeError(found!.data, logits);
}
