import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { joinHeads, rotate, splitHeads } from './families/attention.js';
import { rotaryVjp } from './gradients/rotary.js';
import { need, one, rankIn, rule, tensorAt } from './rules.js';

/**
 * com.microsoft RotaryEmbedding: as the standard one, with position_ids (batch, seq) or one offset for all. ONNX Runtime's
 * kernel (1.30) reads the attribute `scale` and does not use it.
 */
export const MsRotaryEmbedding = op({
  name: 'com.microsoft::RotaryEmbedding',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 3, 4, 'the input');
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const [given, ids, cos, sin] = [0, 1, 2, 3].map((index) => need(inputs, index));
    const a = attrsOf(node);
    if (a.is_packed_batching) throw new Error('packed batches have no reference');
    const cached = cos!.shape[1]!;
    const size = a.rotary_embedding_dim ? given!.shape.at(-1)! / a.num_heads : 2 * cached;
    const flat = given!.shape.length === 3;
    const x = flat ? splitHeads(given!, given!.shape[2]! / size) : given!;
    const seq = x.shape[2]!;
    const y = rotate(x, cached, a.interleaved === 1, (b, s, pair) => {
      const row = ids!.data.length === 1 ? ids!.data[0]! + s : ids!.data[b * seq + s]!;
      return [cos!.data[row * cached + pair]!, sin!.data[row * cached + pair]!];
    });
    return [flat ? joinHeads(y) : y];
  },
  vjp: rotaryVjp(3),
});
