import { kernelTable } from './kernels.js';

/**
 * Kernels of the native WebGPU provider of ONNX Runtime 1.30, found by loading a model of one node for each op, type and
 * operator set and reading where it was placed. Cast, ConstantOfShape, DequantizeLinear, If and the last two contrib ops are read
 * in its source.
 */
export const WEBGPU_KERNELS = kernelTable(`
Abs 1 f16 f32
Acos 1-21 f16 f32
Acosh 1-21 f16 f32
Add 1 f16 f32 i32 u32
And 1 bool
Asin 1-21 f16 f32
Asinh 1-21 f16 f32
Atan 1-21 f16 f32
Atanh 1-21 f16 f32
Cast 6 bool f16 f32 i32 u32
Ceil 1 f16 f32
Clip 1 f16 f32 i32 u32
Concat 1 f16 f32 i32 u32
ConstantOfShape 9 any
Conv 1 f16 f32
Cos 1-21 f16 f32
Cosh 1-21 f16 f32
CumSum 11-13 f32 i32 u32 | 14 f16 f32 i32 u32
DequantizeLinear 10 i4 u4 i8 i32 u8
Div 1 f16 f32 i32 u32
Einsum 1 f16 f32
Elu 1-21 f16 f32
Equal 1 f16 f32 i32 u32
Erf 1 f16 f32
Exp 1 f16 f32
Expand 1 bool f16 f32 i32 u32
Flatten 1-22 bool f16 f32 i32 u32
Floor 1 f16 f32
Gather 1 bool f16 f32 i32 u32
GatherElements 1 f16 f32
GatherND 1 f16 f32 i32 u32
Gelu 20 f16 f32
Gemm 1 f16 f32 i32 u32
GlobalAveragePool 1-21 f16 f32
Greater 1 f16 f32 i32 u32
GreaterOrEqual 1 f16 f32 i32 u32
HardSigmoid 1-21 f16 f32
HardSwish 14-21 f16 f32
Identity 1 f16 f32 i32 u32
If 1 any
InstanceNormalization 1 f16 f32
LayerNormalization 17 f16 f32
LeakyRelu 1 f16 f32
Less 1 f16 f32 i32 u32
LessOrEqual 1 f16 f32 i32 u32
Log 1 f16 f32
MatMul 1 f16 f32
Max 1 f16 f32 i32 u32
Min 1 f16 f32 i32 u32
Mul 1 f16 f32 i32 u32
Neg 1 f16 f32
Not 1 bool
PRelu 1 f16 f32
Pad 1 f16 f32 i32 u32
Pow 1 f16 f32 i32
RMSNormalization 23 f16 f32
Range 1 f32 i32
Reciprocal 1 f16 f32
ReduceL1 1 f16 f32 i32 u32
ReduceL2 1 f16 f32 i32 u32
ReduceLogSum 1 f16 f32 i32 u32
ReduceLogSumExp 1 f16 f32 i32 u32
ReduceMax 1 f16 f32 i32 u32
ReduceMean 1 f16 f32 i32 u32
ReduceMin 1 f16 f32 i32 u32
ReduceProd 1 f16 f32 i32 u32
ReduceSum 1 f16 f32 i32 u32
ReduceSumSquare 1 f16 f32 i32 u32
Relu 1 f16 f32
Reshape 1 bool f16 f32 i32 u32
RotaryEmbedding 23 f16 f32
ScatterElements 1 f16 f32 i32 u32
ScatterND 1 f16 f32 i32 u32
Shape 1 any
Sigmoid 1 f16 f32
SimplifiedLayerNormalization 1 f16 f32
Sin 1-21 f16 f32
Sinh 1-21 f16 f32
Slice 1 f16 f32
Softmax 1 f16 f32
Split 1 f16 f32 i32 u32
Sqrt 1 f16 f32
Squeeze 1 f16 f32 i32 u32
Sub 1 f16 f32 i32 u32
Tan 1-21 f16 f32
Tanh 1 f16 f32
ThresholdedRelu 1-21 f16 f32
Tile 1 f16 f32 i32 u32
TopK 1 f16 f32
Transpose 1 f16 f32 i32 u32
Trilu 14 f16 f32 i32 u32
Unsqueeze 1 bool f16 f32 i32 u32
Where@1 1 bool f16 f32 i32 u32
com.microsoft::Attention 1 f16 f32
com.microsoft::BiasGelu 1 f16 f32
com.microsoft::FastGelu 1 f16 f32
com.microsoft::Gelu 1 f16 f32
com.microsoft::GroupQueryAttention 1 f16 f32
com.microsoft::MatMulBnb4 1 f16 f32
com.microsoft::MatMulNBits 1 f16 f32
com.microsoft::MultiHeadAttention 1 f16 f32
com.microsoft::QuickGelu 1 f16 f32
com.microsoft::RotaryEmbedding 1 f16 f32
com.microsoft::SkipLayerNormalization 1 f16 f32
com.microsoft::SkipSimplifiedLayerNormalization 1 f16 f32`);
