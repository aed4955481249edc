import { defineCode } from '../diagnostics.js';

/** Diagnostics 31xx: layers that cannot carry an adapter. */

export interface AtNode {
  readonly layer: string;
  readonly path: readonly string[];
  readonly op: string;
  readonly input?: number;
}

export const nodeAt = ({ path, op, input }: AtNode) =>
  ({ kind: 'node', path, op, ...(input === undefined ? {} : { input }) }) as const;

export const constantLeft = defineCode<AtNode>({
  code: 'LOTR3101',
  severity: 'error',
  title: 'the stored matrix is the left operand',
  explain:
    'The layer computes W x, not x W. An adapter would need the transposed input. Write the product as ' +
    'Transpose(MatMul(Transpose(x), Transpose(W))) in the exporter.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its stored matrix is the left operand`,
    at: nodeAt(at),
    hint: 'export the layer as x W (transpose both sides), or --exclude it',
  }),
});

export const notAMatrix = defineCode<AtNode & { shape: string }>({
  code: 'LOTR3103',
  severity: 'error',
  title: 'the weight is not a matrix, or is empty',
  explain:
    'An adapter corrects one matrix of (in, out). Stacked weights (rank 3, such as experts multiplied at once), ' +
    'vectors and matrices without elements are left as they are. Axes of extent 1 in front of a matrix are allowed.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its weight has shape ${at.shape}`,
    at: nodeAt(at),
    hint: 'export the layers one by one, or --exclude it',
  }),
});

export const computedWeight = defineCode<AtNode & { from: string }>({
  code: 'LOTR3104',
  severity: 'error',
  title: 'the weight is computed, not stored',
  explain:
    'Between the stored data and the layer stand nodes other than Identity, Transpose, Cast and DequantizeLinear with ' +
    'constant scales, or Slice, Split and Reshape with known bounds: a product of two tensors, an If. There is no single ' +
    'stored matrix to which an adapter could be added. Fold constants first (onnxruntime and onnxsim do). A part of a ' +
    'weight that another layer reads whole is refused too: two adapters would change one weight.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its weight is computed, not stored`,
    at: nodeAt(at),
    notes: [{ message: `the weight comes from ${at.from}` }],
    hint: 'use the floating-point model, or fold its constants first',
  }),
});

export const notFloat = defineCode<AtNode & { dtype: string }>({
  code: 'LOTR3105',
  severity: 'error',
  title: 'adapters do not work with the element type of the weight',
  explain:
    'lotrc adapts layers whose weights are float64, float32, float16 or bfloat16, and quantized weights behind a ' +
    'DequantizeLinear. This layer multiplies by a weight of another type (integers, 8-bit or 4-bit floats) directly, so ' +
    'the model does not say which real numbers it stands for.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its weight is stored as ${at.dtype}`,
    at: nodeAt(at),
    hint: 'use the model in float32, float16 or bfloat16; quantized weights need a DequantizeLinear in front of the layer',
  }),
});

export const transposedInput = defineCode<AtNode>({
  code: 'LOTR3106',
  severity: 'error',
  title: 'the product transposes its input (transA = 1)',
  explain:
    'The layer computes x^T W. An adapter would need x^T as a value of its own. Put a Transpose before the product ' +
    'and set transA to 0.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its ${at.op} has transA = 1`,
    at: nodeAt(at),
    hint: 'put a Transpose before it and set transA = 0',
  }),
});

export const otherOp = defineCode<AtNode & { keeps: string }>({
  code: 'LOTR3107',
  severity: 'error',
  title: 'the layer is a quantized or fused operator',
  explain:
    'The operator multiplies by a weight that is packed in few bits, or does more than the product (attention over a ' +
    'packed q, k, v weight, a fused activation). There is no value between the product and what follows to which a ' +
    'correction could be added.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": ${at.op} ${at.keeps}`,
    at: nodeAt(at),
    hint: 'use the model before quantization and fusion',
  }),
});

export const inFunction = defineCode<AtNode & { fn: string; calls: number; argument: boolean }>({
  code: 'LOTR3108',
  severity: 'error',
  title: 'the layer is in a model-local function',
  explain:
    'A function body runs for every call, so one node stands for several layers, and it cannot read tensors of the ' +
    'main graph. Calls with linear layers are inlined before layers are looked for; this one was not, because its body ' +
    'is written for other versions of its operators than the model imports, because its weight is computed, or because ' +
    'the bodies of all calls together are larger than 200,000 nodes. Convert the model to one operator set, or inline the functions with onnx.inliner.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": it is in function ${at.fn}, which is called ${at.calls} time${at.calls === 1 ? '' : 's'}${at.argument ? ', and its weight is an argument' : ''}`,
    at: nodeAt(at),
    hint: 'convert the model and its functions to one operator set, or inline the functions first',
  }),
});

export const zeroAlpha = defineCode<AtNode>({
  code: 'LOTR3109',
  severity: 'error',
  title: 'the layer multiplies its product by zero',
  explain: 'alpha is 0, so the weight has no effect on the output and a correction of it none either.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its ${at.op} has alpha = 0`,
    at: nodeAt(at),
    hint: '--exclude it',
  }),
});

export const notLinear = defineCode<AtNode & { does: string }>({
  code: 'LOTR3110',
  severity: 'error',
  title: 'the target names a layer that is not linear',
  explain:
    'An adapter corrects the matrix by which a layer multiplies its input. The target matches no such layer, only a ' +
    'module whose weight is used otherwise: looked up by row (embeddings), slid over the input by groups of channels ' +
    'or backwards (depthwise and transposed convolutions), or applied element by element (normalisation). PEFT has ' +
    'adapters for some of these; lotrc refuses them.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": it ${at.does}`,
    at: nodeAt(at),
    hint: 'name linear layers; lotrc inspect lists them',
  }),
});

export const partOfWeight = defineCode<AtNode>({
  code: 'LOTR3111',
  severity: 'error',
  title: 'the product is part of the weight of another layer',
  explain:
    'The model keeps a weight in parts, such as W + s B A of a LoRA adapter that was not merged, and multiplies ' +
    'stored matrices to put it together. The matrix of such a product takes no adapter of its own. Merge the parts ' +
    'into one stored weight before the export.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its product is added to the weight of another layer`,
    at: nodeAt(at),
    hint: 'merge the parts of the weight before the export',
  }),
});

export const tiedToRefused = defineCode<AtNode & { other: string; because: string }>({
  code: 'LOTR3112',
  severity: 'error',
  title: 'another use of the same weight cannot be adapted',
  explain:
    'Several nodes multiply by this weight, and one of them cannot carry an adapter. An adapter for the others alone ' +
    'would train another model than the one that shares the weight, and could not be merged into it. The note says why ' +
    'the other use is refused; when it can be adapted, so can this layer. Weights that are equal in content but stored ' +
    'twice are told apart by `--tie initializer`.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": another use of its weight, "${at.other}", cannot carry an adapter`,
    at: nodeAt(at),
    notes: [{ message: at.because }],
    hint: 'remove the reason in the note, or --exclude the layer',
  }),
});

export const unmergedLora = defineCode<AtNode & { base: string }>({
  code: 'LOTR3113',
  severity: 'error',
  title: 'the matrix belongs to a LoRA adapter that was exported unmerged',
  explain:
    'The model computes x W + s (x A) B: a LoRA adapter, as PEFT trains it, that was still separate when the model was ' +
    'exported. A and B are not layers of the base model, so they take no adapter. `lotrc merge MODEL` adds s A B to the ' +
    'weights, as `merge_and_unload()` does in PEFT; rewrite the merged model.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": it is part of a LoRA adapter of "${at.base}" that was exported unmerged`,
    at: nodeAt(at),
    hint: '`lotrc merge MODEL` folds it into the weight',
  }),
});
