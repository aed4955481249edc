import { defineCode } from '../diagnostics.js';
import { listed } from './listed.js';

/** Diagnostics 32xx (adapters in a model) and 33xx (adapters against a base). */

export const noPlan = defineCode<{ doing: string }>({
  code: 'LOTR3201',
  severity: 'error',
  title: 'the model carries no adapters',
  explain:
    'The command works on a model that `lotrc rewrite` has made: such a file holds its plan under ' +
    'metadata_props["lotrc.adapters"]. This one has no such entry, or another tool removed it.',
  make: ({ doing }) => ({
    message: `cannot ${doing}: the model has no adapters of lotrc`,
    hint: 'run `lotrc rewrite` first, or give the file that it wrote',
  }),
});

export const badPlan = defineCode<{ why: string }>({
  code: 'LOTR3202',
  severity: 'error',
  title: 'the saved plan cannot be read',
  explain:
    'metadata_props["lotrc.adapters"] (or the same entry of an adapter file) is not what lotrc writes: it is not ' +
    'JSON, has another version, or lacks a part. It was edited by hand or written by a newer lotrc.',
  make: ({ why }) => ({
    message: `the saved adapter plan cannot be used: ${why}`,
    hint: 'rewrite the base model again, or use the version of lotrc that wrote the file',
  }),
});

export const structureChanged = defineCode<{ site: string; output: string; why: string }>({
  code: 'LOTR3203',
  severity: 'error',
  title: 'an adapted layer no longer has the form that lotrc wrote',
  explain:
    'The plan says which value a layer delivers and which factors it reads, but the nodes there do not have the form ' +
    'of an adapted layer. An optimiser or another tool changed the graph after `lotrc rewrite`. Merge or extract ' +
    'before optimising.',
  make: ({ site, output, why }) => ({
    message: `the adapted layer "${site}" was changed after it was written: ${why}`,
    at: { kind: 'value', name: output },
    hint: 'use the file as `lotrc rewrite` wrote it, before any optimiser',
  }),
});

export const oldOpset = defineCode<{ opset: number; site: string }>({
  code: 'LOTR3204',
  severity: 'error',
  title: 'the operator set of the model is too old for adapters',
  explain:
    'Adapters are written with Add and Mul that broadcast as numpy does, which ONNX has since operator set 7. Convert ' +
    "the model first, for example with onnx's version_converter, or export it again.",
  make: ({ opset, site }) => ({
    message: `layer "${site}" is in a graph of operator set ${opset}; adapters need 7 or newer`,
    hint: 'export the model with a newer opset, or convert it',
  }),
});

export const noPlainForm = defineCode<{ node: string; delta: string; opset: number }>({
  code: 'LOTR3205',
  severity: 'error',
  title: 'the adapter has no form in plain ONNX',
  explain:
    'Lowering writes an adapter as products of matrices (ir,rs,so->io) and products number by number (ir,r,ro->io). ' +
    'Einsums with other products are written with Einsum, which ONNX has since operator set 12.',
  make: ({ node, delta, opset }) => ({
    message: `the adapter at node "${node}" cannot be written in plain ONNX of operator set ${opset}: its delta "${delta}" needs Einsum`,
    hint: 'export the model with operator set 12 or newer, or use a method whose factors are matrices and vectors',
  }),
});

export const mergeRefused = defineCode<{ site: string; weight: string; why: string }>({
  code: 'LOTR3206',
  severity: 'error',
  title: 'an adapter cannot be folded into its weight',
  explain:
    'Merging computes W + s D in float64 and stores it in the type of W. It is refused when the weight may be replaced ' +
    'from outside (it is also a graph input), when it is not floating point, when the factors are not in the model ' +
    'and not given, or when the result is not finite.',
  make: ({ site, weight, why }) => ({
    message: `cannot merge the adapter of "${site}" into "${weight}": ${why}`,
    at: { kind: 'tensor', name: weight },
    hint: 'keep the adapter unmerged, or fix what the message names',
  }),
});

export const factorsMissing = defineCode<{ names: readonly string[]; from: string }>({
  code: 'LOTR3207',
  severity: 'error',
  title: 'factors are needed and not given',
  explain:
    'With --factors inputs or optional the values of the factors are not in the model: they are in the adapter file ' +
    'that `lotrc rewrite` wrote with the model, or in one that was trained since.',
  make: ({ names, from }) => ({
    message: `${from} lacks ${names.length} of the factors: ${listed(names)}`,
    hint: 'give the adapter file with --adapter FILE.safetensors',
  }),
});

export const factorShape = defineCode<{ name: string; found: string; wanted: string }>({
  code: 'LOTR3208',
  severity: 'error',
  title: 'a factor of an adapter file does not fit the plan',
  explain:
    'The tensor has another shape or element type than the plan (in the same file, or in the model) requires.',
  make: ({ name, found, wanted }) => ({
    message: `factor "${name}" is ${found}; the plan requires ${wanted}`,
    at: { kind: 'tensor', name },
    hint: 'use an adapter file made for this model and plan',
  }),
});

export const functionsNeedOpset = defineCode<{ opset: number; needed: number }>({
  code: 'LOTR3209',
  severity: 'error',
  title: 'the operator set is too old for --keep-functions',
  explain:
    'A model-local function receives its scale by an attribute reference in a Constant node, which ONNX allows from ' +
    'operator set 12 on; layers in half precision also need CastLike of operator set 15.',
  make: ({ opset, needed }) => ({
    message: `functions need operator set ${needed} here; the model has ${opset}`,
    hint: 'leave out --keep-functions: the adapters are then written in plain ONNX operators',
  }),
});

/** `why`: init svd, or the weights that were trained in full. */
export const baseGone = defineCode<{ doing: string; why: 'residual' | readonly string[] }>({
  code: 'LOTR3210',
  severity: 'error',
  title: 'the base weights are no longer in the model',
  explain:
    'With --init svd the factors start as the leading part of the weights and the model keeps what is left of each ' +
    'weight. Removing the adapters would leave those remainders, not the base. Merging is exact up to rounding. ' +
    'Likewise, a model to which `lotrc apply` gave weights that were trained in full (--also-train) holds those weights ' +
    'in place of the ones of the base.',
  make: ({ doing, why }) => ({
    message:
      why === 'residual'
        ? `cannot ${doing}: the weights of this model are what --init svd left of the base`
        : `cannot ${doing}: ${listed(why, 3)} of this model ` +
          `${why.length === 1 ? 'was' : 'were'} trained in full, and the base had other values there`,
    hint: 'merge the adapters instead, or go back to the base model file',
  }),
});

export const otherBase = defineCode<{ site: string; output: string; why: string }>({
  code: 'LOTR3301',
  severity: 'error',
  title: 'the adapter was made for another base model',
  explain:
    'An adapter file names, for each layer, the node output and a digest of the frozen weight that it was made for. ' +
    'This model has no such layer, or its weight is different. With other weights the results would be meaningless.',
  make: ({ site, output, why }) => ({
    message: `the adapter does not fit this model at layer "${site}": ${why}`,
    at: { kind: 'value', name: output },
    hint: 'apply it to the model it was made from; for another file of the same network add --match path',
  }),
});

export const noSuchLayer = defineCode<{ site: string; why: string }>({
  code: 'LOTR3305',
  severity: 'error',
  title: 'a layer of the adapter has no counterpart in this model',
  explain:
    '`lotrc apply --match path` finds every layer of the adapter by its module path and checks its extents; the weights ' +
    'may differ, as those of a half-precision, quantised or re-exported file of the same network do. Every layer must ' +
    'be found: an adapter that is put on some of its layers only computes something else.',
  make: ({ site, why }) => ({
    message: `no layer for "${site}": ${why}`,
    hint: 'compare the module paths of both files with `lotrc inspect`; apply to a file of the same network',
  }),
});

export const alreadyAdapted = defineCode<{ doing: string }>({
  code: 'LOTR3302',
  severity: 'error',
  title: 'the model already carries adapters',
  explain:
    'This model already has adapters, and lotrc adds only one set. Start from the base model, ' +
    'or use --replace to remove the present adapters first; `lotrc merge` folds them into the weights for good.',
  make: ({ doing }) => ({
    message: `cannot ${doing}: the model already carries adapters`,
    hint: 'use the base model, or --replace to drop the present adapters, or `lotrc merge` first',
  }),
});

export const weightDiffers = defineCode<{ name: string; why: string }>({
  code: 'LOTR3311',
  severity: 'error',
  title: 'a weight that was trained in full does not fit the model',
  explain:
    'An adapter file may hold weights of the base that were trained in full (--also-train), each with the name under ' +
    'which the base stores it, its shape, and a digest of the value that it replaces. This model stores no such weight, ' +
    'or another one under that name.',
  make: ({ name, why }) => ({
    message: `the trained weight "${name}" does not fit this model: ${why}`,
    at: { kind: 'tensor', name },
    hint: 'use the model that the adapter was trained on; `lotrc inspect` lists its layers',
  }),
});

export const strangeTensors = defineCode<{ names: readonly string[]; file: string }>({
  code: 'LOTR3312',
  severity: 'error',
  title: 'an adapter file holds tensors that have no place in the model',
  explain:
    'Tensors of an adapter file are factors of the plan, weights that were trained in full (float32, under the name and ' +
    'with the shape of a stored weight of the model), or optimizer state of these. Others cannot be used, and leaving ' +
    'them out would lose what was trained.',
  make: ({ names, file }) => ({
    message:
      `${names.length} ${names.length === 1 ? 'tensor' : 'tensors'} of the adapter file ` +
      `${names.length === 1 ? 'is' : 'are'} neither a factor nor a weight of this model: ` +
      `${listed(names)}`,
    at: { kind: 'file', file },
    hint: 'use the model that the adapter was trained on',
  }),
});

export const otherPlan = defineCode<{ file: string; what: string }>({
  code: 'LOTR3313',
  severity: 'error',
  title: 'the adapter was made by another plan',
  explain:
    'The plan in an adapter file says which layers are adapted, with which factors and at which scale. Where it differs ' +
    'from the plan of the model or of the training directory, factors of equal names and shapes would still do something ' +
    'else there.',
  make: ({ file, what }) => ({
    message: `the adapter file was made for other layers, other weights or another scale than ${what}`,
    at: { kind: 'file', file },
    hint: 'put the adapter onto its base with `lotrc apply` and emit the training graphs from that model',
  }),
});

export const nameTaken = defineCode<{ name: string }>({
  code: 'LOTR3304',
  severity: 'error',
  title: 'a factor has the name of something else in the model',
  explain:
    'An adapter file names its tensors, and a model-wide search by these names is how adapters are found again. The ' +
    'model already has another value of that name.',
  make: ({ name }) => ({
    message: `the model already has a value called "${name}"`,
    at: { kind: 'value', name },
    hint: 'rename that value, or run `lotrc rewrite` on the model instead of applying the file',
  }),
});

export const notAnAdapter = defineCode<{ file: string }>({
  code: 'LOTR3303',
  severity: 'error',
  title: 'the safetensors file does not hold an adapter of lotrc',
  explain:
    'An adapter file carries its plan under __metadata__["lotrc.adapters"]: which layers, which ranks, which base ' +
    'weights. This file has tensors but no plan, so lotrc cannot know where they belong.',
  make: ({ file }) => ({
    message: 'the file holds tensors but no adapter plan of lotrc',
    at: { kind: 'file', file },
    hint: 'give the .safetensors file that `lotrc rewrite`, `extract` or `train` wrote',
  }),
});

export const noWrap = defineCode<{ site: string; op: string; wrap: string }>({
  code: 'LOTR3211',
  severity: 'error',
  title: 'a method changes a weight that a layer does not have as a matrix',
  explain:
    'The wraps hadamard (HiRA, IA3) and column-norm (DoRA) put another matrix in place of the weight. That needs a MatMul or a ' +
    'Gemm with a weight of floating-point numbers, quantised or not; convolutions, packed weights and stacked experts have ' +
    'none. Methods that add to the weight have no such limit.',
  make: ({ site, op, wrap }) => ({
    message: `layer "${site}" is ${op}, whose weight no matrix can take the place of, as the wrap ${wrap} needs`,
    hint: '--exclude the layer, or use a method that adds to the weight, such as lora',
  }),
});
