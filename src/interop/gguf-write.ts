import { effectiveScale } from '../adapter/description.js';
import { ggufNeeds, notForLlamaCpp } from '../ir/codes/gguf.js';
import { fail } from '../ir/diagnostics.js';
import type { Output } from '../ir/files/atomic.js';
import { type GgufValue, ggufOutput } from '../ir/files/gguf.js';
import type { TensorData } from '../ir/tensor.js';
import type { GgufArch } from '../options/words.js';
import { mostFrequent } from './bind.js';
import type { ForeignWeight } from './foreign.js';
import { GGUF_ARCHITECTURES, ggufTensor, takenBy } from './gguf-names.js';
import { ALPHA, ARCHITECTURE, headSizeKey } from './gguf-read.js';
import { headSizeOf, withRows } from './gguf-rows.js';
import type { LoraLayer } from './to-lora.js';

export interface GgufOptions {
  /** the architecture, as llama.cpp calls it */
  readonly arch?: GgufArch | undefined;
  /** outputs of one attention head, for architectures whose rows are interleaved */
  readonly headSize?: number | undefined;
}

/**
 * LoRA layers as an adapter of llama.cpp at a path. It has one alpha, and divides it by the rank of each tensor: where layers differ
 * in more than rank, B takes the difference, rounded once to float32. Throws LOTR7702 for what llama.cpp cannot take, LOTR7703
 * without the architecture or the size of a head.
 */
export function ggufAdapter(
  path: string,
  layers: readonly LoraLayer[],
  weights: readonly ForeignWeight[],
  { arch, headSize }: GgufOptions,
): Output {
  if (arch === undefined)
    return fail(
      ggufNeeds({ file: path, why: 'a GGUF adapter names the architecture of its model', option: '--arch' }),
    );
  const known = GGUF_ARCHITECTURES[arch];
  const refuse = (what: string): never => fail(notForLlamaCpp({ what, arch, takes: takenBy(known) }));
  const [weight] = weights;
  if (weight) refuse(`"${weight.module}.${weight.parameter}", which was trained in full,`);
  const placed = layers.map((layer) => {
    const place = layer.window ? null : ggufTensor(known, layer.module);
    return { layer, place: place ?? refuse(`"${layer.module}"`) };
  });
  const alphas = layers.map(alphaOf);
  // an alpha of 0 means that nothing is divided
  const alpha = mostFrequent(alphas.filter((value) => Math.fround(value) !== 0)) || 1;
  const tensors = new Map<string, TensorData>();
  let interleaved = false;
  for (const [k, { layer, place }] of placed.entries()) {
    const { module, a, b } = layer;
    if (tensors.has(`${place.name}.weight.lora_a`)) refuse(`a second layer "${module}" of that name`);
    tensors.set(`${place.name}.weight.lora_a`, a);
    const times = alphas[k]! === alpha ? 1 : alphas[k]! / alpha;
    const size = place.interleaved ? headSizeOf(path, module, b.shape[0]!, headSize) : null;
    if (size !== null) interleaved = true;
    tensors.set(`${place.name}.weight.lora_b`, withRows(b, 'to llama.cpp', size, times));
  }
  const metadata = new Map<string, Exclude<GgufValue, { type: 'other' }>>([
    [ARCHITECTURE, { type: 'text', value: arch }],
    ['general.type', { type: 'text', value: 'adapter' }],
    ['adapter.type', { type: 'text', value: 'lora' }],
    [ALPHA, { type: 'real', value: alpha }],
  ]);
  if (interleaved) metadata.set(headSizeKey(arch), { type: 'whole', value: headSize! });
  return ggufOutput(path, metadata, tensors);
}

/** What a layer's alpha is where it is divided by the rank. */
function alphaOf({ alpha, scaling, rank }: LoraLayer): number {
  return scaling === 'rank' ? alpha : effectiveScale({ scale: alpha, scaling }, rank) * rank;
}
