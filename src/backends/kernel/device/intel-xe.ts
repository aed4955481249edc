import type { DeviceProfile } from '../model/types.js';
import { MATRIX_FEATURES } from './subgroup-matrices.js';
import { webgpuTiles } from './webgpu-tiles.js';

/** An integrated Xe GPU of Intel, through a browser. */
export const INTEL_XE: DeviceProfile = {
  name: 'intel-xe',
  target: 'webgpu-intel',
  api: 'webgpu',
  platform: 'WebGPU',
  flops: { f32: 1e12, f16: 1.5e12, bf16: null },
  bytesPerSecond: 50e9,
  launchSeconds: 30e-6,
  cacheBytes: 4 << 20,
  workgroupBytes: 16384,
  invocations: 256,
  // nominal: subslices of 16 execution units
  multiprocessors: 6,
  storageBuffers: 8,
  bindingBytes: 128 << 20,
  features: ['subgroups', 'packed', 'rows', ...MATRIX_FEATURES],
  source: 'assumed: about half of the nominal rate of an integrated Xe GPU',
  tiles: webgpuTiles('webgpu-intel', [
    ['gemm', 'rows<=8', [8, 128, 16, 2, 8, 4, 1, 0, 1]],
    ['gemm', 'rows<=64', [16, 128, 16, 4, 8, 4, 1, 0, 1]],
    ['gemm', 'any', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
  ]),
};
