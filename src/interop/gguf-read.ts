import { LORA } from '../adapter/methods/lora.js';
import { badGguf, notForLlamaCpp } from '../ir/codes/gguf.js';
import { fail } from '../ir/diagnostics.js';
import { type Gguf, readGguf } from '../ir/files/gguf.js';
import type { TensorData } from '../ir/tensor.js';
import { GGUF_ARCHS, type GgufArch } from '../options/words.js';
import type { ForeignAdapter, ForeignLayer } from './foreign.js';
import { GGUF_ARCHITECTURES, ggufModule, takenBy } from './gguf-names.js';
import { headSizeOf, withRows } from './gguf-rows.js';
import { transposedF32 } from './matrices.js';

/** Keys of the metadata. */
export const ARCHITECTURE = 'general.architecture';
export const ALPHA = 'adapter.lora.alpha';
/** llama.cpp's key for the size of a head in models; adapters of lotrc have it where their rows depend on it. */
export const headSizeKey = (arch: GgufArch): string => `${arch}.attention.key_length`;

const PART = /^(.+)\.weight\.lora_([ab])$/;

/**
 * Reads a LoRA adapter of llama.cpp. `headSize`: outputs of one attention head, where the file does not say it. Throws LOTR1002, LOTR7701
 * for files of another kind, LOTR7702 for architectures and tensors that are not known, LOTR7703 without the size of a head.
 */
export function readGgufAdapter(path: string, headSize?: number): ForeignAdapter {
  const refuse = (why: string): never => fail(badGguf({ file: path, why }));
  const { metadata, tensors } = readGguf(path, (seen) => {
    const kind = textOf(seen, 'general.type');
    if (kind !== null && kind !== 'adapter') refuse(`its general.type is ${JSON.stringify(kind)}`);
  });
  for (const [key, wanted] of [
    ['general.type', 'adapter'],
    ['adapter.type', 'lora'],
  ] as const) {
    const found = textOf(metadata, key);
    if (found !== wanted)
      refuse(found === null ? `it has no ${key}` : `its ${key} is ${JSON.stringify(found)}`);
  }
  if (metadata.has('adapter.alora.invocation_tokens'))
    refuse('it is an activated LoRA, which begins at certain tokens');
  const given = textOf(metadata, ARCHITECTURE);
  const arch = GGUF_ARCHS.find((name) => name === given);
  if (arch === undefined)
    return refuse(`the architecture ${JSON.stringify(given)} is not one of ${GGUF_ARCHS.join(', ')}`);
  const alpha = metadata.get(ALPHA);
  if (alpha?.type !== 'real') return refuse(`it has no ${ALPHA}`);
  const known = GGUF_ARCHITECTURES[arch];
  const held = metadata.get(headSizeKey(arch));
  const size = headSize ?? (held?.type === 'whole' ? held.value : undefined);
  const pairs = new Map<string, { a?: TensorData; b?: TensorData }>();
  const leftOut: { readonly module: string; readonly why: string }[] = [];
  for (const [name, data] of tensors) {
    const [, tensor, part] = PART.exec(name) ?? [];
    if (tensor === undefined) {
      if (!name.endsWith('_norm.weight'))
        refuse(`tensor ${JSON.stringify(name)} is not lora_a or lora_b of a weight`);
      leftOut.push({ module: name, why: 'llama.cpp ignores norms in adapters' });
      continue;
    }
    const pair = pairs.get(tensor) ?? {};
    pairs.set(tensor, pair);
    pair[part as 'a' | 'b'] = data;
  }
  const layers = [...pairs].map(([tensor, { a, b }]): ForeignLayer => {
    const place =
      ggufModule(known, tensor) ?? fail(notForLlamaCpp({ what: `"${tensor}"`, arch, takes: takenBy(known) }));
    if (!a || !b) return refuse(`${tensor} has no lora_${a ? 'b' : 'a'}`);
    const [rank, inn] = a.shape;
    const [out, inner] = b.shape;
    if (a.shape.length !== 2 || b.shape.length !== 2 || rank !== inner || rank! * inn! * out! === 0)
      refuse(`lora_a [${a.shape}] and lora_b [${b.shape}] of ${tensor} do not fit together`);
    const { module, interleaved } = place;
    const rows = interleaved ? withRows(b, 'from llama.cpp', headSizeOf(path, tensor, out!, size)) : b;
    // llama.cpp takes the product as it is where alpha is 0
    const spec = { ...LORA, scale: alpha.value === 0 ? rank! : alpha.value };
    return { module, in: inn!, out: out!, rank: rank!, spec, factors: [a, rows].map(transposedF32) };
  });
  return { file: path, names: 'ends', layers, stacks: [], weights: [], leftOut };
}

function textOf(metadata: Gguf['metadata'], key: string): string | null {
  const value = metadata.get(key);
  return value?.type === 'text' ? value.value : null;
}
