import { attrInt } from '../attr.js';
import { type DType, dtypeBits, dtypeFromOnnx, dtypeFromText, dtypeToOnnx, isFloat } from '../dtype.js';
import { attrsOf } from './core/attrs.js';
import { type NdArray, op } from './core/define.js';
import type { Ints } from './core/dims.js';
import { constantOf, constantScalar, input, keepWhere, unaryVjp, type Vjp } from './core/gradient.js';
import { map } from './core/nd.js';
import { attrs, dtypeAt, need, one, rule, tensorAt, typeOf } from './core/rules.js';
import { isInteger } from './core/tensor-values.js';

/** Ops that hand on their input: as it is, in another element type, or with elements dropped. */

/** Identity: y = x, of any type. */
export const Identity = op({
  name: 'Identity',
  since: 1,
  traits: ['pure', 'elementwise', 'linear'],
  elements: 'kept',
  weightStep: 'same',
  infer: rule((_, ctx) => ({ types: [ctx.type(0)], ints: [ctx.ints(0)] })),
  value: (_, inputs) => [need(inputs, 0)],

  vjp: unaryVjp((_b, dy) => dy),
  throughIntegers: true,
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Integer contents after a cast: kept between integer types; what overflows is not followed. */
function castInts(values: Ints | null, to: DType): Ints | null {
  if (!values || !isInteger(to)) return null;
  return to === 'bool' ? values.map((v) => (typeof v === 'number' ? Number(v !== 0) : null)) : values;
}

function castNd(x: NdArray, to: DType): NdArray {
  if (to === 'bool') return map(x, (v) => (v === 0 ? 0 : 1));
  if (to === 'f32') return map(x, Math.fround);
  if (isFloat(to)) return x;
  // the specification leaves values out of range open; infinities saturate, as on common hardware
  const limit = 2 ** (dtypeBits(to) - 1);
  return map(x, (v) => (Number.isFinite(v) ? Math.trunc(v) : Math.sign(v) * limit));
}

/** Between float types: the gradient is cast back. To integers there is none. */
const castVjp: Vjp = (b, node, [dy]) => {
  const from = input(node, 0).type;
  if (from?.kind !== 'tensor') return { because: 'the type of its input is unknown', at: node };
  // integers that represent rounded numbers: their gradient is floating point already
  if (!isFloat(from.dtype)) return [dy!, null];
  return [b.one('Cast', [dy!], { to: attrInt(dtypeToOnnx(from.dtype)) }), null];
};

/** Cast: the same value in another element type; floats lose their fraction on the way to integers. */
export const Cast = op({
  name: 'Cast',
  since: 6,
  traits: ['pure', 'elementwise'],
  elements: 'kept',
  weightStep: 'cast',
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const { to } = attrs(node, ctx);
    if (typeof to !== 'number') return one(null, null);
    const dtype = dtypeFromOnnx(to);
    return one(dtype, x?.shape ?? null, castInts(ctx.ints(0), dtype));
  }),
  value: (node, inputs) => {
    const { to } = attrsOf(node);
    return [castNd(need(inputs, 0), dtypeFromOnnx(Number(to)))];
  },
  vjp: castVjp,
  throughIntegers: true,
  cases: [
    { inputs: ['float[3] {1.7, -2.7, 0}'], attrs: { to: 7 }, gradient: [] },
    { inputs: ['float[3] {1.7, -2.7, 0}'], attrs: { to: 9 }, gradient: [] },
    { inputs: ['float[3,5]'], attrs: { to: 11 } },
  ],
});

/** Cast before version 6: the element type is a word ("FLOAT"). */
export const CastV1 = op({
  name: 'Cast',
  since: 1,
  until: 5,
  traits: ['pure', 'elementwise'],
  infer: rule((node, ctx) => {
    const { to } = attrs(node, ctx);
    const dtype = typeof to === 'string' ? dtypeFromText(to.toLowerCase()) : null;
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null, dtype && castInts(ctx.ints(0), dtype));
  }),
});

/** CastLike: the first input in the element type of the second. */
export const CastLike = op({
  name: 'CastLike',
  since: 15,
  traits: ['pure', 'elementwise'],
  elements: 'kept',
  infer: rule((_, ctx) => {
    const dtype = tensorAt(ctx, 1)?.dtype;
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null, dtype && castInts(ctx.ints(0), dtype));
  }),
  value: (node, inputs) => [castNd(need(inputs, 0), dtypeAt(node, 1) ?? 'f64')],
  vjp: castVjp,
  cases: [{ inputs: ['float[2]', 'int64[1]'], gradient: [] }, { inputs: ['float[3,5]', 'const double[1]'] }],
});

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
  {
    /** Dropout: dx = dy mask / (1 - ratio) in training mode, from the mask that this run drew; identity in inference. */
    vjp: (b, node, [dy]) => {
      const training = node.inputs[2] ? constantOf(node.inputs[2]) : null;
      const inference = !node.inputs[2] || training?.bytes()[0] === 0;
      if (inference) return [dy!, null, null];
      const ratio = node.inputs[1] ? constantScalar(node.inputs[1]) : 0.5;
      if (ratio === null) return { because: 'its ratio is not a constant', at: node };
      const mask =
        node.outputs[1] ?? node.addOutput(b.graph.names.freshValue(`${node.outputs[0]!.name}/mask`));
      const y = node.outputs[0]!;
      const kept = keepWhere(b, mask, dy!, y);
      return [ratio === 0 ? kept : b.mul(kept, b.scalar(1 / (1 - ratio), y)), null, null];
    },
    cases: [
      { inputs: ['float[2,5]'], outputs: 2 },
      { inputs: ['float[3,5]'], opset: 9, attrs: { ratio: 0.25 } },
    ],
  },
);
