import type { Node } from '../../ir/model.js';
import type { LinearFacts } from '../../ir/ops/core/define.js';
import { allOpDefs } from '../../ir/ops/index.js';
import { INTEGER_PRODUCT, integerLayer } from './integer-layer.js';

/** An operator that multiplies by a weight in its own way; without `keeps` an adapter reads x and adds to y. */
export interface SpecialLinear extends LinearFacts {
  /** why a node cannot take one although others of its kind can; null when it can */
  readonly unless?: (node: Node) => string | null;
  /** the node that delivers the layer's result, when it is another */
  readonly result?: (node: Node) => Node;
}

const PACKED = 'keeps its weight packed in few bits';
const INTEGER = 'multiplies integers';
const FUSED = 'does more than the product in one step';
const EXPERTS = 'multiplies by the stacked matrices of its experts inside the operator';
const ATTENTION = 'projects query, key and value inside the operator';

/** What a convolution of groups of channels does. */
export const BY_GROUPS = 'is a convolution by groups of channels';

/** Operators that lotrc has no declaration of. */
const UNDECLARED: readonly (readonly [string, SpecialLinear])[] = [
  ['QLinearMatMul', { weight: 3, keeps: INTEGER }],
  ['com.microsoft::MatMulFpQ4', { weight: 1, keeps: PACKED }],
  ['com.microsoft::MatMulInteger16', { weight: 1, keeps: INTEGER }],
  ['com.microsoft::QGemm', { weight: 3, keeps: INTEGER }],
  ['com.microsoft::GemmFloat8', { weight: 1, keeps: PACKED }],
  ['com.microsoft::FusedMatMulActivation', { weight: 1, keeps: FUSED }],
  ['com.microsoft::TransposeMatMul', { weight: 1, keeps: FUSED }],
  ['com.microsoft::GemmFastGelu', { weight: 1, keeps: FUSED }],
  ['com.microsoft::QAttention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::PackedAttention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::DecoderMaskedSelfAttention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::MoE', { weight: 2, more: [4, 6], keeps: EXPERTS }],
  ['com.microsoft::QMoE', { weight: 2, more: [5, 8], keeps: EXPERTS }],
];

/** A product of integers is a layer together with the nodes around it. */
const WITH_OTHERS: Partial<SpecialLinear> = {
  unless: (node) => (integerLayer(node) ? null : INTEGER),
  result: (node) => integerLayer(node)?.tail[1] ?? node,
};

/** Linear operators besides matrix products and convolutions that take an adapter as they are. */
const TABLE: ReadonlyMap<string, SpecialLinear> = new Map([
  ...allOpDefs().flatMap(({ name, linear }): (readonly [string, SpecialLinear])[] =>
    linear && (!linear.form || linear.keeps)
      ? [[name, name === INTEGER_PRODUCT ? { ...linear, ...WITH_OTHERS } : linear]]
      : [],
  ),
  ...UNDECLARED,
]);

/** The row for a node, or null when it is not such an operator. */
export function specialLinear(node: Node): SpecialLinear | null {
  return TABLE.get(node.opKey) ?? null;
}
