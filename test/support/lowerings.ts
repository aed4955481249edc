import { loweringFor } from '../../src/backends/host/cuda/lower.js';
import { hipLowering } from '../../src/backends/host/hip/lower.js';
import type { LaunchLowering, Planned } from '../../src/backends/host/shared/lower.js';
import { wgslLowering } from '../../src/backends/host/webgpu/lower.js';

/** How launches for a device are emitted by the back end that it belongs to, for the device's own architecture. */
export function loweringOf(planned: Planned): LaunchLowering {
  const { api, target } = planned.device;
  if (api === 'webgpu') return wgslLowering(planned);
  return api === 'hip' ? hipLowering(planned) : loweringFor(planned, [target]);
}
