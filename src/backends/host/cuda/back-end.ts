import type { BackEnd } from '../../backend.js';
import { A10 } from '../../kernel/device/a10.js';
import { A100 } from '../../kernel/device/a100.js';
import { H100 } from '../../kernel/device/h100.js';
import { H200 } from '../../kernel/device/h200.js';
import { L4 } from '../../kernel/device/l4.js';
import { RTX_3090 } from '../../kernel/device/rtx-3090.js';
import { RTX_4090 } from '../../kernel/device/rtx-4090.js';
import { RTX_5090 } from '../../kernel/device/rtx-5090.js';
import { forOtherDevice } from '../shared/check.js';
import { noSteps } from '../shared/optimizer.js';

/** Kernels in CUDA C++, and a C library that runs them. */
export const CUDA: BackEnd = {
  name: 'cuda',
  about: 'write fused CUDA kernels for the adapted layers and a C library that runs them',
  devices: [H100, H200, A100, RTX_3090, A10, RTX_4090, L4, RTX_5090],
  flags: ['arch', 'tf32'],
  check: (plan, { optimizer }) => [...forOtherDevice(plan, CUDA), ...noSteps(optimizer)],
  async lower(plan, { tf32, architectures }) {
    const { loweredPlan } = await import('./lower.js');
    return loweredPlan(plan, tf32, { warpgroups: architectures.includes('sm_90a') });
  },
  async emit(plan, { tf32, architectures, optimizer }) {
    const { cudaHost } = await import('./cuda.js');
    return cudaHost(plan, architectures, { tf32, optimizer });
  },
};
