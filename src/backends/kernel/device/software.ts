import type { DeviceProfile } from '../model/types.js';
import { MATRIX_FEATURES } from './subgroup-matrices.js';
import { webgpuTiles } from './webgpu-tiles.js';

/** A processor that a driver presents as a GPU: SwiftShader, llvmpipe. */
export const SOFTWARE: DeviceProfile = {
  name: 'software',
  target: 'webgpu-software',
  api: 'webgpu',
  platform: 'WebGPU',
  flops: { f32: 2e9, f16: 2e9, bf16: null },
  bytesPerSecond: 5e9,
  launchSeconds: 5e-6,
  cacheBytes: 1 << 20,
  workgroupBytes: 16384,
  invocations: 256,
  multiprocessors: 2,
  storageBuffers: 8,
  bindingBytes: 128 << 20,
  features: ['subgroups', 'packed', 'rows', ...MATRIX_FEATURES],
  source: 'assumed for one core; tiles by the processor time that SwiftShader takes',
  tiles: webgpuTiles(
    'webgpu-software',
    [
      // SwiftShader sets all workgroup memory to zero for every four invocations: few of them, each with many results
      ['gemm', 'rows<=4', [4, 64, 8, 4, 16, 4, 1, 0, 1]],
      ['gemm', 'rows<=16', [8, 64, 8, 8, 8, 4, 1, 0, 1]],
      ['gemm', 'any', [32, 32, 8, 8, 8, 4, 1, 0, 1]],
      // wide enough for a launch that computes P as well
      ['gemm', 'any', [16, 128, 16, 4, 8, 4, 1, 0, 1]],
      ['skinny', 'rows<=16 cols<=8', [8, 8, 16, 4, 4, 4, 1, 0, 1]],
      ['skinny', 'cols<=8', [32, 8, 16, 8, 8, 4, 1, 0, 1]],
    ],
    { gemv: false },
  ),
};
