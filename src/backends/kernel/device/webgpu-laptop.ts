import type { DeviceProfile } from '../model/types.js';
import { MATRIX_FEATURES } from './subgroup-matrices.js';
import { webgpuTiles } from './webgpu-tiles.js';

/** An integrated GPU of a laptop, through a browser. */
export const WEBGPU_LAPTOP: DeviceProfile = {
  name: 'webgpu-laptop',
  target: 'webgpu-laptop',
  api: 'webgpu',
  platform: 'WebGPU',
  flops: { f32: 2e12, f16: 2e12, bf16: null },
  bytesPerSecond: 100e9,
  launchSeconds: 30e-6,
  cacheBytes: 4 << 20,
  workgroupBytes: 16384,
  invocations: 256,
  // assumed
  multiprocessors: 8,
  storageBuffers: 8,
  bindingBytes: 128 << 20,
  features: ['subgroups', 'packed', 'rows', ...MATRIX_FEATURES],
  source: 'assumed for an integrated GPU; per-dispatch cost as reported in arXiv 2604.02344 (24-71 us)',
  tiles: webgpuTiles('webgpu-laptop', [
    // 8x8 invocations of 4x4: what a browser runs everywhere; 8x16 of 8x4 once the grid is large
    ['gemm', 'rows<=8', [8, 128, 16, 2, 8, 4, 1, 0, 1]],
    ['gemm', 'rows<=64', [16, 128, 16, 4, 8, 4, 1, 0, 1]],
    ['gemm', 'rows<=512', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
    ['gemm', 'any', [64, 64, 16, 8, 4, 4, 1, 0, 1]],
  ]),
};
