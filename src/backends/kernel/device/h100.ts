import type { DeviceProfile } from '../model/types.js';
import { SM_90A_BYTES } from './blocks.js';
import { SM_90A_TILES } from './cuda-tiles.js';

/** NVIDIA H100. */
export const H100: DeviceProfile = {
  name: 'h100',
  target: 'sm_90a',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 50e12, tf32: 300e12, f16: 798e12, bf16: 798e12 },
  bytesPerSecond: 3e12,
  launchSeconds: 2e-6,
  cacheBytes: 50 << 20,
  workgroupBytes: SM_90A_BYTES,
  invocations: 1024,
  multiprocessors: 132,
  storageBuffers: 64,
  features: ['mma', 'wgmma', 'tma', 'cp.async', 'subgroups', 'library', 'packed'],
  source:
    'measured: bf16 GEMM 8192^3 and device copy; f32 nominal; tf32 nominal less 40 % (mma.sync); launch as in a CUDA graph',
  tiles: SM_90A_TILES,
};
