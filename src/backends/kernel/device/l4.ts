import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA L4. */
export const L4: DeviceProfile = {
  name: 'l4',
  target: 'sm_89',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 27e12, tf32: 54e12, f16: 109e12, bf16: 109e12 },
  bytesPerSecond: 0.27e12,
  launchSeconds: 2.5e-6,
  cacheBytes: 48 << 20,
  workgroupBytes: 99 << 10,
  invocations: 1024,
  multiprocessors: 58,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source: 'nominal rates less 10 %; not measured',
  tiles: cudaTiles('sm_89', MMA_GEMM),
};
