import type { BackEnd } from '../../backend.js';
import { APPLE_M1 } from '../../kernel/device/apple-m1.js';
import { INTEL_XE } from '../../kernel/device/intel-xe.js';
import { SOFTWARE } from '../../kernel/device/software.js';
import { WEBGPU_LAPTOP } from '../../kernel/device/webgpu-laptop.js';
import { forOtherDevice } from '../shared/check.js';
import { noSteps } from '../shared/optimizer.js';

/** Kernels in WGSL, and a typed ES module that runs them. Loads ts-morph, which takes a second, only to write it. */
export const WEBGPU: BackEnd = {
  name: 'wgsl',
  about: 'write fused WebGPU kernels for the adapted layers and a TypeScript module that runs them',
  devices: [WEBGPU_LAPTOP, APPLE_M1, INTEL_XE, SOFTWARE],
  flags: ['subgroups', 'subgroupMatrix', 'segments', 'accumulate', 'maxRank'],
  records: true,
  check: (plan, { optimizer }) => [...forOtherDevice(plan, WEBGPU), ...noSteps(optimizer)],
  async lowering(planned, { halfSums }) {
    const { wgslLowering } = await import('./lower.js');
    return wgslLowering(planned, { halfSums });
  },
  async emit(plan, { halfSums, optimizer }) {
    const { loweredWgsl } = await import('./lower.js');
    const lowered = loweredWgsl(plan, { halfSums });
    const files = async () => (await import('./webgpu.js')).webgpuHost(lowered, optimizer);
    return { plan: lowered, files };
  },
  async segments(open, plan) {
    const { segmentedModel } = await import('./segments/segments.js');
    return segmentedModel(open, plan);
  },
};
