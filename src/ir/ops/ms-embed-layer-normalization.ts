import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { affine, normalise } from './families/norm.js';
import { embedLayerNormVjp } from './gradients/norm.js';
import { fromIndex, nd, reduce } from './nd.js';
import { need, rule, tensorAt, typeOf } from './rules.js';

/** com.microsoft EmbedLayerNormalization: word + position (+ segment) embeddings, normalised; and the mask's lengths. */
export const MsEmbedLayerNormalization = op({
  name: 'com.microsoft::EmbedLayerNormalization',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const ids = tensorAt(ctx, 0)?.shape ?? null;
    const words = tensorAt(ctx, 2);
    const shape = ids && [...ids, words?.shape?.[1] ?? null];
    return {
      types: [typeOf(words?.dtype, shape), typeOf('i32', ids && [ids[0]!]), typeOf(words?.dtype, shape)],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const { epsilon } = attrsOf(node);
    const ids = need(inputs, 0);
    const [segments, words, positions, types] = [inputs[1], need(inputs, 2), need(inputs, 3), inputs[4]];
    const [batch, seq] = ids.shape as [number, number];
    const width = words.shape[1]!;
    const at = inputs[8];
    const sum = fromIndex([batch, seq, width], ([b, s, i]) => {
      const cell = b! * seq + s!;
      const position = at ? at.data[at.shape[0] === 1 ? s! : cell]! : s!;
      const segment = segments && types ? types.data[segments.data[cell]! * width + i!]! : 0;
      return words.data[ids.data[cell]! * width + i!]! + positions.data[position * width + i!]! + segment;
    });
    const y = affine(normalise(sum, 2, epsilon, true).y, need(inputs, 5), need(inputs, 6));
    const mask = inputs[7];
    const lengths = mask
      ? reduce(mask, [1], false, (v) => v.reduce((a, b) => a + b, 0))
      : nd([batch], new Float64Array(batch));
    return [y, lengths, sum];
  },
  vjp: embedLayerNormVjp,
});
