/**
 * What CUDA's names are called in HIP. Sources are written once, with CUDA's names; code outside of strings is renamed word by word, and a
 * name of CUDA that is not here ends the program: it would not compile.
 */
const NAMES: Readonly<Record<string, string>> = {
  // prose
  CUDA: 'HIP',
  LOTRC_CUDA: 'LOTRC_HIP',
  cuda: 'hip',
  // types of numbers
  __nv_bfloat16: 'bfloat16',
  __nv_bfloat162: 'bfloat16_pair',
  __bfloat162float: 'to_float',
  __float2bfloat16_rn: 'to_bfloat16',
  __floats2bfloat162_rn: 'to_bfloat16_pair',
  // the runtime
  cudaError_t: 'hipError_t',
  cudaErrorInvalidValue: 'hipErrorInvalidValue',
  cudaErrorMemoryAllocation: 'hipErrorOutOfMemory',
  cudaFree: 'hipFree',
  cudaGetDevice: 'hipGetDevice',
  cudaGetErrorString: 'hipGetErrorString',
  cudaLaunchKernel: 'hipLaunchKernel',
  cudaMalloc: 'hipMalloc',
  cudaMemcpy2DAsync: 'hipMemcpy2DAsync',
  cudaMemcpyAsync: 'hipMemcpyAsync',
  cudaMemcpyDeviceToHost: 'hipMemcpyDeviceToHost',
  cudaMemcpyHostToDevice: 'hipMemcpyHostToDevice',
  cudaMemsetAsync: 'hipMemsetAsync',
  cudaSetDevice: 'hipSetDevice',
  cudaStreamCaptureStatus: 'hipStreamCaptureStatus',
  cudaStreamCaptureStatusActive: 'hipStreamCaptureStatusActive',
  cudaStreamCaptureStatusNone: 'hipStreamCaptureStatusNone',
  cudaStreamGetCaptureInfo: 'hipStreamGetCaptureInfo',
  cudaStreamSynchronize: 'hipStreamSynchronize',
  cudaStream_t: 'hipStream_t',
  cudaSuccess: 'hipSuccess',
};

/** Headers; HIP's for bfloat16 is not in every ROCm, and a file of ours. */
const HEADERS: Readonly<Record<string, string>> = {
  '<cuda_bf16.h>': '"bfloat16.h"',
  '<cuda_fp16.h>': '<hip/hip_fp16.h>',
  '<cuda_runtime.h>': '<hip/hip_runtime.h>',
};

/** Strings, comments, names. */
const WORDS = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_]\w*/g;
const OF_CUDA = /^(?:cuda|cublas|__nv_|CUDA|CUBLAS|cu[A-Z])/;

/**
 * A source for CUDA with HIP's names. Strings stay, since they have names of the model; files that it includes end in .h. `folder`: where ours are.
 */
export function inHip(source: string, folder = ''): string {
  const included = source
    .replace(/^(#include )(<\w+\.h>)$/gm, (line, word: string, header: string) => {
      const own = HEADERS[header]?.replace(/^"/, `"${folder}`);
      return own ? word + own : line;
    })
    .replace(/^(#include "[\w/]+)\.cuh"$/gm, '$1.h"');
  return included.replace(WORDS, (word) => {
    if (word.startsWith('"')) return word;
    if (word.startsWith('/')) return word.replace(/[A-Za-z_]\w*/g, (one) => NAMES[one] ?? one);
    const name = NAMES[word];
    if (name === undefined && OF_CUDA.test(word)) throw new Error(`HIP has no name for ${word}`);
    return name ?? word;
  });
}
