import type { Diagnostic } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import type { OptimizerKind } from '../train/optimizers/index.js';
import { CUDA } from './host/cuda/back-end.js';
import { HIP } from './host/hip/back-end.js';
import type { Emission } from './host/shared/emitted.js';
import type { LaunchLowering, Planned } from './host/shared/lower.js';
import { WEBGPU } from './host/webgpu/back-end.js';
import type { SegmentedModel } from './host/webgpu/segments/segments.js';
import type { DeviceProfile, KernelPlan } from './kernel/model/types.js';

/** Options of `lotrc emit` that not every back end takes. */
type BackEndFlag =
  | 'subgroups'
  | 'subgroupMatrix'
  | 'segments'
  | 'accumulate'
  | 'arch'
  | 'tf32'
  | 'tf32x3'
  | 'maxRank';

/** What files depend on besides the plan. */
export interface EmitOptions {
  /** what the code is built for, as `target` of a device has it */
  readonly architectures: readonly string[];
  /** products of float16 over tokens may be added up in float16 within a tile */
  readonly halfSums: boolean;
  /** what the steps of a plan for training do */
  readonly optimizer: OptimizerKind;
}

/**
 * What makes files of a plan in one dialect: `lotrc emit NAME`. The command line declares a command for each, so a value
 * of this type loads what works on plans only when it is asked to.
 */
export interface BackEnd {
  readonly name: string;
  /** for `lotrc emit --help` */
  readonly about: string;
  /** devices that plans can be made for; the first is the default */
  readonly devices: readonly DeviceProfile[];
  readonly flags: readonly BackEndFlag[];
  /** it plans for device records of `lotrc doctor` too */
  readonly records?: true;
  /** why it cannot emit a plan; empty when it can. Kernels are verified when they are made. */
  check(plan: KernelPlan, options: EmitOptions): readonly Diagnostic[];
  /** how launches are emitted, by which forms are compared; absent: as they are planned */
  lowering?(planned: Planned, options: EmitOptions): Promise<LaunchLowering>;
  /** what it makes of a plan that was checked */
  emit(plan: KernelPlan, options: EmitOptions): Promise<Emission>;
  /**
   * With the flag `segments`: the rest of the model, cut at the layers of a plan for serving as it is emitted, and what runs it with the
   * files of `emit`. `open` reads the model afresh.
   */
  segments?(open: () => Model, plan: KernelPlan): Promise<SegmentedModel>;
}

/** All back ends for kernels. */
export const BACK_ENDS: readonly BackEnd[] = [WEBGPU, CUDA, HIP];
