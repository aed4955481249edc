import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { joinHeads, rotate, splitHeads } from './families/attention.js';
import { rotaryVjp } from './gradients/rotary.js';
import { need, one, rankIn, rule, tensorAt } from './rules.js';

/**
 * RotaryEmbedding: pairs of each head's elements rotated by position. x is (batch, heads, seq, d) or
 * (batch, seq, heads*d); caches are (positions, half) with position_ids (batch, seq), or (batch, seq, half) without.
 */
export const RotaryEmbedding = op({
  name: 'RotaryEmbedding',
  since: 23,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 3, 4, 'the input');
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const given = need(inputs, 0);
    const a = attrsOf(node);
    const flat = given.shape.length === 3;
    const x = flat ? splitHeads(given, a.num_heads!) : given;
    const half = (a.rotary_embedding_dim || x.shape[3]!) / 2;
    const [cos, sin, ids] = [need(inputs, 1), need(inputs, 2), inputs[3]];
    const seq = x.shape[2]!;
    const y = rotate(x, half, a.interleaved === 1, (b, s, pair) => {
      const cell = (cos.shape.length === 3 && cos.shape[0] === 1 ? 0 : b) * seq + s;
      const row = ids ? ids.data[(ids.shape[0] === 1 ? 0 : b) * seq + s]! : cell;
      return [cos.data[row * half + pair]!, sin.data[row * half + pair]!];
    });
    return [flat ? joinHeads(y) : y];
  },
  vjp: rotaryVjp(2),
});
