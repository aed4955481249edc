import type { DeviceProfile } from '../model/types.js';
import { hipTiles } from './hip-tiles.js';

/** AMD Radeon RX 7900 XTX. */
export const RX_7900_XTX: DeviceProfile = {
  name: 'rx-7900-xtx',
  target: 'gfx1100',
  api: 'hip',
  platform: 'HIP',
  flops: { f32: 26e12, f16: 26e12, bf16: 26e12 },
  bytesPerSecond: 0.82e12,
  launchSeconds: 5e-6,
  cacheBytes: 96 << 20,
  workgroupBytes: 64 << 10,
  invocations: 1024,
  multiprocessors: 96,
  storageBuffers: 64,
  features: ['staged', 'packed'],
  source:
    '85 % of 30.7 TFLOP/s of float32 (data sheet: 61.4 with two results for each lane and cycle), 85 % of 960 GB/s; launch assumed; not measured',
  tiles: hipTiles('gfx1100'),
};
