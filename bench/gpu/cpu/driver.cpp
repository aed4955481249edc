// Stands in for libcuda where there is no GPU, so that tune.py runs from end to end: device memory is the host's, a module is
// a shared library that nvcc.py made. It is as strict as it can be: sizes are checked, everything must be freed. Its times
// are those of an emulation on a CPU and mean nothing.
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

// maps are made and checked as they are for libraries on the CPU
#define cuTensorMapEncodeTiled encode_checked
#include "../../../test/support/cuda-cpu/cuda.h"
#undef cuTensorMapEncodeTiled

namespace {
using Clock = std::chrono::steady_clock;
std::map<unsigned long long, size_t> held;
int modules, events, current;
constexpr int BAD_VALUE = 1, NOT_FOUND = 500;

// the allocation that an address lies in has room for so many bytes
bool inside(unsigned long long address, size_t bytes) {
  auto next = held.upper_bound(address);
  if (next == held.begin()) return false;
  const auto &[start, size] = *--next;
  return address + bytes <= start + size;
}
struct AtEnd {
  ~AtEnd() {
    if (!held.empty() || modules || events) std::fprintf(stderr, "the driver still holds memory, modules or events\n"), std::_Exit(9);
  }
} at_end;
}  // namespace

extern "C" {
int cuInit(unsigned) { return 0; }
int cuDeviceGet(int *device, int) { return *device = 0, 0; }
int cuDeviceGetName(char *name, int size, int) { return std::snprintf(name, size, "CPU stand-in, times mean nothing"), 0; }
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
// compute capability 9.0; few multiprocessors, so that a block has more than one tile; a small cache, so that there are few copies
int cuDeviceGetAttribute(int *value, int attribute, int) {
  return *value = attribute == 75 ? 9 : attribute == 16 ? 2 : attribute == 38 ? 4096 : 0, 0;
}
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &current, 0; }
int cuCtxSetCurrent(void *context) { return context == &current ? 0 : BAD_VALUE; }
int cuCtxSynchronize() { return 0; }
int cuGetErrorName(int error, const char **name) {
  return *name = error == NOT_FOUND ? "CUDA_ERROR_NOT_FOUND" : "CUDA_ERROR_INVALID_VALUE", 0;
}
int cuMemAlloc_v2(unsigned long long *address, size_t bytes) {
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xff, bytes);
  *address = reinterpret_cast<unsigned long long>(memory);
  held[*address] = bytes;
  return 0;
}
int cuMemFree_v2(unsigned long long address) {
  if (!held.erase(address)) return BAD_VALUE;
  std::free(reinterpret_cast<void *>(address));
  return 0;
}
int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t bytes) {
  if (!inside(to, bytes)) return BAD_VALUE;
  return std::memcpy(reinterpret_cast<void *>(to), from, bytes), 0;
}
int cuMemcpyDtoH_v2(void *to, unsigned long long from, size_t bytes) {
  if (!inside(from, bytes)) return BAD_VALUE;
  return std::memcpy(to, reinterpret_cast<void *>(from), bytes), 0;
}
int cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, unsigned rank, void *base, const cuuint64_t *dims, const cuuint64_t *pitches,
                           const cuuint32_t *box, const cuuint32_t *steps, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                           CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  const size_t bytes = dims[1] ? (dims[1] - 1) * pitches[0] + 2 * dims[0] : 0;
  if (!inside(reinterpret_cast<unsigned long long>(base), bytes)) return BAD_VALUE;
  return encode_checked(map, type, rank, base, dims, pitches, box, steps, interleave, swizzle, promotion, fill);
}
int cuMemsetD8_v2(unsigned long long to, unsigned char byte, size_t bytes) {
  if (!inside(to, bytes)) return BAD_VALUE;
  return std::memset(reinterpret_cast<void *>(to), byte, bytes), 0;
}
int cuModuleLoadData(void **module, const void *image) {
  // the length of an ELF file: its section headers come last
  const auto *bytes = static_cast<const unsigned char *>(image);
  unsigned long long start;
  unsigned short size, count;
  std::memcpy(&start, bytes + 40, 8);
  std::memcpy(&size, bytes + 58, 2);
  std::memcpy(&count, bytes + 60, 2);
  char path[] = "/tmp/lotrc-module-XXXXXX";
  const int file = mkstemp(path);
  const size_t length = start + size_t(size) * count;
  const bool whole = write(file, image, length) == ssize_t(length);
  close(file);
  *module = whole ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path);
  if (!*module) return BAD_VALUE;
  return modules++, 0;
}
int cuModuleUnload(void *module) { return modules--, dlclose(module) ? BAD_VALUE : 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = dlsym(module, (std::string(name) + "_on_cpu").c_str());
  return *function ? 0 : NOT_FOUND;
}
// shared memory that launches of a function may have
std::map<void *, unsigned> allowed;
int cuFuncSetAttribute(void *function, int attribute, int bytes) {
  if (attribute != 8 || bytes > 227 << 10) return BAD_VALUE;
  allowed[function] = static_cast<unsigned>(bytes);
  return 0;
}
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
  if (by != 1 || bz != 1 || (shared > 48 << 10 && shared > allowed[function]) || stream || extra || !x || y > 65535 || z > 65535 || bx > 1024) return BAD_VALUE;
  reinterpret_cast<void (*)(unsigned, unsigned, unsigned, unsigned, unsigned, void **)>(function)(x, y, z, bx, shared, parameters);
  return 0;
}
int cuEventCreate(void **event, unsigned) { return *event = new Clock::time_point, events++, 0; }
int cuEventDestroy_v2(void *event) { return delete static_cast<Clock::time_point *>(event), events--, 0; }
int cuEventRecord(void *event, void *) { return *static_cast<Clock::time_point *>(event) = Clock::now(), 0; }
int cuEventSynchronize(void *) { return 0; }
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  const auto passed = *static_cast<Clock::time_point *>(end) - *static_cast<Clock::time_point *>(start);
  return *milliseconds = std::chrono::duration<float, std::milli>(passed).count(), 0;
}
}
