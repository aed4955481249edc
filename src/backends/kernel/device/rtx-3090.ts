import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA GeForce RTX 3090. */
export const RTX_3090: DeviceProfile = {
  name: 'rtx-3090',
  target: 'sm_86',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 32e12, tf32: 32e12, f16: 64e12, bf16: 64e12 },
  bytesPerSecond: 0.84e12,
  launchSeconds: 2.5e-6,
  cacheBytes: 6 << 20,
  workgroupBytes: 99 << 10,
  invocations: 1024,
  multiprocessors: 82,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source: 'nominal rates less 10 %; not measured',
  tiles: cudaTiles('sm_86', MMA_GEMM),
};
