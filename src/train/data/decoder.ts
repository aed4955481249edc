import type { GraphSignature, Port } from '../signature.js';

/** The input of a decoder's token ids; null for models without one. */
export function decoderOf(graph: GraphSignature): Port | null {
  return graph.inputs.find(({ role, name }) => role === 'batch' && /decoder.*ids$/i.test(name)) ?? null;
}
