import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA GeForce RTX 4090. */
export const RTX_4090: DeviceProfile = {
  name: 'rtx-4090',
  target: 'sm_89',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 74e12, tf32: 74e12, f16: 148e12, bf16: 148e12 },
  bytesPerSecond: 0.91e12,
  launchSeconds: 2.5e-6,
  cacheBytes: 72 << 20,
  workgroupBytes: 99 << 10,
  invocations: 1024,
  multiprocessors: 128,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source: 'nominal rates less 10 %; not measured',
  tiles: cudaTiles('sm_89', MMA_GEMM),
};
