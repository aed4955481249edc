import type { DeviceProfile } from '../model/types.js';
import { B200 } from './b200.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA B300: for these types B200 with more memory. */
export const B300: DeviceProfile = {
  ...B200,
  name: 'b300',
  target: 'sm_103',
  tiles: cudaTiles('sm_103', MMA_GEMM),
};
