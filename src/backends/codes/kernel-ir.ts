import { defineCode } from '../../ir/diagnostics.js';

/** Diagnostics 61xx (kernel IR). */

export const refused = defineCode<{ launch: string; why: string }>({
  code: 'LOTR6101',
  severity: 'error',
  title: 'a launch of a plan has no kernel in this version',
  explain:
    'Kernels are written for products and reductions. Calls of a vendor library are planned but are not ' +
    'kernels, and chained or widened products have no kernels for matrix units (schedules with warps).',
  make: ({ launch, why }) => ({
    message: `there is no kernel for the launch ${launch}: ${why}`,
    hint: 'choose a schedule without warps',
  }),
});

export const beyondDevice = defineCode<{ kernel: string; device: string; why: string }>({
  code: 'LOTR6102',
  severity: 'error',
  title: 'a kernel needs more than the device has',
  explain:
    'A device limits the workgroup memory, the invocations of a workgroup and the buffers that a kernel may bind, and may ' +
    'have no subgroups. The schedule of this kernel goes beyond one of these; a schedule with smaller tiles, fewer segments ' +
    'or without subgroups is needed.',
  make: ({ kernel, device, why }) => ({
    message: `the kernel ${kernel} does not fit ${device}: ${why}`,
    hint: 'choose a schedule with smaller tiles',
  }),
});

export const cannotSpell = defineCode<{ kernel: string; target: string; what: string }>({
  code: 'LOTR6103',
  severity: 'error',
  title: 'a kernel uses what the target language does not have',
  explain:
    'WGSL has no bfloat16, and no matrix units of a warp; CUDA sums over whole warps only, and has no matrices of subgroups. Plan with float32, or with float16 ' +
    'where the device has it, with schedules without warps, and over subgroups with a multiple of 32 invocations.',
  make: ({ kernel, target, what }) => ({
    message: `the kernel ${kernel} uses ${what}, which ${target} does not have`,
    hint: 'plan the kernels with float32 or float16 operands',
  }),
});

export const brokenRule = defineCode<{ kernel: string; rule: string; where: string }>({
  code: 'LOTR6104',
  severity: 'error',
  title: 'a kernel breaks a rule of the kernel IR',
  explain:
    'Before a kernel is printed it is checked: accesses are in range or masked, barriers are reached by all invocations, ' +
    'workgroup memory is written before it is read, and all invocations of a subgroup reach each subgroup sum. A kernel that fails is never written. This is a bug in ' +
    'lotrc; please report the plan that led to it.',
  make: ({ kernel, rule, where }) => ({
    message: `the kernel ${kernel} breaks the rule "${rule}": ${where}`,
    hint: 'report the plan (`--explain`) that led to this kernel',
  }),
});

export const noStepKernel = defineCode<{ optimizer: string; others: readonly string[] }>({
  code: 'LOTR6105',
  severity: 'error',
  title: 'an optimizer has no kernel of its step',
  explain:
    'A kernel of a step updates each number by itself. An optimizer that needs products of whole matrices, or a norm, has no ' +
    'such kernel; training graphs can have it (`lotrc emit onnx-train --optimizer`).',
  make: ({ optimizer, others }) => ({
    message: `there are no kernels for the steps of ${optimizer}: it updates whole matrices, not single numbers`,
    hint: `train with \`lotrc emit onnx-train\`, or choose an optimizer that updates each number by itself: ${others.join(', ')}`,
  }),
});
