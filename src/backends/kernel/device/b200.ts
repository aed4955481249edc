import type { DeviceProfile } from '../model/types.js';
import { cudaTiles, MMA_GEMM } from './cuda-tiles.js';

/**
 * NVIDIA B200. Its matrix units are reached by instructions (tcgen05) that no emitted kernel has; mma.sync runs at a part of their rate, so
 * plans leave the products of layers to cuBLASLt where they can.
 */
export const B200: DeviceProfile = {
  name: 'b200',
  target: 'sm_100',
  api: 'cuda',
  platform: 'CUDA',
  flops: { f32: 68e12, tf32: 250e12, f16: 500e12, bf16: 500e12 },
  libraryFlops: { tf32: 950e12, f16: 1900e12, bf16: 1900e12 },
  bytesPerSecond: 7.2e12,
  launchSeconds: 2e-6,
  cacheBytes: 126 << 20,
  workgroupBytes: 227 << 10,
  invocations: 1024,
  multiprocessors: 148,
  storageBuffers: 64,
  features: ['mma', 'cp.async', 'subgroups', 'library', 'packed'],
  source:
    'not measured: nominal rates less 10 %, those of the library less 15 %; mma.sync assumed as fast per multiprocessor as on an A100',
  tiles: cudaTiles('sm_100', MMA_GEMM),
};
