// The part of CUDA's runtime interface that emitted libraries call, on a CPU: memory is the host's, streams run at once.
#pragma once
#include <cstddef>
#include <cstring>
#include "../cuda-shim.h"
#include "instructions.h"

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
typedef struct CUstream_st *cudaStream_t;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorUnknown = 999 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

// allocations left before one fails; what is not freed at the end is a leak
static long shim_allocations_left = -1;
static long shim_held = 0;

static const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "invalid argument";
}
static cudaError_t cudaMalloc(void **memory, size_t bytes) {
  if (shim_allocations_left == 0) return cudaErrorMemoryAllocation;
  if (shim_allocations_left > 0) shim_allocations_left--;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*memory, 0xff, bytes);  // poison: NaN
  shim_held++;
  return cudaSuccess;
}
static cudaError_t cudaFree(void *memory) {
  if (memory) shim_held--;
  std::free(memory);
  return cudaSuccess;
}
static cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t) { return cudaMalloc(memory, bytes); }
static cudaError_t cudaFreeAsync(void *memory, cudaStream_t) { return cudaFree(memory); }
static cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return cudaSuccess;
}
static cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
static cudaError_t cudaMemcpy2DAsync(void *to, size_t pitch, const void *from, size_t source_pitch, size_t width,
                                     size_t height, cudaMemcpyKind, cudaStream_t) {
  for (size_t row = 0; row < height; row++)
    std::memcpy(static_cast<char *>(to) + row * pitch, static_cast<const char *>(from) + row * source_pitch, width);
  return cudaSuccess;
}
static cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
template <class... Parameters, class... Arguments>
static cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...), Arguments... arguments) {
  const dim3 grid = config->gridDim;
  if (grid.y > 65535 || grid.z > 65535) return cudaErrorInvalidValue;
  shim::launch({grid.x, grid.y, grid.z}, config->blockDim.x, [=] { kernel(arguments...); });
  return cudaSuccess;
}
