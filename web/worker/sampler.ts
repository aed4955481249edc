import type * as Ort from 'onnxruntime-web';
import { encodeModel, type Model } from '../../src/core.js';
import { continued } from '../../src/train/continued.js';
import type { Tokenizer } from '../../src/train/data/tokenizer.js';

/** What texts begin with, and how many tokens follow. */
const PROMPT = 'In the year ';
const TOKENS = 160;

/** Continues a text with a model that reads ids alone and writes the next token; null for other models and tokenizers. */
export async function sampleOf(
  ort: typeof Ort,
  model: Model,
  tokenizer: Tokenizer,
  context: number,
): Promise<string | null> {
  const inputs = model.graph.inputs.filter(({ name }) => name !== '');
  const [ids] = inputs;
  const dtype = ids?.type?.kind === 'tensor' ? ids.type.dtype : null;
  if (!tokenizer.textOf || inputs.length !== 1 || (dtype !== 'i64' && dtype !== 'i32')) return null;
  const session = await ort.InferenceSession.create(encodeModel(model), { executionProviders: ['wasm'] });
  try {
    const next = async (seen: readonly number[]): Promise<Float32Array> => {
      const data = dtype === 'i64' ? BigInt64Array.from(seen, BigInt) : Int32Array.from(seen);
      const tensor = new ort.Tensor(dtype === 'i64' ? 'int64' : 'int32', data as never, [1, seen.length]);
      const results = await session.run({ [ids!.name]: tensor });
      const { data: logits, dims } = results[session.outputNames[0]!]!;
      return (logits as Float32Array).subarray(-dims.at(-1)!);
    };
    const made = await continued(next, tokenizer.plain(PROMPT), TOKENS, context);
    return tokenizer.textOf(made);
  } finally {
    await session.release();
  }
}
