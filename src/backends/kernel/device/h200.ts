import type { DeviceProfile } from '../model/types.js';
import { H100 } from './h100.js';

/** NVIDIA H200: H100 with more and faster memory. */
export const H200: DeviceProfile = {
  ...H100,
  name: 'h200',
  flops: { f32: 50e12, tf32: 300e12, f16: 784e12, bf16: 784e12 },
  bytesPerSecond: 4.3e12,
  source:
    'measured: bf16 GEMM (770-798 TFLOP/s, the middle) and device copy; f32 nominal; tf32 nominal less 40 % (mma.sync); CUDA graph launch',
};
