import type { DeviceProfile } from '../model/types.js';
import { A10 } from './a10.js';
import { A100 } from './a100.js';
import { B200 } from './b200.js';
import { B300 } from './b300.js';
import { H100 } from './h100.js';
import { H200 } from './h200.js';
import { L4 } from './l4.js';
import { RTX_3090 } from './rtx-3090.js';
import { RTX_4090 } from './rtx-4090.js';
import { RTX_5090 } from './rtx-5090.js';

/** Devices that plans for CUDA can be made for; the first is the default. */
export const CUDA_DEVICES: readonly DeviceProfile[] = [
  H100,
  H200,
  A100,
  RTX_3090,
  A10,
  RTX_4090,
  L4,
  RTX_5090,
  B200,
  B300,
];

/** A device with no more shared memory than all that code for these architectures runs on: kernels are the same for all. */
export function leastOf(device: DeviceProfile, architectures: readonly string[]): DeviceProfile {
  const all = CUDA_DEVICES.filter(({ target }) => architectures.includes(target));
  const workgroupBytes = Math.min(...[device, ...all].map((one) => one.workgroupBytes));
  return { ...device, workgroupBytes };
}
