import type { DeviceProfile } from '../model/types.js';
import { hipTiles } from './hip-tiles.js';

/** AMD Instinct MI300X. */
export const MI300X: DeviceProfile = {
  name: 'mi300x',
  target: 'gfx942',
  api: 'hip',
  platform: 'HIP',
  flops: { f32: 69e12, f16: 69e12, bf16: 69e12 },
  bytesPerSecond: 4.2e12,
  launchSeconds: 5e-6,
  cacheBytes: 256 << 20,
  workgroupBytes: 64 << 10,
  invocations: 1024,
  multiprocessors: 304,
  storageBuffers: 64,
  features: ['staged', 'packed'],
  source:
    '85 % of 81.7 TFLOP/s of float32 (data sheet: 163.4 with two results for each lane and cycle), 80 % of 5.3 TB/s; launch assumed; not measured',
  tiles: hipTiles('gfx942'),
};
