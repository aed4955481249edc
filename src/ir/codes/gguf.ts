import { defineCode } from '../diagnostics.js';
import { listed } from './listed.js';

/** Diagnostics 77xx: adapters of llama.cpp. */

export const badGguf = defineCode<{ file: string; offset?: number; why: string }>({
  code: 'LOTR7701',
  severity: 'error',
  title: 'a GGUF file cannot be read as an adapter',
  explain:
    'lotrc reads GGUF of versions 2 and 3 that holds a LoRA adapter: general.type is adapter, adapter.type is lora, adapter.lora.alpha ' +
    'is there, and each adapted tensor NAME has NAME.lora_a (rank x in) and NAME.lora_b (out x rank) in F32, F16 or BF16. ' +
    'Models as GGUF are not read.',
  make: ({ file, offset, why }) => ({
    message: `not a LoRA adapter as GGUF${offset === undefined ? '' : ` (at byte ${offset})`}: ${why}`,
    at: { kind: 'file', file },
    hint: 'write it again with convert_lora_to_gguf.py of llama.cpp, or with `lotrc convert`',
  }),
});

export const notForLlamaCpp = defineCode<{ what: string; arch: string; takes: readonly string[] }>({
  code: 'LOTR7702',
  severity: 'error',
  title: 'llama.cpp cannot take a part of the adapter',
  explain:
    'llama.cpp adds LoRA to the matrices that its graph of an architecture multiplies by: those of attention and of the feed-forward part, ' +
    'and the output head. It has no place for other layers, for biases and other parameters that were trained in full, and for ' +
    'embeddings. An adapter without them would compute something else, so it is refused.',
  make: ({ what, arch, takes }) => ({
    message: `llama.cpp has no place for ${what} in ${arch}`,
    hint: `its layers there are ${listed(takes, 10)}; fold the rest into the weights with \`lotrc merge\`, or choose layers with --target`,
  }),
});

export const ggufNeeds = defineCode<{ file: string; why: string; option: '--arch' | '--head-size' }>({
  code: 'LOTR7703',
  severity: 'error',
  title: 'a GGUF adapter needs to know more about the model',
  explain:
    'A GGUF adapter names the architecture of its model, as llama.cpp calls it (--arch). For llama, llama.cpp keeps the rows of the ' +
    'query and key projections in another order within each head, so the size of a head must be known (--head-size: head_dim of ' +
    'config.json, or hidden_size / num_attention_heads). Files of lotrc hold it; those of convert_lora_to_gguf.py do not.',
  make: ({ file, why, option }) => ({
    message: why,
    at: { kind: 'file', file },
    hint:
      option === '--arch'
        ? 'give --arch llama, or another of the list in docs/interop.md'
        : 'give --head-size N: head_dim of the config.json of the model, or hidden_size / num_attention_heads',
  }),
});
