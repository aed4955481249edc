import type { DeviceProfile } from '../model/types.js';
import { SM_90A_BYTES } from './blocks.js';
import { SM_90A_TILES } from './cuda-tiles.js';

/** NVIDIA H200: H100 with more and faster memory. */
export const H200: DeviceProfile = {
  name: 'h200',
  target: 'sm_90a',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 50e12, tf32: 300e12, f16: 784e12, bf16: 784e12 },
  bytesPerSecond: 4.3e12,
  launchSeconds: 2e-6,
  cacheBytes: 50 << 20,
  workgroupBytes: SM_90A_BYTES,
  invocations: 1024,
  multiprocessors: 132,
  storageBuffers: 64,
  features: ['mma', 'wgmma', 'tma', 'cp.async', 'subgroups', 'library', 'packed'],
  source:
    'measured: bf16 GEMM (770-798 TFLOP/s, the middle) and device copy; f32 nominal; tf32 nominal less 40 % (mma.sync); CUDA graph launch',
  tiles: SM_90A_TILES,
};
