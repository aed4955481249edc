import type { Node } from '../../ir/model.js';

/** An operator that multiplies by a weight in its own way: which input holds the weight. */
export interface OtherOp {
  readonly weight: number;
  /** why it cannot take an adapter, completes "QGemm ..."; null: the adapter stands beside it, reads x and adds to y */
  readonly keeps: string | null;
  /** attributes that give in and out where the weight's own shape does not */
  readonly extents?: readonly [string, string];
}

const PACKED = 'keeps its weight packed in few bits';
const INTEGER = 'multiplies integers';
const FUSED = 'does more than the product in one step';
const ATTENTION = 'projects query, key and value inside the operator';

/** Linear operators besides MatMul and Gemm, of ONNX and of ONNX Runtime's com.microsoft domain. */
const TABLE: ReadonlyMap<string, OtherOp> = new Map([
  ['MatMulInteger', { weight: 1, keeps: INTEGER }],
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
]);

/** The row for a node, or null when it is no such operator. */
export function otherLinear(node: Node): OtherOp | null {
  return TABLE.get(node.opKey) ?? null;
}
