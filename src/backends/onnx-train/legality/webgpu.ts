import type { Legality } from '../legality.js';

/** Kernels of the native WebGPU provider of ONNX Runtime 1.30 that training graphs may use (read in its source). */
const KERNELS = new Set(
  (
    'Abs Add And Cast Ceil Clip Concat Constant ConstantOfShape Conv Cos CumSum DequantizeLinear Div Einsum Equal Erf ' +
    'Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual Identity ' +
    'If InstanceNormalization LayerNormalization Less LessOrEqual Log MatMul Max Min Mul Neg Not Pad Pow Range ' +
    'RMSNormalization Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ' +
    'ReduceSum ReduceSumSquare Relu Reshape RotaryEmbedding ScatterElements ScatterND Shape Sigmoid SimplifiedLayerNormalization Sin ' +
    'Size Slice Softmax Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Trilu Unsqueeze Where'
  ).split(' '),
);
const CONTRIB = new Set(
  (
    'Attention BiasGelu FastGelu Gelu GroupQueryAttention MatMulBnb4 MatMulNBits MultiHeadAttention QuickGelu ' +
    'RotaryEmbedding SkipLayerNormalization SkipSimplifiedLayerNormalization'
  ).split(' '),
);

/**
 * WGSL allows sin and cos an absolute error of 2^-11, and drivers use it: rotary positions then spoil gradients in the
 * fourth digit (measured on SwiftShader, 6e-4). These are cheap: angles are positions x half a head, once per run.
 */
export const COARSE: ReadonlySet<string> = new Set(['Cos', 'Sin']);

/** The native WebGPU provider: no Loop, Scan, OneHot, LogSoftmax, Or, Xor, IsNaN, IsInf, Sign, Mod, Dropout. */
export const WEBGPU: Legality = (opKey, outputs) => {
  const contrib = opKey.startsWith('com.microsoft::');
  const known = contrib ? CONTRIB.has(opKey.slice('com.microsoft::'.length)) : KERNELS.has(opKey);
  if (!known) return 'it has no kernel there';
  const statistics = opKey === 'com.microsoft::SkipLayerNormalization' && (outputs[1] || outputs[2]);
  return statistics ? 'its outputs 1 and 2 are not written there' : null;
};
