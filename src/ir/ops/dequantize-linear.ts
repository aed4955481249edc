import { dtypeFromOnnx } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { spread } from './families/quantise.js';
import { dequantizeLinearVjp } from './gradients/quantise.js';
import { zip } from './nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from './rules.js';

/** DequantizeLinear: (x - zero point) * scale, per tensor, per index of `axis`, or per block along it. */
export const DequantizeLinear = op({
  name: 'DequantizeLinear',
  since: 10,
  traits: ['pure'],
  // products with 4-bit and 8-bit weights become MatMulNBits, which by default rounds activations to 8 bits
  session: { 'session.qdq_matmulnbits_accuracy_level': '1' },
  infer: rule((node, ctx) => {
    const { output_dtype } = attrs(node, ctx);
    const dtype = output_dtype ? dtypeFromOnnx(output_dtype) : tensorAt(ctx, 1)?.dtype;
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis = 1, block_size = 0 } = attrsOf(node);
    const at = need(inputs, 1).data.length === 1 ? 0 : axisIn(node, axis, x.shape.length);
    const scale = spread(need(inputs, 1), x.shape, at, block_size);
    if (!inputs[2]) return [zip([x, scale], (v, s) => v! * s!)];
    return [zip([x, scale, spread(inputs[2], x.shape, at, block_size)], (v, s, z) => (v! - z!) * s!)];
  },
  vjp: dequantizeLinearVjp,
  throughIntegers: true,
});
