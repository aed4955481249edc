import type { BackEnd } from '../../backend.js';
import { HIP_DEVICES } from '../../kernel/device/hip-devices.js';
import { forOtherDevice } from '../shared/check.js';
import { noSteps } from '../shared/optimizer.js';

/** Kernels in HIP for AMD devices, and a C library that runs them. */
export const HIP: BackEnd = {
  name: 'hip',
  about: 'write fused HIP kernels (AMD) for the adapted layers and a C library that runs them',
  devices: HIP_DEVICES,
  flags: ['maxRank', 'arch'],
  check: (plan, { optimizer }) => [...forOtherDevice(plan, HIP), ...noSteps(optimizer)],
  async lowering(planned) {
    const { hipLowering } = await import('./lower.js');
    return hipLowering(planned);
  },
  async emit(plan, { architectures, optimizer }) {
    const { hipEmission } = await import('./hip.js');
    return hipEmission(plan, architectures, optimizer);
  },
};
