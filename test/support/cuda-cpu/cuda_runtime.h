// The part of CUDA's runtime interface that emitted libraries call, on a CPU: memory is the host's, streams run at once.
#pragma once
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>
#include "../cuda-shim.h"
#include "cuda.h"
#include "instructions.h"
#include "warpgroups.h"

#define CUDART_VERSION 13000

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
typedef struct CUstream_st *cudaStream_t;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorUnknown = 999 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaLaunchAttributeID { cudaLaunchAttributeProgrammaticStreamSerialization = 6 };
union cudaLaunchAttributeValue {
  char pad[64];
  int programmaticStreamSerializationAllowed;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute *attrs;
  unsigned numAttrs;
};

// allocations left before one fails; what is not freed at the end is a leak
inline long shim_allocations_left = -1;
inline long shim_held = 0;
// launches, those that may begin early, and bytes that were set; kernels need not run to be counted
inline long shim_launches = 0, shim_early = 0, shim_cleared = 0;
inline bool shim_counts_only = false;

// launches run when somebody looks, as on a device; otherwise at once
inline bool shim_later = false;

// The graph that launches are captured in, instead of running, and what was captured; 0: none. One runs as often as one likes.
inline unsigned long long shim_graph = 0;
SHIM_STATE std::vector<std::function<void()>> shim_captured;
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1 };

// the current device, and the one that everything is to run on; -1: any
inline int shim_device = 0, shim_home = -1;
SHIM_CODE bool shim_away() { return shim_home >= 0 && shim_device != shim_home; }

SHIM_CODE const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "invalid argument";
}
SHIM_CODE cudaError_t cudaStreamGetCaptureInfo(cudaStream_t, cudaStreamCaptureStatus *status, unsigned long long *graph) {
  *status = shim_graph == 0 ? cudaStreamCaptureStatusNone : cudaStreamCaptureStatusActive;
  if (shim_graph != 0) *graph = shim_graph;
  return cudaSuccess;
}
SHIM_CODE void shim_replay() {
  for (const auto &again : shim_captured) again();
}
SHIM_CODE cudaError_t cudaMalloc(void **memory, size_t bytes) {
  if (shim_graph != 0) return cudaErrorInvalidValue;
  if (shim_allocations_left == 0) return cudaErrorMemoryAllocation;
  if (shim_allocations_left > 0) shim_allocations_left--;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*memory, 0xff, bytes);  // poison: NaN
  shim_held++;
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaFree(void *memory) {
  shim::settle();
  if (memory) shim_held--;
  std::free(memory);
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t) { return cudaMalloc(memory, bytes); }
SHIM_CODE cudaError_t cudaFreeAsync(void *memory, cudaStream_t) { return cudaFree(memory); }
SHIM_CODE cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t) {
  if (shim_away()) return cudaErrorInvalidValue;
  shim_cleared += static_cast<long>(bytes);
  const auto set = [=] {
    shim::settle();
    std::memset(to, value, bytes);
  };
  if (shim_graph != 0) shim_captured.push_back(set);
  else set();
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (shim_away()) return cudaErrorInvalidValue;
  shim::settle();
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaMemcpy2DAsync(void *to, size_t pitch, const void *from, size_t source_pitch, size_t width,
                                     size_t height, cudaMemcpyKind, cudaStream_t) {
  shim::settle();
  for (size_t row = 0; row < height; row++)
    std::memcpy(static_cast<char *>(to) + row * pitch, static_cast<const char *>(from) + row * source_pitch, width);
  return cudaSuccess;
}
// a device of compute capability 9.0 whose driver makes tensor maps
inline int shim_capability = 9;
// shared memory that a block may have
inline int shim_shared = 227 << 10;
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrComputeCapabilityMajor = 75, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess = 0, cudaDriverEntryPointSymbolNotFound = 1 };
inline const unsigned long long cudaEnableDefault = 0;
SHIM_CODE cudaError_t cudaGetDevice(int *device) {
  *device = shim_device;
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaSetDevice(int device) {
  shim_device = device;
  return cudaSuccess;
}
// all memory here is the current device's
enum cudaMemoryType { cudaMemoryTypeUnregistered = 0, cudaMemoryTypeHost = 1, cudaMemoryTypeDevice = 2, cudaMemoryTypeManaged = 3 };
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
};
SHIM_CODE cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *found, const void *) {
  *found = {cudaMemoryTypeDevice, shim_device};
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr what, int) {
  // few, so that a block has more than one tile
  *value = what == cudaDevAttrMultiProcessorCount ? 2 : what == cudaDevAttrMaxSharedMemoryPerBlockOptin ? shim_shared : shim_capability;
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **found, unsigned version, unsigned long long,
                                                    cudaDriverEntryPointQueryResult *answer) {
  const bool known = std::strcmp(name, "cuTensorMapEncodeTiled") == 0 && version >= 12000;
  *found = known ? reinterpret_cast<void *>(&cuTensorMapEncodeTiled) : nullptr;
  *answer = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
// kernels whose shared memory may be larger than 48 KiB, and how large
SHIM_STATE std::map<const void *, int> shim_allowed;
namespace shim {
SHIM_CODE cudaError_t allow(const void *kernel, int bytes) {
  if (bytes > shim_shared) return cudaErrorInvalidValue;
  shim_allowed[kernel] = bytes;
  return cudaSuccess;
}
SHIM_CODE size_t allowed(const void *kernel) {
  const auto found = shim_allowed.find(kernel);
  return found == shim_allowed.end() ? 48 << 10 : static_cast<size_t>(found->second);
}
}  // namespace shim
template <class... Parameters>
static cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int bytes) {
  return shim::allow(reinterpret_cast<const void *>(kernel), bytes);
}
SHIM_CODE cudaError_t cudaStreamSynchronize(cudaStream_t) {
  if (shim_graph != 0) return cudaErrorInvalidValue;
  shim::settle();
  return shim_away() ? cudaErrorInvalidValue : cudaSuccess;
}
// clusters of two blocks that run at once
inline int shim_clusters = 1;
template <class... Parameters>
static cudaError_t cudaOccupancyMaxActiveClusters(int *clusters, void (*)(Parameters...), const cudaLaunchConfig_t *config) {
  if (config->gridDim.x % 2 != 0) return cudaErrorInvalidValue;
  *clusters = shim_clusters;
  return cudaSuccess;
}
SHIM_CODE cudaError_t cudaDriverGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
namespace shim {
SHIM_CODE cudaError_t begin(const cudaLaunchConfig_t *config, const void *kernel, std::function<void()> work) {
  const dim3 grid = config->gridDim;
  if (shim_away()) return cudaErrorInvalidValue;
  if (grid.y > 65535 || grid.z > 65535) return cudaErrorInvalidValue;
  if (config->dynamicSmemBytes > allowed(kernel)) return cudaErrorInvalidValue;
  bool early = false;
  for (unsigned n = 0; n < config->numAttrs; n++) {
    if (config->attrs[n].id != cudaLaunchAttributeProgrammaticStreamSerialization) return cudaErrorInvalidValue;
    early = config->attrs[n].val.programmaticStreamSerializationAllowed != 0;
  }
  shim_launches++;
  shim_early += early;
  if (shim_counts_only) return cudaSuccess;
  const Index blocks = {grid.x, grid.y, grid.z};
  const unsigned threads = config->blockDim.x;
  const size_t bytes = config->dynamicSmemBytes;
  const auto run = [=] {
    queue(blocks, threads, work, bytes, early);
    if (!shim_later) settle();
  };
  if (shim_graph != 0) shim_captured.push_back(run);
  else run();
  return cudaSuccess;
}
}  // namespace shim
template <class... Parameters, class... Arguments>
static cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...), Arguments... arguments) {
  return shim::begin(config, reinterpret_cast<const void *>(kernel), shim::work_of([=] { kernel(arguments...); }));
}

// containers of emitted libraries
SHIM_STATE template class std::function<void()>;
SHIM_STATE template class std::vector<uint16_t>;
SHIM_STATE template class std::vector<float>;
