import { defineCode } from '../../ir/diagnostics.js';

/** Diagnostics 6xxx (kernels). */

export const nothingToPlan = defineCode<{ why: string }>({
  code: 'LOTR6002',
  severity: 'error',
  title: 'lotrc has no kernels for the adapted layers',
  explain:
    'Kernels are made for layers y = x W + b with a stored weight in float32, float16 or bfloat16, with CUDA and HIP also in 4 or 8 bits ' +
    '(MatMulNBits), and an adapter of ' +
    'which no factor spans both the inputs and the outputs of the layer. ' +
    'The rewritten model itself runs in any ONNX runtime.',
  make: ({ why }) => ({
    message: `lotrc has no kernels for any of the adapted layers: ${why}`,
    hint: 'run the rewritten model in ONNX Runtime, or merge the adapter with `lotrc merge`',
  }),
});

export const unknownDevice = defineCode<{
  name: string;
  api: string;
  known: readonly string[];
  near: readonly string[];
}>({
  code: 'LOTR6003',
  severity: 'error',
  title: 'there is no profile of that device or architecture',
  explain:
    'Plans are made for a device of which the rates of arithmetic and memory and the cost of a launch are known. ' +
    'Choose the listed profile that is nearest to the device.',
  make: ({ name, api, known, near }) => ({
    message: `there is no ${api} profile named "${name}"`,
    hint: `${near.length > 0 ? `did you mean ${near[0]}? ` : ''}the profiles are ${known.join(', ')}`,
  }),
});

export const deviceOfOther = defineCode<{ name: string; api: string; command: string }>({
  code: 'LOTR6120',
  severity: 'error',
  title: 'the device or architecture belongs to another command',
  explain:
    'Each command of `lotrc emit` writes kernels for devices of one kind: `wgsl` for WebGPU, `cuda` for NVIDIA, `hip` for AMD. The kernels of ' +
    'one do not run on those of another.',
  make: ({ name, api, command }) => ({
    message: `${name} is not a device of ${api}`,
    hint: `\`lotrc emit ${command}\` writes kernels for it`,
  }),
});

export const noSchedule = defineCode<{
  device: string;
  target: string;
  family: string;
  dtype: string;
  rows: number;
  cols: number;
  inner: number;
  passedOver: readonly string[];
}>({
  code: 'LOTR6004',
  severity: 'error',
  title: 'no schedule fits a kernel and the device',
  explain:
    'A kernel needs tile sizes that the device can run: workgroup memory, invocations and the element type must fit. ' +
    'The table of schedules has no row left for this one. Another element type or another device profile may have one.',
  make: ({ device, target, family, dtype, rows, cols, inner, passedOver }) => ({
    message: `no ${dtype} schedule of ${family} on ${device} (${target}) for ${rows} x ${cols}, inner ${inner}`,
    hint:
      passedOver.length > 0
        ? `passed over: ${passedOver.join('; ')}`
        : `choose another --dtype: ${target} has no row for ${dtype}`,
  }),
});

export const otherType = defineCode<{ device: string; dtype: string; known: readonly string[] }>({
  code: 'LOTR6005',
  severity: 'error',
  title: 'the device does not compute in that element type',
  explain:
    'WebGPU has no bfloat16, and some devices lack float16. Plan the kernels in another type: factors and sums are kept in ' +
    'float32 whatever the operands are.',
  make: ({ device, dtype, known }) => ({
    message: `${device} does not compute in ${dtype}`,
    hint: `choose --dtype ${known.join(' or --dtype ')}`,
  }),
});

export const formRefused = defineCode<{ form: string; region: string; because: string }>({
  code: 'LOTR6006',
  severity: 'error',
  title: 'a layer cannot use the kernel form given by --form',
  explain:
    'Forms of one contraction differ in what they need: a widened launch few rows and a small rank, the token form several ' +
    'adapters, a merged weight an adapter that is trained and not exchanged, a bordered weight CUDA and one adapter that is not ' +
    'to be merged on the device. Leave out --form to use the cheapest one.',
  make: ({ form, region, because }) => ({
    message: `${form} cannot be used for ${region}: ${because}`,
    hint: 'leave out --form to use the cheapest form',
  }),
});

export const badSchedules = defineCode<{ file: string; why: string }>({
  code: 'LOTR6007',
  severity: 'error',
  title: 'a file of schedules cannot be used',
  explain:
    'A file of schedules holds rows of tile sizes by target, element type, kernel family and shape class, as JSON with ' +
    '"version": 1. Tuned rows are tried before those that lotrc has.',
  make: ({ file, why }) => ({
    message: `not a file of schedules: ${why}`,
    at: { kind: 'file', file },
    hint: 'docs/kernels.md describes the rows',
  }),
});

export const planTooLarge = defineCode<{ why: string; hint: string }>({
  code: 'LOTR6008',
  severity: 'error',
  title: 'a buffer of the plan is too large for the kernels',
  explain:
    'Kernels address the elements of a buffer by 32-bit numbers, and a buffer of this plan has more elements. Fewer ' +
    'tokens or adapters need smaller buffers.',
  make: ({ why, hint }) => ({ message: `this plan cannot be written: ${why}`, hint }),
});

export const otherBackEnd = defineCode<{ backEnd: string; device: string; known: readonly string[] }>({
  code: 'LOTR6009',
  severity: 'error',
  title: 'the plan is for a device of another back end',
  explain:
    'A plan of kernels is made for one device, and each back end writes kernels for devices of its own. Plan the layers for ' +
    'one of these, or emit the plan with the back end of its device.',
  make: ({ backEnd, device, known }) => ({
    message: `${backEnd} writes no kernels for ${device}`,
    hint: `plan for ${known.join(' or ')}`,
  }),
});

export const cannotCut = defineCode<{ why: string; hint: string }>({
  code: 'LOTR6010',
  severity: 'error',
  title: 'the model cannot be cut at its adapted layers',
  explain:
    'With --segments the rest of the model is written as models of its own, which run before, between and after the kernels of the ' +
    'adapted layers. Each adapted layer must have a kernel and lie in the main graph, and the layers must compute in float32.',
  make: ({ why, hint }) => ({ message: `the model cannot be cut at its adapted layers: ${why}`, hint }),
});

export const packedMerge = defineCode<{ layer: string }>({
  code: 'LOTR6011',
  severity: 'error',
  title: 'an adapter cannot be folded into packed weights',
  explain:
    'With --merge the kernels add the adapter to the weights in place. Weights in 4 or 8 bits cannot hold the sum: they would ' +
    'have to be quantised again.',
  make: ({ layer }) => ({
    message: `the adapter of ${layer} cannot be folded into its weight, which is packed`,
    hint: 'leave out --merge, or emit kernels for the model before it was quantised',
  }),
});

export const noRowAdapters = defineCode<{ region: string; because: string }>({
  code: 'LOTR6012',
  severity: 'error',
  title: 'rows of a batch cannot have adapters of their own in these layers',
  explain:
    'With --max-rank each row of a batch has an adapter of its own, whose rank and scale differ from those of others. The kernels take ' +
    'methods in which x is multiplied by a factor (inputs x rank), then by a core (rank x rank) or none, and by a last factor ' +
    '(rank x outputs): lotr, lora and their like. Others have kernels with --adapters, for blocks of rows and adapters of one rank.',
  make: ({ region, because }) => ({
    message: `rows of a batch cannot have adapters of their own in ${region}: ${because}`,
    hint: 'leave out --max-rank: each block of rows then has an adapter of the rank of the model',
  }),
});

export const adaptersTooLarge = defineCode<{
  buffer: string;
  bytes: string;
  device: string;
  most: string;
}>({
  code: 'LOTR6140',
  severity: 'error',
  title: 'the adapters of rows are larger than what a device binds',
  explain:
    'With --adapters and --max-rank one buffer holds a factor of all adapters, each with room for the largest rank, and a kernel for WebGPU ' +
    'is given the whole buffer. A device gives a kernel at most maxStorageBufferBindingSize bytes of a buffer: 128 MiB unless its record says more.',
  make: ({ buffer, bytes, device, most }) => ({
    message: `${buffer} holds a factor of all adapters in ${bytes}, and kernels on ${device} are given at most ${most} of a buffer`,
    hint: 'choose fewer --adapters, a smaller --max-rank or --dtype f16, or plan for a record of the device (`lotrc doctor`) that binds more',
  }),
});

export const noRowsOnDevice = defineCode<{ device: string }>({
  code: 'LOTR6141',
  severity: 'error',
  title: 'the kernels for rows with adapters of their own are wrong on the device',
  explain:
    'With --max-rank rows of a batch have adapters of their own. `lotrc doctor` has run the kernels for them on this device and compared them ' +
    'with float64; they were wrong, or not compiled, and the record of the device says so. The record may also be older than these kernels.',
  make: ({ device }) => ({
    message: `the record of ${device} does not say that kernels for rows with adapters of their own are right on it`,
    hint: 'run `lotrc doctor` again, or leave out --max-rank: each block of rows then has an adapter of the rank of the model',
  }),
});

export const noMatricesOnDevice = defineCode<{ device: string; wanted: string; known: readonly string[] }>({
  code: 'LOTR6142',
  severity: 'error',
  title: 'subgroups of a device do not multiply matrices of this shape, or wrongly',
  explain:
    'With --subgroup-matrix subgroups of a WebGPU device multiply matrices of one shape, in types that the device lists. `lotrc doctor` has seen ' +
    'that this device does not list them, or that its products differ from float64, or the record is older than these kernels. What sums are in ' +
    'is up to --accumulate: of operands in float16 a device may list one and not the other.',
  make: ({ device, wanted, known }) => ({
    message: `the record of ${device} does not say that subgroup matrices ${wanted} are right on it (it has ${known.join('; ') || 'none'})`,
    hint: 'choose a shape and --accumulate that it has, run `lotrc doctor` again, or leave out --subgroup-matrix',
  }),
});

export const noMatricesTaken = defineCode<{ shape: string; tokens: number }>({
  code: 'LOTR6143',
  severity: 'warning',
  title: 'no launch of a plan multiplies matrices in subgroups',
  explain:
    'Subgroups multiply matrices in products of layers and their gradients with more rows than kernels for few rows take, of which all widths and ranks are ' +
    'multiples of 4 and weights are not packed. Other products have the kernels that they have without --subgroup-matrix.',
  make: ({ shape, tokens }) => ({
    message: `with ${tokens} tokens no launch of the plan multiplies matrices ${shape} in subgroups`,
    hint: 'leave out --subgroup-matrix, or plan for more --tokens',
  }),
});

export const nothingTrained = defineCode<{ methods: readonly string[] }>({
  code: 'LOTR6031',
  severity: 'error',
  title: 'no factor of the adapters is trained',
  explain:
    'The description of the adapter says for each factor whether it is trained or frozen. Kernels for training are made ' +
    'for what is trained; here every factor is frozen.',
  make: ({ methods }) => ({
    message: `the description of ${methods.join(', ')} freezes every factor`,
    hint: 'add --for serve for kernels that run the adapter as it is, or rewrite the model with a method that trains a factor',
  }),
});
