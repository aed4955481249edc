import { type DType, dtypeBits, dtypeFromOnnx, isFloat } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import type { Ints } from './dims.js';
import { castVjp } from './gradients/elementwise.js';
import { map } from './nd.js';
import { attrs, need, one, rule, tensorAt } from './rules.js';
import { isInteger } from './tensor-values.js';

/** Cast: the same value in another element type; floats lose their fraction on the way to integers. */
export const Cast = op({
  name: 'Cast',
  since: 6,
  traits: ['pure', 'elementwise'],
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
});

/** Integer contents after a cast: kept between integer types; what overflows is not followed. */
export function castInts(values: Ints | null, to: DType): Ints | null {
  if (!values || !isInteger(to)) return null;
  return to === 'bool' ? values.map((v) => (typeof v === 'number' ? Number(v !== 0) : null)) : values;
}

export function castNd(x: NdArray, to: DType): NdArray {
  if (to === 'bool') return map(x, (v) => (v === 0 ? 0 : 1));
  if (to === 'f32') return map(x, Math.fround);
  if (isFloat(to)) return x;
  // the specification leaves values out of range open; infinities saturate, as on common hardware
  const limit = 2 ** (dtypeBits(to) - 1);
  return map(x, (v) => (Number.isFinite(v) ? Math.trunc(v) : Math.sign(v) * limit));
}
