import type { DeviceProfile } from '../model/types.js';
import { hipTiles } from './hip-tiles.js';

/** One of the two devices that an AMD Instinct MI250X is to a program. */
export const MI250X: DeviceProfile = {
  name: 'mi250x',
  target: 'gfx90a',
  api: 'hip',
  platform: 'HIP',
  flops: { f32: 20e12, f16: 20e12, bf16: 20e12 },
  bytesPerSecond: 1.3e12,
  launchSeconds: 5e-6,
  cacheBytes: 8 << 20,
  workgroupBytes: 64 << 10,
  invocations: 1024,
  multiprocessors: 110,
  storageBuffers: 64,
  features: ['staged', 'packed'],
  source:
    'one of its two devices: 85 % of 23.9 TFLOP/s of float32 (data sheet: 47.9 for both), 80 % of 1.6 TB/s; launch assumed; not measured',
  tiles: hipTiles('gfx90a'),
};
