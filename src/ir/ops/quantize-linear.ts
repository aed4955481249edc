import { dtypeFromOnnx } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { RANGES, spread } from './families/quantise.js';
import { quantizeLinearVjp } from './gradients/quantise.js';
import { roundEven, zip } from './nd.js';
import { attrs, axisIn, dtypeAt, need, one, rule, tensorAt } from './rules.js';

/** QuantizeLinear: round(x / scale) + zero point, ties to even, held in the range of the result's type. */
export const QuantizeLinear = op({
  name: 'QuantizeLinear',
  since: 10,
  straightThrough: [0],
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const { output_dtype } = attrs(node, ctx);
    const zero = tensorAt(ctx, 2)?.dtype;
    const dtype = node.inputs[2] ? zero : output_dtype ? dtypeFromOnnx(output_dtype) : 'u8';
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis = 1, block_size = 0, output_dtype } = attrsOf(node);
    const dtype = dtypeAt(node, 2) ?? (output_dtype ? dtypeFromOnnx(output_dtype) : 'u8');
    const range = RANGES[dtype];
    if (!range) throw new Error(`QuantizeLinear to ${dtype} has no reference`);
    const at = need(inputs, 1).data.length === 1 ? 0 : axisIn(node, axis, x.shape.length);
    const parts = [x, spread(need(inputs, 1), x.shape, at, block_size)];
    if (inputs[2]) parts.push(spread(inputs[2], x.shape, at, block_size));
    return [zip(parts, (v, s, z = 0) => Math.min(range[1], Math.max(range[0], roundEven(v! / s!) + z)))];
  },
  vjp: quantizeLinearVjp,
});
