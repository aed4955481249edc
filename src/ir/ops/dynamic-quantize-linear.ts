import { op } from './define.js';
import { dynamicQuantizeLinearVjp } from './gradients/quantise.js';
import { map, roundEven, scalar } from './nd.js';
import { need, rule, tensorAt, typeOf } from './rules.js';

/** DynamicQuantizeLinear: x in 8 unsigned bits, with the scale and zero point that its range (with 0) asks for. */
export const DynamicQuantizeLinear = op({
  name: 'DynamicQuantizeLinear',
  since: 11,
  straightThrough: [0],
  traits: ['pure'],
  infer: rule((_, ctx) => ({
    types: [typeOf('u8', tensorAt(ctx, 0)?.shape ?? null), typeOf('f32', []), typeOf('u8', [])],
  })),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const low = x.data.reduce((a, b) => Math.min(a, b), 0);
    const high = x.data.reduce((a, b) => Math.max(a, b), 0);
    const scale = (high - low) / 255 || 1;
    const clamp = (v: number): number => Math.min(255, Math.max(0, v));
    const zero = clamp(roundEven(-low / scale));
    return [map(x, (v) => clamp(roundEven(v / scale) + zero)), scalar(scale), scalar(zero)];
  },
  vjp: dynamicQuantizeLinearVjp,
});
