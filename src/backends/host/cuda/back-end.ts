import type { BackEnd } from '../../backend.js';
import { CUDA_DEVICES } from '../../kernel/device/cuda-devices.js';
import { forOtherDevice } from '../shared/check.js';
import { noSteps } from '../shared/optimizer.js';

/** Kernels in CUDA C++, and a C library that runs them. */
export const CUDA: BackEnd = {
  name: 'cuda',
  about: 'write fused CUDA kernels for the adapted layers and a C library that runs them',
  devices: CUDA_DEVICES,
  flags: ['maxRank', 'arch', 'tf32', 'tf32x3'],
  check: (plan, { optimizer }) => [...forOtherDevice(plan, CUDA), ...noSteps(optimizer)],
  async lowering(planned, { architectures }) {
    const { loweringFor } = await import('./lower.js');
    return loweringFor(planned, architectures);
  },
  async emit(plan, { architectures, optimizer }) {
    const { cudaEmission } = await import('./cuda.js');
    return cudaEmission(plan, architectures, optimizer);
  },
};
