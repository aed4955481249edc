import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/** NVIDIA A100. */
export const A100: DeviceProfile = {
  name: 'a100',
  target: 'sm_80',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 17e12, tf32: 132e12, f16: 265e12, bf16: 265e12 },
  bytesPerSecond: 1.4e12,
  launchSeconds: 2.5e-6,
  cacheBytes: 40 << 20,
  workgroupBytes: 163 << 10,
  invocations: 1024,
  multiprocessors: 108,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source: 'nominal rates less 15 % (f32, tf32, f16, bf16) and 10 % (memory); not measured',
  tiles: cudaTiles('sm_80', MMA_GEMM),
};
