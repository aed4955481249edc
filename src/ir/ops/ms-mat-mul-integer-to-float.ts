import { type NdArray, op } from './define.js';
import { matmulShape, matrixCost } from './families/matrix.js';
import { matMulIntegerToFloatVjp } from './gradients/quantise.js';
import { matmul, zip } from './nd.js';
import { need, one, rule, shapeAt, tensorAt } from './rules.js';

/** com.microsoft MatMulIntegerToFloat: (a - zero point)(w - zero point) times both scales, plus a bias; those of w per column. */
export const MsMatMulIntegerToFloat = op({
  name: 'com.microsoft::MatMulIntegerToFloat',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) =>
    one(tensorAt(ctx, 2)?.dtype, matmulShape(node, tensorAt(ctx, 0)?.shape, tensorAt(ctx, 1)?.shape)),
  ),
  cost: (node) => {
    const [a, w] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(a, [a, w], matmulShape(node, a, w), 1);
  },
  value: (_, inputs): NdArray[] => {
    const centred = (at: number, zero: number): NdArray =>
      inputs[zero] ? zip([need(inputs, at), inputs[zero]], (v, z) => v! - z!) : need(inputs, at);
    const scale = zip([need(inputs, 2), need(inputs, 3)], (a, w) => a! * w!);
    const y = zip([matmul(centred(0, 4), centred(1, 5)), scale], (v, s) => v! * s!);
    return [inputs[6] ? zip([y, inputs[6]], (v, c) => v! + c!) : y];
  },
  vjp: matMulIntegerToFloatVjp,
  throughIntegers: true,
});
