// HIP's names for what the headers of ../cuda-cpu do. A launch names its kernel by an address alone: the kernels are made known before.
#pragma once
#include <cuda_runtime.h>
#include <map>
#include <utility>

#define __host__
// whole numbers are converted
#define LOTRC_OWN_INSTRUCTIONS
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

typedef cudaError_t hipError_t;
typedef cudaStream_t hipStream_t;
static const hipError_t hipSuccess = cudaSuccess, hipErrorInvalidValue = cudaErrorInvalidValue, hipErrorOutOfMemory = cudaErrorMemoryAllocation;
static const cudaMemcpyKind hipMemcpyHostToDevice = cudaMemcpyHostToDevice, hipMemcpyDeviceToHost = cudaMemcpyDeviceToHost;

static inline hipError_t hipMalloc(void **memory, size_t bytes) { return cudaMalloc(memory, bytes); }
static inline hipError_t hipFree(void *memory) { return cudaFree(memory); }
static inline hipError_t hipMemsetAsync(void *to, int value, size_t bytes, hipStream_t stream) { return cudaMemsetAsync(to, value, bytes, stream); }
static inline hipError_t hipMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, hipStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, kind, stream);
}
static inline hipError_t hipMemcpy2DAsync(void *to, size_t pitch, const void *from, size_t source_pitch, size_t width, size_t height,
                                          cudaMemcpyKind kind, hipStream_t stream) {
  return cudaMemcpy2DAsync(to, pitch, from, source_pitch, width, height, kind, stream);
}
static inline hipError_t hipGetDevice(int *device) { return cudaGetDevice(device); }
static inline hipError_t hipSetDevice(int device) { return cudaSetDevice(device); }
static inline hipError_t hipStreamSynchronize(hipStream_t stream) { return cudaStreamSynchronize(stream); }
typedef cudaStreamCaptureStatus hipStreamCaptureStatus;
static const hipStreamCaptureStatus hipStreamCaptureStatusNone = cudaStreamCaptureStatusNone, hipStreamCaptureStatusActive = cudaStreamCaptureStatusActive;
static inline hipError_t hipStreamGetCaptureInfo(hipStream_t stream, hipStreamCaptureStatus *status, unsigned long long *graph) {
  return cudaStreamGetCaptureInfo(stream, status, graph);
}
static inline const char *hipGetErrorString(hipError_t error) { return cudaGetErrorString(error); }

// how each kernel is launched with what its parameters point to
static std::map<const void *, hipError_t (*)(const void *kernel, const cudaLaunchConfig_t &, void **)> shim_kernels;
template <class... Parameters, size_t... Index>
static void shim_known(void (*kernel)(Parameters...), std::index_sequence<Index...>) {
  shim_kernels[reinterpret_cast<const void *>(kernel)] = [](const void *own, const cudaLaunchConfig_t &config, void **given) {
    const auto called = reinterpret_cast<void (*)(Parameters...)>(const_cast<void *>(own));
    return cudaLaunchKernelEx(&config, called, *static_cast<Parameters *>(given[Index])...);
  };
}
template <class... Parameters>
static void shim_known(void (*kernel)(Parameters...)) {
  shim_known(kernel, std::index_sequence_for<Parameters...>());
}
static inline hipError_t hipLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **given, size_t bytes, hipStream_t stream) {
  const auto found = shim_kernels.find(kernel);
  if (found == shim_kernels.end() || block.y * block.z != 1 || block.x > 1024) return hipErrorInvalidValue;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = bytes;
  config.stream = stream;
  return found->second(kernel, config, given);
}
