import { type NdArray, op } from './define.js';
import { DynamicQuantizeLinear } from './dynamic-quantize-linear.js';
import { matmulShape, matrixCost } from './families/matrix.js';
import { dynamicQuantizeMatMulVjp } from './gradients/quantise.js';
import { matmul, zip } from './nd.js';
import { need, one, rule, shapeAt, tensorAt } from './rules.js';

/**
 * com.microsoft DynamicQuantizeMatMul: x rounded to 8 bits as DynamicQuantizeLinear does, times (w - zero point) * scale with
 * scale and zero point per column, plus a bias.
 */
export const MsDynamicQuantizeMatMul = op({
  name: 'com.microsoft::DynamicQuantizeMatMul',
  domain: 'com.microsoft',
  since: 1,
  straightThrough: [0],
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, matmulShape(node, x?.shape, tensorAt(ctx, 1)?.shape));
  }),
  cost: (node) => {
    const [x, w] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(x, [x, w], matmulShape(node, x, w), 1);
  },
  value: (node, inputs): NdArray[] => {
    const [x, w, scale, zero, bias] = [
      need(inputs, 0),
      need(inputs, 1),
      need(inputs, 2),
      inputs[3],
      inputs[4],
    ];
    const [codes, step, point] = DynamicQuantizeLinear.value!(node as never, [x]) as [
      NdArray,
      NdArray,
      NdArray,
    ];
    const rounded = zip([codes, step, point], (q, s, z) => (q! - z!) * s!);
    const centred = zero ? zip([w, zero], (v, z) => v! - z!) : w;
    const y = matmul(
      rounded,
      zip([centred, scale], (v, s) => v! * s!),
    );
    return [bias ? zip([y, bias], (v, c) => v! + c!) : y];
  },
  vjp: dynamicQuantizeMatMulVjp,
});
