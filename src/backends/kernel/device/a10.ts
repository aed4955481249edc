import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA A10. */
export const A10: DeviceProfile = {
  name: 'a10',
  target: 'sm_86',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 28e12, tf32: 56e12, f16: 112e12, bf16: 112e12 },
  bytesPerSecond: 0.54e12,
  launchSeconds: 2.5e-6,
  cacheBytes: 6 << 20,
  workgroupBytes: 99 << 10,
  invocations: 1024,
  multiprocessors: 72,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source: 'nominal rates less 10 %; not measured',
  tiles: cudaTiles('sm_86', MMA_GEMM),
};
