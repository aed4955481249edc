import { defineCode, type Note } from '../diagnostics.js';

/** Diagnostics 30xx (which layers are chosen, and how they share) and 31xx (layers that cannot carry an adapter). */

interface AtNode {
  readonly layer: string;
  readonly path: readonly string[];
  readonly op: string;
  readonly input?: number;
}

const nodeAt = ({ path, op, input }: AtNode) =>
  ({ kind: 'node', path, op, ...(input === undefined ? {} : { input }) }) as const;

export const noLinears = defineCode<{
  refused: readonly Note[];
  /** matrix products of any kind */
  products: number;
  /** inputs that look like weights */
  matrixInputs: readonly string[];
}>({
  code: 'LOTR3001',
  severity: 'error',
  title: 'the model has no linear layer that can carry an adapter',
  explain:
    'An adapter goes beside a product by a matrix that the model stores: a MatMul whose right operand, or a Gemm whose B, is ' +
    'an initializer, a constant, or the DequantizeLinear of one. This model has none: it has no products, or both ' +
    'operands are computed (attention scores), or the weights are inputs of the graph, or they are packed in a way that ' +
    'takes no adapter. The notes name the layers that were looked at.',
  make: ({ refused, products, matrixInputs }) => {
    const notes = refused.slice(0, 5);
    if (refused.length > 0) {
      return {
        message: `none of the ${refused.length} linear layers of the model can carry an adapter`,
        notes,
        hint: 'the notes say why; often the floating-point model as exported can, before quantization and graph fusion',
      };
    }
    if (products === 0) {
      return {
        message: 'the model has no matrix products (MatMul, Gemm)',
        hint: 'nothing here takes an adapter; if the layers were fused or quantized, use the model as exported before that',
      };
    }
    const some = `${products} matrix product${products === 1 ? '' : 's'}`;
    if (matrixInputs.length > 0) {
      const named = `${matrixInputs.slice(0, 3).join(', ')}${matrixInputs.length > 3 ? ', ...' : ''}`;
      return {
        message: `the model has ${some} and none by a stored matrix; matrices are inputs of the graph (${named})`,
        hint: 'if these are weights, store them: export with the parameters inside the model, or make initializers of them',
      };
    }
    return {
      message: `the model has ${some} and none by a stored matrix`,
      hint: 'a product of two computed values has no weight to adapt; weights must be initializers or constants',
    };
  },
});

export const noMatch = defineCode<{ option: string; pattern: string; near: readonly string[]; why?: string }>(
  {
    code: 'LOTR3002',
    severity: 'error',
    title: 'a pattern matches no layer',
    explain:
      'A plain name (letters, digits, dots, "_", "-") matches a module path that equals it or ends in a dot and it; ' +
      '"glob:..." matches the whole path; any other text is a regular expression searched in the path. "all-linear" ' +
      'means every layer but the output heads. A pattern that matches nothing is an error, since otherwise a spelling ' +
      'mistake would give a model with fewer adapters than asked for. `lotrc inspect` lists all module paths.',
    make: ({ option, pattern, near, why }) => ({
      message: `${option} ${JSON.stringify(pattern)} matches no layer${why ? `: ${why}` : ''}`,
      hint:
        near.length > 0
          ? `the closest are ${near.map((name) => JSON.stringify(name)).join(', ')}; \`lotrc inspect\` lists all`
          : '`lotrc inspect` lists all layers',
    }),
  },
);

export const allExcluded = defineCode<{ matched: number; by: readonly string[] }>({
  code: 'LOTR3003',
  severity: 'error',
  title: 'no layer is left after --exclude and --layers',
  explain: 'The targets match layers, and --exclude or --layers takes away every one of them.',
  make: ({ matched, by }) => ({
    message: `the targets match ${matched} layer${matched === 1 ? '' : 's'} and ${by.join(' and ')} take away all of them`,
    hint: 'narrow --exclude or widen --layers',
  }),
});

export const badPattern = defineCode<{ option: string; pattern: string; why: string }>({
  code: 'LOTR3004',
  severity: 'error',
  title: 'a pattern, range or pair cannot be read',
  explain:
    'Patterns other than plain names and globs are JavaScript regular expressions (a leading "(?i)" ignores case). ' +
    '--layers takes numbers and ranges such as 0-5,8. --rank-pattern and --scale-pattern take PATTERN=NUMBER.',
  make: ({ option, pattern, why }) => ({
    message: `${option} ${JSON.stringify(pattern)} cannot be read: ${why}`,
    hint: 'quote the pattern for the shell, and escape characters that regular expressions treat specially',
  }),
});

export const badNumber = defineCode<{ option: string; value: number; wanted: string }>({
  code: 'LOTR3005',
  severity: 'error',
  title: 'a rank or scale is not a number that makes sense',
  explain: 'The rank is a whole number of at least 1. The scale is a finite number other than 0.',
  make: ({ option, value, wanted }) => ({
    message: `${option} is ${value}, and must be ${wanted}`,
    hint: 'LoTR is useful from rank 8 on; 32 to 88 are the ranks of its authors',
  }),
});

export const rankTooLarge = defineCode<{
  layer: string;
  in: number;
  out: number;
  rank: number;
  more: number;
}>({
  code: 'LOTR3006',
  severity: 'error',
  title: 'the rank is larger than the layer',
  explain:
    'A correction of a matrix of n rows and m columns has at most rank min(n, m): a larger rank adds parameters and ' +
    'nothing else. Give the small layers a rank of their own, or leave them out.',
  make: ({ layer, in: inn, out, rank, more }) => ({
    message:
      `rank ${rank} is larger than min(in, out) of layer "${layer}" (${inn} x ${out})` +
      (more > 0 ? ` and of ${more} more` : ''),
    hint: `use --rank-pattern 'PATTERN=${Math.min(inn, out)}' for it, --exclude it, or lower --rank`,
  }),
});

export const conflict = defineCode<{ options: string; why: string; hint: string }>({
  code: 'LOTR3007',
  severity: 'error',
  title: 'options contradict each other',
  explain: 'Two options, or an option and the chosen layers, ask for things that cannot both be had.',
  make: ({ options, why, hint }) => ({ message: `${options}: ${why}`, hint }),
});

export const tiedWeights = defineCode<{ site: string; names: readonly string[]; byContent: boolean }>({
  code: 'LOTR3020',
  severity: 'remark',
  title: 'several layers hold one weight and are one site',
  explain:
    'Layers that read the same weight are one site with one core; so are layers whose stored weights are equal, ' +
    'element for element, because exporters split tied weights into copies. If the layers only happen to be equal now ' +
    '(fresh copies, test data), --tie initializer limits tying to weights that are stored once.',
  make: ({ site, names, byContent }) => ({
    message: `${names.length} layers ${byContent ? 'have equal weights' : 'read one weight'} and share one core as "${site}": ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', ...' : ''}`,
    ...(byContent ? { hint: '--tie initializer gives each its own' } : {}),
  }),
});

export const lonelyGroup = defineCode<{
  group: string;
  site: string;
  method: string;
  own: number;
  lora: number;
}>({
  code: 'LOTR3021',
  severity: 'remark',
  title: 'a group has only one layer, so sharing saves nothing',
  explain:
    'LoTR shares its outer factors over all layers of a group. With one layer in the group there is nothing to share, ' +
    'and the core comes on top: LoRA has fewer parameters at the same rank.',
  make: ({ group, site, method, own, lora }) => ({
    message: `group "${group}" holds only "${site}": ${method} needs ${own} parameters there, LoRA ${lora}`,
    hint: 'add layers of that shape, use another --share, or --exclude the layer',
  }),
});

export const partlyRefused = defineCode<{ refused: readonly Note[] }>({
  code: 'LOTR3022',
  severity: 'warning',
  title: 'some layers that the targets match cannot carry an adapter',
  explain:
    'The targets match these layers too, but they cannot be adapted; the notes say why. The others get adapters.',
  make: ({ refused }) => ({
    message: `${refused.length} layer${refused.length === 1 ? '' : 's'} that the targets match cannot be adapted and stay as they are`,
    notes: refused.slice(0, 10),
    hint: '--exclude them to say that this is meant',
  }),
});

export const overridable = defineCode<AtNode & { weight: string }>({
  code: 'LOTR3023',
  severity: 'warning',
  title: 'a caller of the model may replace an adapted weight',
  explain:
    'The weight is an initializer and also a graph input, so a caller may feed another one. The adapter then corrects ' +
    'a matrix it was not trained for. Such a layer cannot be merged.',
  make: (at) => ({
    message: `the weight "${at.weight}" of layer "${at.layer}" is also a graph input`,
    at: nodeAt(at),
    hint: 'remove it from the graph inputs if nobody feeds it',
  }),
});

export const strongInit = defineCode<{ scale: number }>({
  code: 'LOTR3024',
  severity: 'warning',
  title: 'the scale is large for factors drawn from N(0,1)',
  explain:
    'With the default initialisation the factors R and L are drawn from N(0,1), and x R is larger than x by the square ' +
    'root of the width. Published runs fail to train at scale 8 and above; 0.1 to 0.5 work. With --init fan-in the ' +
    'scale is of the order of the rank, as in LoRA.',
  make: ({ scale }) => ({
    message: `scale ${scale} with factors from N(0,1) is likely to diverge in training`,
    hint: 'use --init fan-in, or a scale between 0.1 and 0.5',
  }),
});

export const unpackedLayers = defineCode<{ calls: number; nodes: ReadonlyMap<string, number> }>({
  code: 'LOTR3025',
  severity: 'remark',
  title: 'layers were taken out of functions or fused operators',
  explain:
    'A node in a function body stands for one layer per call, and a fused operator has no value between the product ' +
    'and what follows. To give such layers adapters, the calls are inlined and the operators split into the product ' +
    'and the rest. The model computes the same; stripping the adapters gives the model with these layers taken out.',
  make: ({ calls, nodes }) => {
    const inlined =
      calls > 0 ? [`${calls} call${calls === 1 ? '' : 's'} of model-local functions inlined`] : [];
    const split = [...nodes].map(([op, count]) => `${count} ${op} split`);
    return { message: [...inlined, ...split].join(', ') };
  },
});

// ── layers that cannot carry an adapter ─────────────────────────────────────

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
    'vectors and matrices without elements are left as they are.',
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
    'constant scales: a product of two tensors, a Reshape, an If. There is no single stored matrix to put an adapter ' +
    'beside. Fold constants first (onnxruntime and onnxsim do).',
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
  title: 'the weight does not hold floating-point numbers',
  explain:
    'Adapters are added in float64, float32, float16 or bfloat16. Integer weights are exact or quantized: a correction ' +
    'beside them has no meaning, and cannot be merged.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": its weight is ${at.dtype}`,
    at: nodeAt(at),
    hint: 'use the floating-point model',
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
  title: 'the layer stands in a model-local function',
  explain:
    'A function body runs for every call, so one node stands for several layers, and it cannot read tensors of the ' +
    'main graph. Inline the functions first (onnx.inliner, or any onnxruntime optimisation).',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": it stands in function ${at.fn}, which is called ${at.calls} time${at.calls === 1 ? '' : 's'}${at.argument ? ', and its weight is an argument' : ''}`,
    at: nodeAt(at),
    hint: 'inline the functions of the model first',
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
    'module whose weight is used otherwise: looked up by row (embeddings), slid over the input (convolutions), or ' +
    'applied element by element (normalisation). PEFT has adapters for some of these; lotrc refuses them.',
  make: (at) => ({
    message: `cannot adapt "${at.layer}": it ${at.does}`,
    at: nodeAt(at),
    hint: 'name linear layers; lotrc inspect lists them',
  }),
});
