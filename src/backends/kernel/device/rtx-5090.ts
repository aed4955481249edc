import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA GeForce RTX 5090. */
export const RTX_5090: DeviceProfile = {
  name: 'rtx-5090',
  target: 'sm_120',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 90e12, tf32: 94e12, f16: 190e12, bf16: 190e12 },
  bytesPerSecond: 1.6e12,
  launchSeconds: 2.5e-6,
  cacheBytes: 96 << 20,
  workgroupBytes: 99 << 10,
  invocations: 1024,
  multiprocessors: 170,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source: 'nominal rates less 10 %; not measured',
  tiles: cudaTiles('sm_120', MMA_GEMM),
};
