import { defineCode, type Note } from '../diagnostics.js';
import { listed } from './listed.js';
import { type AtNode, nodeAt } from './refused-sites.js';

/** Diagnostics 30xx: which layers are chosen, and how they share. */

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
    'An adapter is added to a product by a matrix that the model stores: a MatMul whose right operand, or a Gemm whose B, is ' +
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
        hint: 'if the layers were fused or quantized, use the model as it was exported before that',
      };
    }
    const some = `${products} matrix product${products === 1 ? '' : 's'}`;
    if (matrixInputs.length > 0) {
      const named = listed(matrixInputs, 3);
      return {
        message: `the model has ${some}, but none multiplies by a stored matrix; matrices are inputs of the graph (${named})`,
        hint: 'if these are weights, store them: export with the parameters inside the model, or make initializers of them',
      };
    }
    return {
      message: `the model has ${some}, but none multiplies by a stored matrix`,
      hint: 'a product of two computed values has no weight to adapt; weights must be initializers or constants',
    };
  },
});

export const noMatch = defineCode<{
  option: string;
  pattern: string;
  near: readonly string[];
  why?: string;
  notes?: readonly Note[];
}>({
  code: 'LOTR3002',
  severity: 'error',
  title: 'a pattern matches no layer',
  explain:
    'A plain name (letters, digits, dots, "_", "-") matches a module path that equals it or ends in a dot and it; ' +
    '"glob:..." matches the whole path; any other text is a regular expression searched in the path. "all-linear" ' +
    'means every layer but the output heads. A pattern that matches nothing is an error, since otherwise a spelling ' +
    'mistake would give a model with fewer adapters than you wanted. `lotrc inspect` lists all module paths.',
  make: ({ option, pattern, near, why, notes }) => ({
    message: `${option} ${JSON.stringify(pattern)} matches no layer${why ? `: ${why}` : ''}`,
    notes: notes?.slice(0, 5),
    hint:
      near.length > 0
        ? `the closest ${near.length === 1 ? 'is' : 'are'} ${near.map((name) => JSON.stringify(name)).join(', ')}; \`lotrc inspect\` lists all`
        : '`lotrc inspect` lists all layers',
  }),
});

export const allExcluded = defineCode<{ matched: number; by: readonly string[] }>({
  code: 'LOTR3003',
  severity: 'error',
  title: 'no layer is left after --exclude and --layers',
  explain: 'The targets match layers, but --exclude or --layers removes every one of them.',
  make: ({ matched, by }) => ({
    message: `the targets match ${matched} layer${matched === 1 ? '' : 's'} and ${by.join(' and ')} remove${by.length === 1 ? 's' : ''} all of them`,
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

export const badNumber = defineCode<{ option: string; value: number; wanted: string; hint: string }>({
  code: 'LOTR3005',
  severity: 'error',
  title: 'a rank or scale is out of range',
  explain: 'The rank is a whole number of at least 1. The scale is a finite number other than 0.',
  make: ({ option, value, wanted, hint }) => ({
    message: `${option} is ${value}, and must be ${wanted}`,
    hint,
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
  explain: 'Two options, or an option and the chosen layers, cannot be satisfied together.',
  make: ({ options, why, hint }) => ({ message: `${options}: ${why}`, hint }),
});

export const tiedWeights = defineCode<{ site: string; names: readonly string[]; byContent: boolean }>({
  code: 'LOTR3020',
  severity: 'remark',
  title: 'several layers share one weight and get one adapter',
  explain:
    'Layers that read the same weight get one adapter with one core. So do layers whose stored weights are equal ' +
    'element for element, because exporters write tied weights as copies. If the layers only happen to be equal now ' +
    '(fresh copies, test data), --tie initializer limits tying to weights that are stored once.',
  make: ({ site, names, byContent }) => ({
    message: `${names.length} layers ${byContent ? 'have equal weights' : 'read one weight'} and share one core as "${site}": ${listed(names)}`,
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
    'and the core adds parameters: LoRA needs fewer at the same rank.',
  make: ({ group, site, method, own, lora }) => ({
    message: `group "${group}" holds only "${site}": ${method} needs ${own} parameters there, LoRA needs ${lora}`,
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
    hint: '--exclude them to silence this warning',
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
    hint: 'remove it from the graph inputs if no caller feeds it',
  }),
});

export const unpackedLayers = defineCode<{
  calls: number;
  nodes: ReadonlyMap<string, number>;
  stacks: number;
}>({
  code: 'LOTR3025',
  severity: 'remark',
  title: 'functions were inlined, or operators rewritten, to reach their layers',
  explain:
    'A node in a function body stands for one layer per call, and a fused operator has no value between the product ' +
    'and what follows. An Einsum may multiply by a matrix that is stored in several axes, and a product by part of a ' +
    'stored tensor (Slice, Split) or by one in another shape. To give such layers adapters, the calls are inlined, the ' +
    'operators split into the product and the rest, and the matrices stored as they are multiplied. The model computes ' +
    'the same; stripping the adapters gives the model in this form.',
  make: ({ calls, nodes, stacks }) => {
    const inlined =
      calls > 0 ? [`${calls} call${calls === 1 ? '' : 's'} of model-local functions inlined`] : [];
    const split = [...nodes].map(([op, count]) => `${count} ${op} written as a product with a stored matrix`);
    const apart = stacks > 0 ? [`${stacks} stacked weight${stacks === 1 ? '' : 's'} taken apart`] : [];
    return { message: [...inlined, ...split, ...apart].join(', ') };
  },
});

export const headsLeftOut = defineCode<{ heads: readonly string[] }>({
  code: 'LOTR3026',
  severity: 'remark',
  title: 'output heads get no adapter',
  explain:
    'all-linear, the default target, adapts every linear layer but the output heads: layers whose product reaches an ' +
    'output of the model with no other linear layer after it (classifiers, language-model heads). A layer whose ' +
    'module path and shape differ from those of other layers only in the block number is not a head.',
  make: ({ heads }) => ({
    message: `${heads.length === 1 ? 'this layer is an output head and gets' : `these ${heads.length} layers are output heads and get`} no adapter: ${listed(heads)}`,
    hint: "name it with --target to adapt it, or use --target '.*' for every layer",
  }),
});

export const smallLayers = defineCode<{
  rank: number;
  layers: readonly { layer: string; in: number; out: number }[];
}>({
  code: 'LOTR3027',
  severity: 'remark',
  title: 'layers smaller than the rank get no adapter',
  explain:
    'A correction of a matrix of n rows and m columns has at most rank min(n, m). all-linear leaves out the layers ' +
    'that are smaller than --rank; a layer that --target names is refused instead (LOTR3006). To adapt such a layer, ' +
    'give it a rank of its own with --rank-pattern.',
  make: ({ rank, layers }) => ({
    message: `${layers.length} layer${layers.length === 1 ? ' is' : 's are'} smaller than rank ${rank} and get${layers.length === 1 ? 's' : ''} no adapter: ${listed(layers.map(({ layer, in: inn, out }) => `${layer} (${inn} x ${out})`))}`,
    hint: "--rank-pattern 'PATTERN=RANK' gives them a rank of their own",
  }),
});

export const unmergedAdapters = defineCode<{ adapters: number }>({
  code: 'LOTR3028',
  severity: 'warning',
  title: 'the model contains LoRA adapters that were exported unmerged',
  explain:
    'Some layers compute x W + s (x A) B: LoRA adapters, as PEFT trains them, that were still separate when the model ' +
    'was exported. They keep working and stay frozen. The model is smaller and faster, and `lotrc merge` can fold new ' +
    'adapters into the right weights, when the old ones are merged first: `lotrc merge MODEL`.',
  make: ({ adapters }) => ({
    message: `the model contains ${adapters} LoRA adapter${adapters === 1 ? '' : 's'} that ${adapters === 1 ? 'was' : 'were'} exported unmerged; ${adapters === 1 ? 'it stays' : 'they stay'} as ${adapters === 1 ? 'it is' : 'they are'}`,
    hint: '`lotrc merge MODEL` folds them into the weights; rewrite the result instead',
  }),
});

export const stacksLeftOut = defineCode<{ stacks: readonly { path: string; count: number }[] }>({
  code: 'LOTR3029',
  severity: 'remark',
  title: 'stacked weights of experts are not adapted unless they are named',
  explain:
    'A mixture of experts keeps the matrices of its experts in one tensor. When such a tensor is named with --target, each ' +
    'expert gets an adapter of its own (a core of its own with LoTR, beside factors that all share), added to its matrix as ' +
    "PEFT's target_parameters does it. That takes memory for matrices as large as the weights in each run, so `all-linear` " +
    'leaves them out.',
  make: ({ stacks }) => {
    const named = stacks.slice(0, 3).map(({ path, count }) => `${path} (${count} experts)`);
    const more = stacks.length > 3 ? ` and ${stacks.length - 3} more` : '';
    return {
      message: `stacked weights are not adapted: ${named.join(', ')}${more}`,
      hint: 'name them with --target to give each expert an adapter',
    };
  },
});
