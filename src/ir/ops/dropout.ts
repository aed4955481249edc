import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { dropoutVjp } from './gradients/elementwise.js';
import { map } from './nd.js';
import { need, rule, tensorAt, typeOf } from './rules.js';

/** Dropout. The mask is boolean from version 10 on; training mode is random, so only inference mode has a reference. */
export const Dropout = op(
  [
    op({
      name: 'Dropout',
      since: 1,
      until: 9,
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        return { types: node.outputs.map(() => typeOf(x?.dtype, x?.shape ?? null)) };
      }),
      value: (_, inputs): NdArray[] => [need(inputs, 0), map(need(inputs, 0), () => 1)],
    }),
    op({
      name: 'Dropout',
      since: 10,
      infer: rule((_, ctx) => {
        const x = tensorAt(ctx, 0);
        const shape = x?.shape ?? null;
        return { types: [typeOf(x?.dtype, shape), typeOf(x && 'bool', shape)] };
      }),
      value: (node, inputs): NdArray[] => {
        const ratio = inputs[1]?.data[0] ?? attrsOf(node).ratio ?? 0.5;
        if (inputs[2]?.data[0] && ratio !== 0) throw new Error('Dropout in training mode is random');
        return [need(inputs, 0), map(need(inputs, 0), () => 1)];
      },
    }),
  ],
  { vjp: dropoutVjp },
);
