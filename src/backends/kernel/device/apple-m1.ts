import type { DeviceProfile } from '../model/types.js';
import { MATRIX_FEATURES } from './subgroup-matrices.js';
import { webgpuTiles } from './webgpu-tiles.js';

/** Apple M1, through a browser. */
export const APPLE_M1: DeviceProfile = {
  name: 'apple-m1',
  target: 'webgpu-apple',
  api: 'webgpu',
  platform: 'WebGPU',
  flops: { f32: 0.9e12, f16: 0.9e12, bf16: null },
  bytesPerSecond: 60e9,
  launchSeconds: 40e-6,
  cacheBytes: 8 << 20,
  workgroupBytes: 16384,
  invocations: 256,
  // nominal: cores
  multiprocessors: 8,
  storageBuffers: 8,
  bindingBytes: 128 << 20,
  features: ['subgroups', 'packed', 'rows', ...MATRIX_FEATURES],
  source:
    'reported: 0.9 TFLOP/s in WGSL, 32-71 us per dispatch on Metal (arXiv 2604.02344); bandwidth nominal',
  tiles: webgpuTiles('webgpu-apple', [
    // 4x8 per invocation beats 4x4 by 7-13 % on Apple; 8x8 spills
    ['gemm', 'rows<=8', [8, 128, 16, 2, 8, 4, 1, 0, 1]],
    ['gemm', 'rows<=64', [16, 128, 8, 4, 8, 4, 1, 0, 1]],
    ['gemm', 'any', [32, 64, 8, 4, 8, 4, 1, 0, 1]],
  ]),
};
