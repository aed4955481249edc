import type { DType } from '../dtype.js';
import { f32Tensor, i64Tensor, type TensorData } from '../tensor.js';
import { attrsOf } from './attrs.js';
import type { AttrsOf } from './define.js';
import { op } from './define.js';
import { nd } from './nd.js';
import { attrs, one, rule } from './rules.js';
import { intsOf, ndOf } from './tensor-values.js';

/** Constant: the tensor that an attribute holds. */
export const Constant = op({
  name: 'Constant',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const tensor = tensorOf(a);
    if (tensor) return one(tensor.dtype, tensor.shape, intsOf(tensor));
    const [dtype, shape] = stringsOf(a);
    return one(dtype, shape);
  }),
  value: (node) => {
    const tensor = tensorOf(attrsOf(node));
    const value = tensor && ndOf(tensor);
    if (!value) throw new Error('the constant has no numbers');
    return [nd(value.shape, value.data)];
  },
});

/** The data of a Constant node's attributes; null for strings and sparse tensors. */
export function tensorOf(a: AttrsOf<'Constant'>): TensorData | null {
  if (a.value) return a.value;
  if (a.value_float !== undefined) return f32Tensor([], [a.value_float]);
  if (a.value_floats) return f32Tensor([a.value_floats.length], a.value_floats);
  if (a.value_int !== undefined) return i64Tensor([], [Math.trunc(a.value_int)]);
  return a.value_ints ? i64Tensor([a.value_ints.length], a.value_ints.map(Math.trunc)) : null;
}

function stringsOf(a: AttrsOf<'Constant'>): [DType | null, number[] | null] {
  if (a.value_string !== undefined) return ['string', []];
  return a.value_strings ? ['string', [a.value_strings.length]] : [null, null];
}
