import { kernelTable } from './kernels.js';

/**
 * Kernels of the CPU provider, as the registry of ONNX Runtime 1.30 holds them. The wasm build has the same. Both compute
 * float16 in float32 where a kernel lacks it.
 */
export const CPU = kernelTable(`
Abs 6 int f32 f64
Acos 7 f32
Acosh 9 f32
Add 7-13 wide f32 f64 | 14 int f32 f64
AffineGrid 20 f32 f64
And 7 bool
ArgMax 1 f32 f64 i8 i32 i64 u8
ArgMin 1 f32 f64 i8 i32 i64 u8
Asin 7 f32
Asinh 9 f32
Atan 7 f32
Atanh 9 f32
Attention 23-24 f16 f32
AveragePool 7 f32
BatchNormalization 7 f32 f64
BitCast 26 any
BitShift 11-27 u8 u32 u64
BitwiseAnd 18 int
BitwiseNot 18 int
BitwiseOr 18 int
BitwiseXor 18 int
BlackmanWindow 17 i32 i64
Cast 6-27 any
Ceil 6 f32 f64
Celu 12-27 f32
Clip 6-11 f32 | 12 float wide i8 u8
Col2Im 18 f32
Compress 9 any
Concat 4 any
ConcatFromSequence 11 any
ConstantOfShape 9 any
Conv 1 f32
ConvInteger 10 i8 u8
ConvTranspose 1 f32
Cos 7 f32 f64
Cosh 9 f32
CumProd 26 wide f32 f64
CumSum 11 f32 f64 i32 i64
DFT 17 f32 f64
DeformConv 19 f32 f64
DepthToSpace 1-10 f32 f64 | 11-27 f32 f64 i8 u8
DequantizeLinear 10-20 i8 i32 u8 | 21-27 i4 u4 i8 i16 i32 u8 u16
Det 11 f32
Div 7-13 wide f32 f64 | 14 int f32 f64
Dropout 7-11 float | 12 f32 f64
DynamicQuantizeLinear 11 any
Einsum 12-27 f32 f64 i32 i64
Elu 6 f32
Equal 7-10 bool f32 f64 i32 i64 | 11 int bool f32 f64
Erf 9 f32
Exp 6 f32 f64
Expand 8 float int bool
EyeLike 9 any
Flatten 1 any
Floor 6 f32 f64
GRU 7 f32 f64
Gather 1 any
GatherElements 11 any
GatherND 11 any
Gelu 20 f32
Gemm 7 f32 f64
GlobalAveragePool 1 f32
GlobalLpPool 2 f32
GlobalMaxPool 1 f32
Greater 7-8 f32 f64 | 9 int f32 f64
GreaterOrEqual 12 int f32 f64
GridSample 16-19 f32 | 20 f32 f64
HammingWindow 17 i32 i64
HannWindow 17 i32 i64
HardSigmoid 6 f32
Hardmax 1 f32
Identity 1 any
If 1 any
InstanceNormalization 6 f32
IsInf 10-19 f32 f64 | 20 float bf16
IsNaN 9-19 float | 20 float bf16
LRN 1 f32
LSTM 7 f32 f64
LayerNormalization 1 float bf16
LeakyRelu 6 f32
Less 7-8 f32 f64 | 9 int f32 f64
LessOrEqual 12 int f32 f64
Log 6 f32 f64
LogSoftmax 1 f32 f64
Loop 1 any
LpNormalization 1 f32 f64
LpPool 2 f32
MatMul 1-8 f32 f64 | 9 wide f32 f64
MatMulInteger 10 i8 u8
Max 6-7 f32 | 8-11 f32 f64 | 12 float wide i8 u8
MaxPool 1-7 f32 | 8-11 f32 f64 | 12 f32 f64 i8 u8
MaxRoiPool 1 f32
MaxUnpool 9 f32
Mean 6 f32
MeanVarianceNormalization 1 f32
MelWeightMatrix 17 i32 i64
Min 6-7 f32 | 8-11 f32 f64 | 12 float wide i8 u8
Mod 10-27 float int
Mul 7-13 wide f32 f64 | 14 int f32 f64
Multinomial 7 f32
Neg 6 f32 f64 i8 i16 i32 i64
NonMaxSuppression 10 any
NonZero 9 bool f32 i32 i64 u8
Not 1 bool
OneHot@2 9-27 f32 i32 i64
Optional 15 any
OptionalGetElement 15 any
OptionalHasElement 15 any
Or 7 bool
PRelu 7 f32
Pad 2-10 f32 f64 | 11-12 wide f32 f64 i8 u8 | 13 wide bool f32 f64 i8 u8
Pow 7-11 f32 f64 | 12 f32 f64 i32 i64
QLinearConv 10 i8 u8
QLinearMatMul 10 i8 u8
QuantizeLinear 10-18 f32 | 19-27 f16 f32
RMSNormalization 23 float
RNN 7 f32
RandomNormal 1-21 any
RandomNormalLike 1-21 any
RandomUniform 1-21 any
RandomUniformLike 1-21 any
Range 11 f32 f64 i16 i32 i64
Reciprocal 6 f32 f64
ReduceL1 1 f32 f64 i32 i64
ReduceL2 1 f32 f64 i32 i64
ReduceLogSum 1-27 f32 f64 i32 i64
ReduceLogSumExp 1-27 f32 f64 i32 i64
ReduceMax 1-11 f32 f64 i32 i64 | 12-19 f32 f64 i8 i32 i64 u8 | 20 bool f32 f64 i8 i32 i64 u8
ReduceMean 1 f32 f64 i32 i64
ReduceMin 1-11 f32 f64 i32 i64 | 12-19 f32 f64 i8 i32 i64 u8 | 20 bool f32 f64 i8 i32 i64 u8
ReduceProd 1 f32 f64 i32 i64
ReduceSum 1 f32 f64 i32 i64
ReduceSumSquare 1 f32 f64 i32 i64
RegexFullMatch 20 any
Relu 6-13 f32 f64 | 14 f32 f64 i8 i32
Reshape 1 any
Resize 10 f32 i32 i8 u8
ReverseSequence 10 any
RoiAlign 10 f32 f64
RotaryEmbedding 23 f16 f32
Round 11 float
STFT 17 f32 f64
Scan 8 any
Scatter 9-10 any
ScatterElements 11 any
ScatterND 11 any
Selu 6 f32
SequenceAt 11 any
SequenceConstruct 11 any
SequenceEmpty 11 any
SequenceErase 11 i32 i64
SequenceInsert 11 i32 i64
SequenceLength 11 i64
Shape 1 any
Shrink 9 any
Sigmoid 6 f32 f64
Sign 9 float int bf16
SimplifiedLayerNormalization 1 float bf16
Sin 7 f32 f64
Sinh 9 f32
Size 1 any
Slice 1 any
Softmax 1 f32 f64
Softplus 1 f32
Softsign 1 f32
SpaceToDepth 1-27 f32 f64 i8 u8
Split 2 any
SplitToSequence 11 float bool i32 i64
Sqrt 6 f32 f64
Squeeze 1 any
StringConcat 20 any
StringNormalizer 10 any
StringSplit 20 any
Sub 7-13 wide f32 f64 | 14 int f32 f64
Sum 6 f32 f64
Tan 7 f32
Tanh 6 f32 f64
TensorScatter 24 any
TfIdfVectorizer 9 i32 i64
ThresholdedRelu 1 f32
Tile 6 int bool f32 f64
TopK 1-10 f32 f64 | 11 f32 f64 i8 i16 i32 i64 u8
Transpose 1 any
Trilu 14 bool f32 f64 i32 i64
Unique 11 f32 f64 i64 i8
Unsqueeze 1 any
Upsample 7-9 f32 i32 i8 u8
Where@1 9 f32 f64 i32 i64 u8
Xor 7 bool
com.microsoft::Attention 1 f32
com.microsoft::AttnLSTM 1 f32 f64
com.microsoft::BeamSearch 1 any
com.microsoft::BiasGelu 1 f32
com.microsoft::BifurcationDetector 1 i64
com.microsoft::CDist 1 f32 f64
com.microsoft::CausalConvWithState 1 f32
com.microsoft::ConvTransposeWithDynamicPads 1 f32
com.microsoft::CropAndResize 1 f32
com.microsoft::DecoderMaskedMultiHeadAttention 1 f32
com.microsoft::DequantizeLinear 1 i4 u4 i8 i16 i32 u8 u16
com.microsoft::DynamicQuantizeLSTM 1 f32
com.microsoft::DynamicQuantizeMatMul 1 f32
com.microsoft::DynamicTimeWarping 1 f32
com.microsoft::EmbedLayerNormalization 1 any
com.microsoft::EngramGate 1 f16 f32
com.microsoft::ExpandDims 1 any
com.microsoft::FastGelu 1 f32
com.microsoft::FusedConv 1 f32
com.microsoft::FusedGemm 1 f32
com.microsoft::FusedMatMul 1 f32 f64
com.microsoft::GatedAdd 1 f16 f32
com.microsoft::GatedRMSNorm 1 f16 f32
com.microsoft::GatherBlockQuantized 1 i4 u4 u8
com.microsoft::GatherND 1 any
com.microsoft::Gelu 1 f32
com.microsoft::GreedySearch 1 any
com.microsoft::GridSample 1 f32
com.microsoft::GroupQueryAttention 1 f16 f32
com.microsoft::Inverse 1 float
com.microsoft::LinearAttention 1 f32
com.microsoft::LinearAttentionGate 1 f16 f32
com.microsoft::MRotaryEmbedding 1 f16 f32
com.microsoft::MatMulBnb4 1 f32
com.microsoft::MatMulFpQ4 1 f32
com.microsoft::MatMulInteger16 1 i16
com.microsoft::MatMulIntegerToFloat 1 i8 u8
com.microsoft::MatMulNBits 1 f16 f32
com.microsoft::MaxpoolWithMask 1 f32
com.microsoft::MoE 1 f32
com.microsoft::MultiHeadAttention 1 f32
com.microsoft::MurmurHash3 1 wide f32 f64
com.microsoft::NGramHashMapping 1 i32 i64
com.microsoft::NGramRepeatBlock 1 i64
com.microsoft::NhwcMaxPool 1 i8 u8
com.microsoft::Pad 1 f32
com.microsoft::QAttention 1 u8
com.microsoft::QEmbedLayerNormalization 1 any
com.microsoft::QGemm 1 i8 u8
com.microsoft::QLinearAdd 1 i8 u8
com.microsoft::QLinearAveragePool 1 any
com.microsoft::QLinearConcat 1 any
com.microsoft::QLinearConv 1 i8 u8
com.microsoft::QLinearGlobalAveragePool 1 any
com.microsoft::QLinearLeakyRelu 1 i8 u8
com.microsoft::QLinearMul 1 i8 u8
com.microsoft::QLinearSigmoid 1 i8 u8
com.microsoft::QLinearSoftmax 1 i8 u8
com.microsoft::QLinearWhere 1 any
com.microsoft::QMoE 1 f16 f32
com.microsoft::QuantizeLinear 1 f32
com.microsoft::QuickGelu 1 f32
com.microsoft::Range 1 f32 f64 i16 i32 i64
com.microsoft::RotaryEmbedding 1 f16 f32
com.microsoft::SampleOp 1 f32
com.microsoft::Sampling 1 any
com.microsoft::SkipLayerNormalization 1 float bf16
com.microsoft::SkipSimplifiedLayerNormalization 1 float bf16
com.microsoft::SparseAttention 1 f16 f32
com.microsoft::TransposeMatMul 1 f32
com.microsoft::Trilu 1 f32 f64 i64
com.microsoft::UnfoldTensor 1 any
com.microsoft::Unique 1 f32
com.microsoft::WhisperBeamSearch 1 any
com.microsoft::WordConvEmbedding 1 i32`);
