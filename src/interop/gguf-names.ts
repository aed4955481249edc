import type { GgufArch } from '../options/words.js';

/** What llama.cpp calls the layers of a model, by architecture; the same names as its own conversion of Hugging Face models gives. */

export interface GgufArchitecture {
  /** ends of module paths, where # is the number of the block, and tensors of llama.cpp without `.weight` */
  readonly layers: ReadonlyMap<string, string>;
  /** tensors whose rows have another order in llama.cpp: see gguf-rows.ts */
  readonly interleaved: ReadonlySet<string>;
}

const architecture = (
  layers: Readonly<Record<string, string>>,
  interleaved: readonly string[] = [],
): GgufArchitecture => ({ layers: new Map(Object.entries(layers)), interleaved: new Set(interleaved) });

const ATTENTION = {
  'layers.#.self_attn.q_proj': 'blk.#.attn_q',
  'layers.#.self_attn.k_proj': 'blk.#.attn_k',
  'layers.#.self_attn.v_proj': 'blk.#.attn_v',
  'layers.#.self_attn.o_proj': 'blk.#.attn_output',
};
const GATED = {
  'layers.#.mlp.gate_proj': 'blk.#.ffn_gate',
  'layers.#.mlp.up_proj': 'blk.#.ffn_up',
  'layers.#.mlp.down_proj': 'blk.#.ffn_down',
};
const HEAD = { lm_head: 'output' };

export const GGUF_ARCHITECTURES: Readonly<Record<GgufArch, GgufArchitecture>> = {
  llama: architecture({ ...ATTENTION, ...GATED, ...HEAD }, ['blk.#.attn_q', 'blk.#.attn_k']),
  qwen2: architecture({ ...ATTENTION, ...GATED, ...HEAD }),
  qwen3: architecture({ ...ATTENTION, ...GATED, ...HEAD }),
  // the head of these is the embedding
  gemma: architecture({ ...ATTENTION, ...GATED }),
  gemma2: architecture({ ...ATTENTION, ...GATED }),
  gemma3: architecture({ ...ATTENTION, ...GATED }),
  phi3: architecture({
    'layers.#.self_attn.qkv_proj': 'blk.#.attn_qkv',
    'layers.#.self_attn.o_proj': 'blk.#.attn_output',
    'layers.#.mlp.gate_up_proj': 'blk.#.ffn_up',
    'layers.#.mlp.down_proj': 'blk.#.ffn_down',
    ...HEAD,
  }),
  bert: architecture({
    'layer.#.attention.self.query': 'blk.#.attn_q',
    'layer.#.attention.self.key': 'blk.#.attn_k',
    'layer.#.attention.self.value': 'blk.#.attn_v',
    'layer.#.attention.output.dense': 'blk.#.attn_output',
    'layer.#.intermediate.dense': 'blk.#.ffn_up',
    'layer.#.output.dense': 'blk.#.ffn_down',
  }),
  gpt2: architecture({
    'h.#.attn.c_attn': 'blk.#.attn_qkv',
    'h.#.attn.c_proj': 'blk.#.attn_output',
    'h.#.mlp.c_fc': 'blk.#.ffn_up',
    'h.#.mlp.c_proj': 'blk.#.ffn_down',
    ...HEAD,
  }),
};

/** The tensor of llama.cpp for a module, without `.weight`, and whether its rows are interleaved; null where it has none. */
export function ggufTensor(
  { layers, interleaved }: GgufArchitecture,
  module: string,
): { readonly name: string; readonly interleaved: boolean } | null {
  for (const [end, tensor] of layers) {
    const [before, after] = end.split('#') as [string, string | undefined];
    const pattern = after === undefined ? literal(end) : `${literal(before)}(0|[1-9]\\d*)${literal(after)}`;
    const found = new RegExp(`(?:^|\\.)${pattern}$`).exec(module);
    if (found) return { name: tensor.replace('#', found[1] ?? ''), interleaved: interleaved.has(tensor) };
  }
  return null;
}

/** The end of the module path for a tensor of llama.cpp without `.weight`; null for others. */
export function ggufModule(
  { layers, interleaved }: GgufArchitecture,
  name: string,
): { readonly module: string; readonly interleaved: boolean } | null {
  const number = /^blk\.(0|[1-9]\d*)\./.exec(name)?.[1];
  const wanted = number === undefined ? name : name.replace(/\d+/, '#');
  for (const [end, tensor] of layers)
    if (tensor === wanted)
      return { module: end.replace('#', number ?? ''), interleaved: interleaved.has(tensor) };
  return null;
}

/** The kinds of layers that have a place. */
export const takenBy = ({ layers }: GgufArchitecture): readonly string[] =>
  [...layers.keys()].map((end) => end.replace(/^.*#\./, ''));

const literal = (text: string): string => text.replaceAll('.', '\\.');
