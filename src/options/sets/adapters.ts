import { defineOptions } from '../define.js';
import { file, flag, formed, narrowed, notModel, pairs, real, text, texts, whole, word } from '../types.js';
import {
  ADAPTER_FORMATS,
  CARRIES,
  COMBINE_WAYS,
  FACTOR_DTYPES,
  GGUF_ARCHS,
  LAYER_LIST,
  SHARE_RULE,
  TIES,
} from '../words.js';
import { CLOBBER, outputOption, REPORT, WATCH, WEIGHTS } from './shared.js';

/** rewrite, merge, extract, apply, strip: what puts adapters in, takes them out, or folds them in. */

/** How adapted layers and their factors are written. */
export const FORM = defineOptions({
  carry: {
    flag: 'factors',
    type: word('form', CARRIES),
    doc: 'factors are initializers (embedded, the default), required inputs (inputs), or inputs with a default that adds nothing (optional: ONNX Runtime then prints one harmless warning per factor when it loads the model)',
  },
  factorDType: {
    flag: 'factor-dtype',
    type: word('type', FACTOR_DTYPES),
    doc: 'type that the factors are stored in: f32 (default), or model, the half precision that the layers compute in',
  },
  keepFunctions: {
    type: flag,
    default: false,
    doc: 'write each adapted layer as a call of a model-local function',
  },
  lowering: {
    type: word('form', ['fold', 'token', 'dense']),
    doc: 'plain ONNX for many tokens per run (fold, the default), for few (token), or with the weight and its adapter as one matrix (dense)',
  },
});

/** Which layers get adapters, and which. */
export const SELECT = defineOptions({
  rank: { type: whole(1), required: true, doc: 'rank of the adapters' },
  method: {
    type: text('name'),
    default: 'lotr',
    doc: 'adapter method, by name or as a JSON file (docs/methods.md)',
  },
  targets: {
    flag: 'target',
    type: texts('pattern'),
    doc:
      'layers to adapt, repeatable: a dotted suffix of the module path (query, self.query), glob:PATTERN, ' +
      'a regular expression, or all-linear (default: every layer but output heads, convolutions and stacked experts)',
  },
  exclude: { type: texts('pattern'), doc: 'layers to leave out, repeatable, as --target' },
  layers: {
    type: narrowed(text('list'), formed('list', 'layer numbers and ranges such as 0-5,8', LAYER_LIST)),
    doc: 'only these layer numbers, such as 0-5,8',
  },
  rankPatterns: {
    flag: 'rank-pattern',
    type: texts('pattern=n'),
    doc: 'rank of the layers that match, repeatable',
  },
  scale: {
    type: real(),
    doc: 'scale of the adapters: the product of the factors is multiplied by scale/rank (default 1)',
  },
  scalePatterns: {
    flag: 'scale-pattern',
    type: texts('pattern=x'),
    doc: 'scale of the layers that match, repeatable',
  },
  share: {
    type: narrowed(
      text('rule'),
      formed('rule', 'shape, target, type, site or block=K with K of at least 1', SHARE_RULE),
    ),
    default: 'shape',
    doc: 'layers that share their outer factors: shape, target, type, block=K, site',
  },
  init: {
    type: text('init'),
    doc: 'initial factors: normal, fan-in, svd-factors, svd, pissa, olora, loftq and difference (with --from), eva (with --calibration), or per factor: R=svd,M=zeros (docs/init.md)',
  },
  from: {
    type: file,
    doc: 'another model: for --init loftq the float model of which the quantised one was made, for --init difference the trained one',
  },
  base: {
    type: word('keep|residual', ['keep', 'residual']),
    doc: 'keep the weights, or subtract the initial adapter from them (--init svd, pissa and olora do this)',
  },
  seed: { type: whole(), default: 0, doc: 'seed of the initial factors' },
  storeSeeded: {
    type: flag,
    default: false,
    doc: 'store factors that follow from the seed, or make them inputs, as frozen factors are',
  },
  replace: { type: flag, default: false, doc: 'remove the adapters that the model already has first' },
  tie: {
    type: word('content|initializer', TIES),
    default: 'content',
    doc: 'treat layers as one if their weights are equal (content), or only if they read one stored weight (initializer)',
  },
});

/** What `--init eva` looks at. */
const CALIBRATION = defineOptions({
  calibration: {
    type: file,
    doc: 'for --init eva: texts or tensors to run the model on, in the forms that --data of train takes',
  },
  calibrationExamples: {
    type: whole(1),
    default: 256,
    doc: 'for --init eva: at most so many examples of --calibration, the first ones',
  },
  tokenizer: { type: file, doc: 'for --init eva with texts: the tokenizer.json of the model' },
});

export const REWRITE = defineOptions({
  ...SELECT,
  ...FORM,
  ...WEIGHTS,
  output: outputOption(
    'the rewritten model, or a folder for it; by default MODEL.lotr.onnx in the folder of the model',
  ),
  adapter: { type: file, doc: 'the adapter file; by default the output with the ending .safetensors' },
  ...CALIBRATION,
  withoutData: {
    type: flag,
    default: false,
    doc: 'only print the plan, also when the data files of the model are missing; writes nothing',
  },
  ...WATCH,
  ...CLOBBER,
  ...REPORT,
});

export const MERGE = defineOptions({
  output: outputOption(
    'the merged model, or a folder for it; by default MODEL.merged.onnx in the folder of the model',
  ),
  adapter: { type: file, doc: 'factors from this .safetensors file, instead of those in the model' },
  ...WEIGHTS,
  ...WATCH,
  ...CLOBBER,
  ...REPORT,
});

/** Modules of other programs. */
const MODULE_MAP = {
  moduleMap: {
    type: pairs('from=to'),
    doc: 'for adapters of PEFT and other programs, repeatable: names of modules that begin with FROM in what is read begin with TO in what is written',
  },
} as const;

/** What adapters of llama.cpp do not say. */
const HEAD_SIZE = {
  headSize: {
    type: whole(1),
    doc: 'for gguf of the architecture llama: outputs of one attention head (head_dim of its config.json)',
  },
} as const;

/** How an adapter is written for another program. */
const TO = {
  to: {
    type: word('form', ADAPTER_FORMATS),
    doc: 'form of the output: safetensors (of lotrc), peft (a folder), onnx_adapter, gguf (of llama.cpp); by default what its ending says',
  },
  tolerance: {
    type: real({ above: 0 }),
    doc: 'for methods that are not LoRA: largest relative error of a layer; without it only exact conversions are made',
  },
  ...MODULE_MAP,
  arch: {
    type: word('name', GGUF_ARCHS),
    doc: 'for gguf: architecture of the model, as llama.cpp calls it',
  },
  ...HEAD_SIZE,
} as const;

export const EXTRACT = defineOptions({
  output: outputOption(
    'the adapter file, or a folder for it; by default MODEL.safetensors in the folder of the model',
  ),
  ...TO,
  model: {
    type: file,
    doc: 'the model that was rewritten: needed for other programs where its weights were changed (--init svd, pissa, olora)',
  },
  ...CLOBBER,
  ...REPORT,
});

export const APPLY = defineOptions({
  output: outputOption(
    'the adapted model, or a folder for it; by default BASE.lotr.onnx in the folder of the base',
  ),
  ...FORM,
  ...WEIGHTS,
  match: {
    type: word('how', ['weights', 'path']),
    default: 'weights',
    doc: 'weights: the base must hold the very weights that the adapter was made for; path: layers of the same module paths and shapes, in a float16, quantised or re-exported file of the same network',
  },
  ...MODULE_MAP,
  ...HEAD_SIZE,
  ...WATCH,
  ...CLOBBER,
  ...REPORT,
});

export const CONVERT = defineOptions({
  ...TO,
  model: {
    type: file,
    doc: 'the model that the adapter is for: needed to make a file of lotrc of an adapter of another program, to read .onnx_adapter (then the rewritten one), and for adapters that changed its weights (then the original one)',
  },
  ...CLOBBER,
  ...REPORT,
});

export const COMBINE = defineOptions({
  output: {
    type: file,
    short: 'o',
    required: true,
    doc: 'the combined adapter: a file or a folder, as of `lotrc convert`',
  },
  how: {
    type: word('way', COMBINE_WAYS),
    default: 'cat',
    doc: 'cat: joined, exactly, at the sum of the ranks; linear: A and B added, at equal ranks; svd, ties, dare: updates added (whole, those that agree in sign, a random share) and decomposed again',
  },
  rank: { type: whole(1), doc: 'rank of svd, ties and dare; by default the largest of the adapters' },
  density: {
    type: real({ above: 0, most: 1 }),
    default: 0.5,
    doc: 'share of each update that ties and dare keep',
  },
  seed: { type: whole(), default: 0, doc: 'seed of dare' },
  ...TO,
  model: CONVERT.model,
  ...CLOBBER,
  ...REPORT,
});

export const COMPRESS = defineOptions({
  output: {
    type: notModel('file', 'a folder or an adapter file'),
    short: 'o',
    required: true,
    doc: 'folder of the compressed adapters: shared.safetensors, and NAME.safetensors for each; with --to-parameters the adapter file',
  },
  toParameters: {
    type: whole(1),
    doc: 'of one LoTR adapter, or a model with it: the largest rank whose factors have at most so many trained values',
  },
  tolerance: {
    type: real({ above: 0, below: 1 }),
    default: 0.01,
    doc: 'largest relative error of all layers of one shape together',
  },
  ...CLOBBER,
  ...REPORT,
});

export const STRIP = defineOptions({
  output: outputOption(
    'the base model, or a folder for it; by default MODEL.base.onnx in the folder of the model',
  ),
  ...WEIGHTS,
  ...WATCH,
  ...CLOBBER,
  ...REPORT,
});
