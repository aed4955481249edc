import type { DType } from '../../dtype.js';

/**
 * Which inputs of an operator must have one element type, and which have a fixed one: the type parameters of the ONNX
 * schemas (onnx 1.22, all versions) and of ONNX Runtime 1.30's own operators. One row a signature, `OP SINCE GROUPS`: inputs
 * of one group, as `0,1`, have one type, and with `all` every input has; `2=i64` has that type. A row holds from its
 * version of the operator set until the next row of the op; an empty one says that there are no further constraints.
 */
const ROWS = `
Add 1 0,1
And 1 0,1
Attention 23 0,1,4 2,5
Attention 24 0,1,4 2,5 6=i64
BatchNormalization 1 0,1,2,3,4
BatchNormalization 14 0,1,2 3,4
BatchNormalization 15 1,2 3,4
BitShift 11 0,1
BitwiseAnd 18 0,1
BitwiseOr 18 0,1
BitwiseXor 18 0,1
CausalConvWithState 27 0,1,2,3
Clip 11 0,1,2
Col2Im 18 1=i64 2=i64
Concat 1 all
Conv 1 0,1,2
ConvInteger 10 0,2 1,3
ConvTranspose 1 0,1,2
DFT 20 2=i64
DeformConv 19 0,1,2,3,4
DequantizeLinear 10 0,2 1=f32
DequantizeLinear 19 0,2
Div 1 0,1
Einsum 12 all
Equal 1 0,1
Expand 8 1=i64
GRU 1 0,1,2,3,5
GatherND 11 1=i64
Gemm 1 0,1,2
Greater 1 0,1
GreaterOrEqual 12 0,1
GroupNormalization 18 0,1,2
InstanceNormalization 1 0,1,2
LSTM 1 0,1,2,3,5,6,7
LayerNormalization 17 0,1,2
Less 1 0,1
LessOrEqual 12 0,1
LinearAttention 27 0,1,2,4,5
MatMul 1 0,1
MatMulInteger 10 0,2 1,3
Max 1 all
MaxRoiPool 1 0,1
MaxUnpool 9 1,2
Mean 1 all
MelWeightMatrix 17 0,1,2 3,4
Min 1 all
Mod 10 0,1
Mul 1 0,1
NegativeLogLikelihoodLoss 12 0,2
NonMaxSuppression 10 0=f32 1=f32 2=i64 3=f32 4=f32
Or 1 0,1
PRelu 1 0,1
Pad 11 0,2 1=i64
Pow 1 0,1
Pow 12
QLinearConv 10 0,2 3,5 1=f32 4=f32 6=f32
QLinearMatMul 10 0,2 3,5 1=f32 4=f32 6=f32
QLinearMatMul 21 0,2 1,4,6 3,5
QuantizeLinear 10 1=f32
QuantizeLinear 19 0,1
QuantizeLinear 23
RNN 1 0,1,2,3,5
Range 11 0,1,2
ReduceL1 18 1=i64
ReduceL2 18 1=i64
ReduceLogSum 18 1=i64
ReduceLogSumExp 18 1=i64
ReduceMax 18 1=i64
ReduceMean 18 1=i64
ReduceMin 18 1=i64
ReduceProd 18 1=i64
ReduceSum 13 1=i64
ReduceSumSquare 18 1=i64
Reshape 5 1=i64
Resize 10 1=f32
Resize 11 2=f32 3=i64
ReverseSequence 10 1=i64
RoiAlign 10 0,1
RotaryEmbedding 23 0,1,2
STFT 17 0,2 1,3
Scatter 9 0,2
ScatterElements 11 0,2
ScatterND 11 0,2 1=i64
Slice 10 1,2,3,4
SoftmaxCrossEntropyLoss 12 0,2
Split 1 0,1
Split 2
Split 13 1=i64
Squeeze 13 1=i64
StringConcat 20 0,1
StringNormalizer 10 0=string
Sub 1 0,1
Sum 1 all
SwiGLU 28 0,1
TensorScatter 24 0,1 2=i64
Tile 1 0,1,2
Tile 6
TopK 10 1=i64
Trilu 14 1=i64
Unsqueeze 13 1=i64
Upsample 9 1=f32
Where 9 1,2
Xor 1 0,1
com.microsoft::Attention 1 0,1,2,4,5 3,6
com.microsoft::BiasGelu 1 0,1
com.microsoft::DynamicQuantizeMatMul 1 0,2,4 1,3
com.microsoft::EmbedLayerNormalization 1 0,1,7,8 2,3,4,5,6
com.microsoft::FastGelu 1 0,1
com.microsoft::FusedConv 1 0,1,2,3
com.microsoft::FusedGemm 1 0,1,2
com.microsoft::FusedMatMul 1 0,1
com.microsoft::GroupQueryAttention 1 0,1,2,7,8,10,11,14,15 3,4 5,6 12,13 9=i64
com.microsoft::MatMulBnb4 1 0,2
com.microsoft::MatMulIntegerToFloat 1 0,4 1,5 2,3,6
com.microsoft::MatMulNBits 1 0,2,5
com.microsoft::MultiHeadAttention 1 0,1,2,3,5,6,7 4,8,9
com.microsoft::RotaryEmbedding 1 0,2,3
com.microsoft::SkipLayerNormalization 1 0,1,2,3,4
com.microsoft::SkipSimplifiedLayerNormalization 1 0,1,2,3
`;

/** The constraints of a signature on the element types of its inputs. */
export interface InputTypes {
  /** indexes of inputs that have one element type */
  readonly groups: readonly (readonly number[] | 'all')[];
  readonly fixed: readonly { readonly input: number; readonly dtype: DType }[];
}

interface Row extends InputTypes {
  readonly since: number;
}

let table: ReadonlyMap<string, readonly Row[]> | null = null;

function read(): ReadonlyMap<string, readonly Row[]> {
  const rows = new Map<string, Row[]>();
  for (const line of ROWS.trim().split('\n')) {
    const [op = '', since, ...parts] = line.split(' ');
    const row: Row = {
      since: Number(since),
      groups: parts
        .filter((part) => !part.includes('='))
        .map((part) => (part === 'all' ? part : part.split(',').map(Number))),
      fixed: parts
        .filter((part) => part.includes('='))
        .map((part) => {
          const [input, dtype] = part.split('=');
          return { input: Number(input), dtype: dtype as DType };
        }),
    };
    rows.set(op, [...(rows.get(op) ?? []), row]);
  }
  return rows;
}

/**
 * What an op (key as in `Node.opKey`) requires of its inputs in a version of its operator set; undefined when nothing
 * is known.
 */
export function inputTypesOf(key: string, opset: number): InputTypes | undefined {
  table ??= read();
  return table.get(key)?.findLast(({ since }) => since <= opset);
}
