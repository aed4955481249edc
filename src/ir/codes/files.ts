import { defineCode, explainCode } from '../diagnostics.js';
import { listed } from './listed.js';

/** Diagnostics 7xxx (adapter files): 70xx safetensors, 71xx .onnx_adapter, 72xx PEFT. */

export const badSafetensors = defineCode<
  { file: string } & ({ offset: number; why: string } | { what: string; hint: string })
>({
  code: 'LOTR7001',
  severity: 'error',
  make: ({ file, ...found }) =>
    'what' in found
      ? { message: `not a safetensors file but ${found.what}`, at: { kind: 'file', file }, hint: found.hint }
      : {
          message: `not a well-formed safetensors file: ${found.why}`,
          at: { kind: 'bytes', file, offset: found.offset },
          hint: 'check that the file is complete and is a safetensors file, then fetch or write it again',
        },
});

explainCode(badSafetensors, {
  title: 'the file is not a well-formed safetensors file',
  explain:
    'A safetensors file is an 8-byte little-endian header length, a JSON header that names element type, shape and ' +
    'place of every tensor, and the data, which the tensors cover without holes or overlaps. Everything is checked ' +
    'before any data is read. A file that breaks these rules is damaged, cut short, or made to mislead a reader; a ' +
    'Git LFS pointer in place of the file is a common cause.',
});

export const safetensorsDtype = defineCode<{ file: string; name: string; dtype: string }>({
  code: 'LOTR7002',
  severity: 'error',
  make: ({ file, name, dtype }) => ({
    message: `${file}: tensor "${name}" has element type ${JSON.stringify(dtype)}, which is not known`,
    at: { kind: 'tensor', name },
    hint: 'convert the tensor to one of the usual types, or leave it out of the file',
  }),
});

explainCode(safetensorsDtype, {
  title: 'a safetensors file holds an element type that lotrc does not know',
  explain:
    'lotrc reads F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, C64, F8_E4M3, F8_E5M2 and F8_E8M0. ' +
    'The size of other types is unknown to it, so it cannot check where tensors lie.',
});

export const cannotStore = defineCode<{ file: string; name: string; why: string }>({
  code: 'LOTR7003',
  severity: 'error',
  make: ({ file, name, why }) => ({
    message: `cannot store "${name}" in ${file}: ${why}`,
    at: { kind: 'tensor', name },
    hint: 'give the tensor another name or another element type',
  }),
});

explainCode(cannotStore, {
  title: 'a tensor cannot be stored in an adapter file',
  explain:
    'Safetensors and .onnx_adapter files hold tensors of fixed-size elements under names that are text. Strings and ' +
    '4-bit elements have no place in them, and "__metadata__" is a reserved name.',
});

export const badOnnxAdapter = defineCode<{ file: string; offset: number; why: string }>({
  code: 'LOTR7101',
  severity: 'error',
  title: 'the file is not a well-formed .onnx_adapter file',
  explain:
    'An .onnx_adapter file is a FlatBuffers message with the identifier "TORT": version numbers and a list of ' +
    'parameters, each with name, dimensions, element type and data. Every offset and length is checked against the ' +
    'file before it is followed. A file that breaks the rules is damaged, cut short, or made to mislead a reader.',
  make: ({ file, offset, why }) => ({
    message: `not a well-formed .onnx_adapter file: ${why}`,
    at: { kind: 'bytes', file, offset },
    hint: 'check that the file is complete and is an .onnx_adapter file, then fetch or write it again',
  }),
});

export const onnxAdapterVersion = defineCode<{ file: string; version: number }>({
  code: 'LOTR7102',
  severity: 'error',
  title: 'the .onnx_adapter file has an unknown format version',
  explain: 'ONNX Runtime has defined version 1 of the format only, and lotrc reads that.',
  make: ({ file, version }) => ({
    message: `format version ${version} of .onnx_adapter is not known; 1 is`,
    at: { kind: 'file', file },
    hint: 'write the adapter again with a tool that writes version 1',
  }),
});

export const notLora = defineCode<{ method: string; why: string }>({
  code: 'LOTR7201',
  severity: 'error',
  title: 'the adapter cannot be written as LoRA',
  explain:
    'A PEFT LoRA adapter holds two matrices for each layer, named by the module path of the PyTorch model; the base ' +
    'stays unchanged. Any chain of factors has that form: A is the first factor and B the product of the rest. It is ' +
    'refused for layers whose module path is unknown or that are not modules.',
  make: ({ method, why }) => ({
    message: `cannot export the ${method} adapter as LoRA: ${why}`,
    hint: 'give module paths with --module-map where they are missing; otherwise fold the adapter into the weights with `lotrc merge`',
  }),
});

export const needsModel = defineCode<{ file: string; why: string; hint?: string }>({
  code: 'LOTR7204',
  severity: 'error',
  title: 'a model is needed to convert the adapter',
  explain:
    'An adapter file says which tensors of a model file it changes. Other programs name modules, and have their matrices the other ' +
    'way round. For trained weights whose names exporters have made up, for windows of convolutions, and for adapters ' +
    'that are to become files of lotrc, the model says what is missing. Adapters that took a part out of the base weights ' +
    '(--init svd, pissa, olora) become LoRA of the original base, of twice the rank, for which that base is read.',
  make: ({ file, why, hint }) => ({
    message: `the adapter does not say ${why}`,
    at: { kind: 'file', file },
    hint: hint ?? 'give the model that it is for with --model MODEL.onnx',
  }),
});

export const otherStart = defineCode<{ site: string; file: string; why: string }>({
  code: 'LOTR7206',
  severity: 'error',
  title: 'the model is not the one that the adapter took a part out of',
  explain:
    'With --init svd, pissa or olora the base weights lose what the factors start as. To write such an adapter for the original ' +
    'base, these initial factors are computed from it again, and what they leave of each weight must be the weight that the ' +
    'adapter names. Here it is another one, or the layer is not there.',
  make: ({ site, file, why }) => ({
    message: `the adapter of "${site}" did not start from this model: ${why}`,
    at: { kind: 'file', file },
    hint: 'give the model file that `lotrc rewrite` read, with --model MODEL.onnx',
  }),
});

export const notExact = defineCode<{
  layer: string;
  method: string;
  error: number | null;
  tolerance: number | null;
}>({
  code: 'LOTR7205',
  severity: 'error',
  title: 'a layer of the adapter is not LoRA of a small rank',
  explain:
    'A method whose update is a matrix times the rest is LoRA of the same rank, exactly. Others (products of elements, ' +
    'Kronecker products) are written as the nearest LoRA, by singular values, when --tolerance says how far it may be off.',
  make: ({ layer, method, error, tolerance }) => ({
    message:
      tolerance === null
        ? `the update of "${layer}" by ${method} is not a product of two matrices`
        : `no LoRA is within ${tolerance} of the update of "${layer}" by ${method}; the error is ${error}`,
    hint:
      tolerance === null
        ? 'give the largest relative error per layer, --tolerance 1e-3, or fold the adapter into the weights with `lotrc merge`'
        : 'give a larger --tolerance, or fold the adapter into the weights with `lotrc merge`',
  }),
});

export const notAnInput = defineCode<{ names: readonly string[] }>({
  code: 'LOTR7103',
  severity: 'error',
  title: 'an .onnx_adapter file cannot hold weights that were trained in full',
  explain:
    'ONNX Runtime gives the tensors of an .onnx_adapter file to graph inputs of their names. Factors are inputs with ' +
    '--factors optional; weights of the base that were trained in full (--also-train, modules_to_save) are not.',
  make: ({ names }) => ({
    message: `the adapter holds ${names.length} weights that are not inputs of a model: ${listed(names)}`,
    hint: 'put the adapter onto the model with `lotrc apply` instead',
  }),
});

export const badPeft = defineCode<{ file: string; why: string; hint?: string }>({
  code: 'LOTR7202',
  severity: 'error',
  title: 'a PEFT adapter cannot be read',
  explain:
    'A PEFT LoRA adapter is a folder with adapter_config.json and adapter_model.safetensors, whose keys are ' +
    'base_model.model.<module>.lora_A.weight (rank x in) and .lora_B.weight (out x rank). Here a file, a key or a shape ' +
    'is not as PEFT writes it.',
  make: ({ file, why, hint }) => ({
    message: `not an adapter of PEFT: ${why}`,
    at: { kind: 'file', file },
    hint: hint ?? 'save the adapter again with PeftModel.save_pretrained',
  }),
});

export const peftFeature = defineCode<{ file: string; feature: string; hint?: string }>({
  code: 'LOTR7203',
  severity: 'error',
  title: 'a PEFT adapter uses something that lotrc does not import',
  explain:
    'lotrc imports LORA (also with use_dora), VERA, LOHA, LOKR, IA3, RANDLORA and FOURIERFT of linear layers, LORA of convolutions and of ' +
    'stacked experts (target_parameters), ' +
    'trained biases and modules saved whole. Adapted embeddings, ' +
    'adapters of other kinds, and initialisations that change the base weights (PiSSA, OLoRA, CorDA, LoftQ) would be ' +
    'lost or wrong, so they are refused.',
  make: ({ file, feature, hint }) => ({
    message: `the PEFT adapter uses ${feature}, which cannot be imported`,
    at: { kind: 'file', file },
    hint: hint ?? 'train without it, or convert the adapter to plain LoRA with PEFT first',
  }),
});

export const badKohya = defineCode<{ file: string; why: string }>({
  code: 'LOTR7401',
  severity: 'error',
  title: 'a LoRA file of the kohya form cannot be read',
  explain:
    'Such a safetensors file holds, for each module, <module>.lora_down.weight (rank x in), <module>.lora_up.weight ' +
    '(out x rank) and <module>.alpha, a number; the module has underscores in the places of dots, after lora_unet_ or lora_te_.',
  make: ({ file, why }) => ({
    message: `not a LoRA file of the kohya form: ${why}`,
    at: { kind: 'file', file },
    hint: 'write it again with the tool that trained it',
  }),
});

export const kohyaFeature = defineCode<{ file: string; name: string }>({
  code: 'LOTR7402',
  severity: 'error',
  title: 'a file of the kohya form holds an adapter that is not LoRA',
  explain:
    'Files with these names may hold LoHa, LoKr, OFT, DoRA scales, middle factors of convolutions or whole differences besides ' +
    'LoRA. lotrc reads lora_down, lora_up and alpha of them; to leave the rest out would change what the adapter computes.',
  make: ({ file, name }) => ({
    message: `"${name}" is not a part of LoRA, and cannot be imported`,
    at: { kind: 'file', file },
    hint: 'train plain LoRA, or convert the adapter with PEFT first',
  }),
});
