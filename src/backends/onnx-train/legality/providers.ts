import type { TrainingEp } from '../../../train/signature.js';
import { CPU } from './cpu.js';
import { CUDA_KERNELS } from './cuda.js';
import type { KernelTable } from './kernels.js';
import { WEBGPU_KERNELS } from './webgpu.js';

/** What an execution provider of ONNX Runtime 1.30 runs. */
export interface ProviderKernels {
  readonly kernels: KernelTable;
  /** ops without a kernel that the runtime turns into initializers or ops which have one */
  readonly expanded: ReadonlySet<string>;
  /** float16 is computed in float32 where a kernel lacks it, instead of elsewhere */
  readonly widensHalf: boolean;
  /** a kernel without a last version is known for its first version only */
  readonly registered: boolean;
  /** a further note on an op that is missing */
  readonly reasons: Readonly<Record<string, string>>;
  /** outputs that a kernel leaves unwritten, or writes something else to */
  readonly unwritten: Readonly<Record<string, readonly number[]>>;
  /** ops that are computed too coarsely */
  readonly coarse: ReadonlySet<string>;
}

const OWN_LOSS =
  'it is made of operators that have no kernel there; --loss cross-entropy on the logits has one for each';

const onCpu: ProviderKernels = {
  kernels: CPU,
  expanded: new Set([
    'Constant',
    'Bernoulli',
    'CastLike',
    'GroupNormalization',
    'HardSwish',
    'Mish',
    'NegativeLogLikelihoodLoss',
    'SoftmaxCrossEntropyLoss',
    'Swish',
  ]),
  widensHalf: true,
  registered: false,
  reasons: {},
  unwritten: {},
  coarse: new Set(),
};

export const PROVIDERS: Readonly<Record<TrainingEp, ProviderKernels>> = {
  cpu: onCpu,
  wasm: onCpu,
  cuda: {
    ...onCpu,
    kernels: CUDA_KERNELS,
    expanded: new Set(['Constant', 'NegativeLogLikelihoodLoss', 'SoftmaxCrossEntropyLoss']),
    widensHalf: false,
    registered: true,
  },
  webgpu: {
    kernels: WEBGPU_KERNELS,
    expanded: new Set(['Constant']),
    widensHalf: false,
    registered: false,
    reasons: {
      Loop: 'it has no Loop there; run step.onnx and let two sets of state buffers take turns',
      Dropout: 'it has no kernel there',
      NegativeLogLikelihoodLoss: OWN_LOSS,
      SoftmaxCrossEntropyLoss: OWN_LOSS,
      IsNaN: 'it has no kernel there; Not(Equal(x, x)) says the same',
    },
    // the second is given the mean instead of the inverse root mean square
    unwritten: { 'com.microsoft::SkipLayerNormalization': [1, 2], SimplifiedLayerNormalization: [1] },
    /**
     * WGSL allows sin and cos an absolute error of 2^-11, and drivers use it: rotary positions then spoil gradients in
     * the fourth digit (6e-4 on SwiftShader). On the CPU they are cheap: positions x half a head, once per run.
     */
    coarse: new Set(['Cos', 'Sin']),
  },
};
