import { kernelTable } from './kernels.js';

/**
 * Kernels of the CUDA provider, from the list that ONNX Runtime publishes (docs/OperatorKernels.md), with the registrations
 * up to operator set 25 that came after it for Flatten, Identity, If, Loop, Scan, ConstantOfShape and Size. A kernel without
 * an end was registered for one version of its op: whether a later version has one too, the list does not say.
 */
export const CUDA_KERNELS = kernelTable(`
Abs 6-12 float int | 13 float bf16 int
Add 7-12 float wide | 13-13 float bf16 wide | 14 float bf16 int
And 7 bool
ArgMax 1-12 float | 13 float
ArgMin 1-12 float | 13 float
Attention 23-23 bf16 f16 f32 | 24 bf16 f16 f32
AveragePool 7-21 float | 22 float bf16
BatchNormalization 7-14 float | 15 float
Cast 6-22 any | 23 any
Ceil 6-12 float | 13 float
Clip 6-11 f32 | 12-12 float i64 i8 u64 u8 | 13 float i64 i8 u64 u8
Compress 9-10 any | 11 any
Concat 4-12 any | 13 any
ConstantOfShape 9-24 any | 25 any
Conv 1-21 float | 22 float bf16
ConvTranspose 1-10 float | 11 float
Cos 7 float
CumSum 11-13 f64 f32 wide | 14 float wide
DepthToSpace 1-12 float | 13 float
DequantizeLinear 10-20 i8 u8 | 21 i4 u4 i8 u8
Div 7-12 float wide | 13-13 float bf16 wide | 14 float bf16 int
Dropout 7-12 float | 13 float bf16
Einsum 12 float
Elu 6 float
Equal 7-10 bool i32 i64 | 11-12 bool float wide | 13 bool float wide
Erf 9-12 float | 13 float bf16
Exp 6-12 float | 13 float bf16
Expand 8-12 any | 13 any
EyeLike 9 any
Flatten 1-24 any | 25 any
Floor 6-12 float | 13 float
GRU 7-13 float | 14 float
Gather 1-12 any | 13 any
GatherElements 11-12 any | 13 any
GatherND 11-12 bool float i64 | 13 bool float bf16 i64
Gelu 20 float bf16
Gemm 7-12 float | 13 float bf16
GlobalAveragePool 1 float
GlobalMaxPool 1 float
Greater 7-8 float | 9-12 float wide | 13 float wide
GreaterOrEqual 12-15 float wide | 16 float wide
HardSigmoid 6-21 float | 22 float bf16
HardSwish 14-21 float | 22 float bf16
Identity 1-24 any | 25 any
If 1-24 any | 25 any
InstanceNormalization 6 float
IsInf 10-19 f64 f32 | 20 float bf16
IsNaN 9-12 float | 13-19 float bf16 | 20 float bf16
LSTM 7-13 float | 14 float
LayerNormalization 1-16 float bf16 | 17 float bf16
LeakyRelu 6-15 float | 16 float
Less 7-8 float | 9-12 float wide | 13 float wide
LessOrEqual 12-15 float wide | 16 float wide
Log 6-12 float | 13 float
LogSoftmax 1-12 float | 13 float
Loop 1-24 any | 25 any
MatMul 1-12 float | 13 float bf16
MatMulInteger 10 i8
Max 6-11 float bf16 | 12-12 float bf16 wide | 13 float bf16 wide
MaxPool 1-11 float | 12 float
Min 6-11 float bf16 | 12-12 float bf16 wide | 13 float bf16 wide
Mod 10-12 float wide | 13 float bf16 wide
Mul 7-12 float wide | 13-13 float bf16 wide | 14 float bf16 int
Neg 6-12 float i8 i16 i32 i64 | 13 float bf16 i8 i16 i32 i64
NonZero 9-12 bool f16 f32 i32 i64 u8 | 13 bool f16 f32 i32 i64 u8
Not 1 bool
OneHot@2 11 f16 f32 i64
Or 7 bool
PRelu 7-15 float | 16 float
Pad 2-12 float | 13-17 bool float | 18 bool float
Pow 7-11 float | 12-12 float i32 i64 | 13-14 float bf16 i32 i64 | 15 float bf16 i32 i64
QuantizeLinear 10-18 f32 | 19 f16 f32
RMSNormalization 23 float bf16
RNN 7-13 float | 14 float
Range 11 f32 f64 i16 i32 i64
Reciprocal 6-12 float | 13 float
ReduceL1 1-17 float i32 | 18 float i32
ReduceL2 1-17 float i32 | 18 float i32
ReduceLogSum 1-17 float | 18 float
ReduceLogSumExp 1-17 float | 18 float
ReduceMax 1-17 float i32 i64 | 18 float i32 i64
ReduceMean 1-17 float i32 | 18 float i32
ReduceMin 1-17 float i8 i32 i64 u8 | 18 float i8 i32 i64 u8
ReduceProd 1-17 float i32 | 18 float i32
ReduceSum 1-12 float i32 i64 | 13 float bf16 i32 i64
ReduceSumSquare 1-17 float | 18 float
Relu 6-12 float | 13-13 float bf16 | 14 float bf16
Reshape 1-22 any | 23 any
Resize 10-18 float i32 u8 | 19 float i32 u8
ReverseSequence 10 any
RotaryEmbedding 23 bf16 f16 f32
Round 11 float
Scan 8-24 any | 25 any
ScatterElements 11-17 any | 18 any
ScatterND 11-17 any | 18 any
Selu 6 float
Shape 1-22 any | 23 any
Shrink 9 float int
Sigmoid 6-12 float | 13 float bf16
Sign 13 float bf16 int
SimplifiedLayerNormalization 1 float bf16
Sin 7 float
Size 1-24 any | 25 any
Slice 1-12 any | 13 any
Softmax 1-12 float | 13 float bf16
Softplus 1 float
Softsign 1 float
SpaceToDepth 1-12 float | 13 float
Split 2-17 any | 18 any
Sqrt 6-12 float | 13 float bf16
Squeeze 1-22 any | 23 any
Sub 7-12 float wide | 13-13 float bf16 wide | 14 float bf16 int
Sum 6-12 float bf16 | 13 float bf16
Tanh 6-12 float | 13 float bf16
ThresholdedRelu 1-9 float | 10 float
Tile 6-12 float i32 i64 | 13 float bf16 i32 i64
TopK 1-10 float i32 i64 | 11 float i32 i64
Transpose 1-22 any | 23 any
Trilu 14 any
Unsqueeze 1-22 any | 23 any
Where@1 9-15 float i32 i64 u8 | 16 float bf16 i32 i64 u8
Xor 7 bool
com.microsoft::Attention 1 bf16 f16 f32
com.microsoft::BiasGelu 1 float bf16
com.microsoft::DequantizeLinear 1 i8 u8
com.microsoft::EmbedLayerNormalization 1 any
com.microsoft::FastGelu 1 float bf16
com.microsoft::FusedMatMul 1 float bf16
com.microsoft::Gelu 1 float bf16
com.microsoft::GroupQueryAttention 1 bf16 f16
com.microsoft::MatMulBnb4 1 bf16 f16 f32
com.microsoft::MatMulNBits 1 bf16 f16 f32
com.microsoft::MultiHeadAttention 1 bf16 f16 f32
com.microsoft::QuickGelu 1 float bf16
com.microsoft::RotaryEmbedding 1 bf16 f16 f32
com.microsoft::SkipLayerNormalization 1 bf16 f16 f32
com.microsoft::SkipSimplifiedLayerNormalization 1 bf16 f16 f32
com.microsoft::TransposeMatMul 1 float bf16
`);
