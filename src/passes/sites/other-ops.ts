import type { Node } from '../../ir/model.js';
import { INTEGER_PRODUCT, integerLayer } from '../adapters/integer-layer.js';

/** An operator that multiplies by a weight in its own way: which input holds the weight. */
export interface OtherOp {
  readonly weight: number;
  /** inputs that hold other weights */
  readonly more?: readonly number[];
  /** why it cannot take an adapter, completes "QGemm ..."; null: the adapter is parallel to it, reads x and adds to y */
  readonly keeps: string | null;
  /** what it is when it is not a linear layer, completes "it ..." */
  readonly does?: string;
  /** why a node cannot take one although others of its kind can; null when it can */
  readonly unless?: (node: Node) => string | null;
  /** the node that delivers the layer's result, when it is another */
  readonly result?: (node: Node) => Node;
  /** attributes that give in and out where the weight's own shape does not */
  readonly extents?: readonly [string, string];
}

const PACKED = 'keeps its weight packed in few bits';
const INTEGER = 'multiplies integers';
const FUSED = 'does more than the product in one step';
const EXPERTS = 'multiplies by the stacked matrices of its experts inside the operator';
const ATTENTION = 'projects query, key and value inside the operator';

/** What a convolution of groups of channels does. */
export const BY_GROUPS = 'is a convolution by groups of channels';

const RECURRENT: OtherOp = {
  weight: 1,
  more: [2],
  keeps: null,
  does: 'is recurrent: its weights are multiplied inside the operator',
};

/** Linear operators besides MatMul and Gemm, of ONNX and of ONNX Runtime's com.microsoft domain. */
const TABLE: ReadonlyMap<string, OtherOp> = new Map<string, OtherOp>([
  [
    INTEGER_PRODUCT,
    {
      weight: 1,
      keeps: null,
      unless: (node) => (integerLayer(node) ? null : INTEGER),
      result: (node) => integerLayer(node)?.tail[1] ?? node,
    },
  ],
  ['QLinearMatMul', { weight: 3, keeps: INTEGER }],
  ['com.microsoft::MatMulNBits', { weight: 1, keeps: null, extents: ['K', 'N'] }],
  ['com.microsoft::MatMulBnb4', { weight: 1, keeps: null, extents: ['K', 'N'] }],
  ['com.microsoft::MatMulFpQ4', { weight: 1, keeps: PACKED }],
  ['com.microsoft::MatMulInteger16', { weight: 1, keeps: INTEGER }],
  ['com.microsoft::MatMulIntegerToFloat', { weight: 1, keeps: INTEGER }],
  ['com.microsoft::DynamicQuantizeMatMul', { weight: 1, keeps: null }],
  ['com.microsoft::QGemm', { weight: 3, keeps: INTEGER }],
  ['com.microsoft::GemmFloat8', { weight: 1, keeps: PACKED }],
  ['com.microsoft::FusedMatMulActivation', { weight: 1, keeps: FUSED }],
  ['com.microsoft::TransposeMatMul', { weight: 1, keeps: FUSED }],
  ['com.microsoft::FusedGemm', { weight: 1, keeps: FUSED }],
  ['com.microsoft::GemmFastGelu', { weight: 1, keeps: FUSED }],
  ['com.microsoft::Attention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::QAttention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::PackedAttention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::DecoderMaskedSelfAttention', { weight: 1, keeps: ATTENTION }],
  ['com.microsoft::MoE', { weight: 2, more: [4, 6], keeps: EXPERTS }],
  ['com.microsoft::QMoE', { weight: 2, more: [5, 8], keeps: EXPERTS }],
  ['LSTM', RECURRENT],
  ['GRU', RECURRENT],
  ['RNN', RECURRENT],
  ['ConvTranspose', { weight: 1, keeps: null, does: 'is a transposed convolution' }],
]);

/** The row for a node, or null when it is not such an operator. */
export function otherLinear(node: Node): OtherOp | null {
  return TABLE.get(node.opKey) ?? null;
}
