import { scheduleRows } from '../../../src/backends/kernel/device/tiles.js';
import type { DeviceProfile } from '../../../src/backends/kernel/model/types.js';

/** A device that computes in float32 alone, in tiles of 4 x 4. */
export const EXAMPLE_DEVICE: DeviceProfile = {
  name: 'example-device',
  target: 'example',
  api: 'example',
  platform: 'Example',
  flops: { f32: 1e12, f16: null, bf16: null },
  bytesPerSecond: 1e11,
  launchSeconds: 1e-5,
  cacheBytes: 1 << 20,
  workgroupBytes: 16384,
  invocations: 256,
  storageBuffers: 8,
  features: [],
  source: 'invented',
  tiles: scheduleRows(
    'example',
    ['f32'],
    [
      ...(['gemm', 'gemv', 'skinny', 'skinnyT', 'rankBatched'] as const).map(
        (family) => [family, 'any', [16, 16, 16, 4, 4, 4, 1, 0, 1]] as const,
      ),
      ['reducePartials', 'any', [64, 1, 1, 1, 1, 1, 1, 0, 1]],
    ],
  ),
};
