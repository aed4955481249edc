// The library over the kernels of this folder; see adapters.h.
#include "adapters.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#ifdef LOTRC_SM90A
#include <cuda.h>
#endif

#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

extern "C" __global__ void fold_Lp_0(const float* __restrict__ M, const float* __restrict__ L, __nv_bfloat16* __restrict__ Lp);
extern "C" __global__ void down_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ R_bf16, __nv_bfloat16* __restrict__ P, unsigned M);
extern "C" __global__ void layer_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ W, const __nv_bfloat16* __restrict__ P, const __nv_bfloat16* __restrict__ Lp, __nv_bfloat16* __restrict__ y, unsigned M);
extern "C" __global__ void narrow_R_0(const float* __restrict__ wide, __nv_bfloat16* __restrict__ narrow);
#ifdef LOTRC_SM90A
extern "C" __global__ void layer_0_warpgroups(const __grid_constant__ CUtensorMap map_0_x, const __grid_constant__ CUtensorMap map_1_W, const __grid_constant__ CUtensorMap map_2_P, const __grid_constant__ CUtensorMap map_3_Lp, __nv_bfloat16* __restrict__ y, unsigned M);
#endif

struct BufferRow {
  const char *name;
  lotrc_type type;
  size_t elements;  // for each `per` tokens, or in all where that is 0
  uint32_t per;
};

// place of a tensor of the model: rows x cols from element `offset` on, `stride` elements from row to row
struct Place {
  const char *tensor;
  bool factor;  // of an adapter
  int buffer;
  size_t offset, rows, cols, stride;
};

static constexpr int BUFFER_COUNT = 9;
static constexpr int TRAINED_COUNT = 0;
static constexpr uint32_t REGION_COUNT = 1;
static constexpr int MAP_COUNT = 4;

static const BufferRow BUFFERS[BUFFER_COUNT] = {
    {"P_0", LOTRC_BFLOAT16, 8, 1},
    {"x_0", LOTRC_BFLOAT16, 24, 1},
    {"R_0", LOTRC_FLOAT32, 192, 0},
    {"R_0_bf16", LOTRC_BFLOAT16, 192, 0},
    {"W_0", LOTRC_BFLOAT16, 384, 0},
    {"Lp_0", LOTRC_BFLOAT16, 128, 0},
    {"y_0", LOTRC_BFLOAT16, 16, 1},
    {"M_0", LOTRC_FLOAT32, 64, 0},
    {"L_0", LOTRC_FLOAT32, 128, 0},
};

static const Place PLACES[] = {
    {"o.weight", false, 4, 0, 16, 24, 24},
    {"lotr/24x16/R", true, 2, 0, 24, 8, 8},
    {"lotr/o/M", true, 7, 0, 8, 8, 8},
    {"lotr/24x16/L", true, 8, 0, 8, 16, 16},
};

struct lotrc_adapters {
  uint32_t tokens = 0;
  cudaStream_t stream = nullptr;
  void *buffer[BUFFER_COUNT] = {};
  float *moment[2 * TRAINED_COUNT + 1] = {};
#ifdef LOTRC_SM90A
  CUtensorMap map[MAP_COUNT] = {};
  bool warpgroups = false;          // the device has them
#endif
  uint64_t steps = 0;
  bool merged = false;              // the weights hold the adapter
  bool stale = true;                // what depends on the factors alone has to be computed again
  bool begun[BUFFER_COUNT] = {};    // gradients of inputs that the first of their regions has written in this pass
  std::string message;
};

static std::string create_message;

static lotrc_status fail(lotrc_adapters *a, lotrc_status status, std::string why) {
  (a ? a->message : create_message) = std::move(why);
  return status;
}

static lotrc_status cuda(lotrc_adapters *a, cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return LOTRC_OK;
  const lotrc_status status = error == cudaErrorMemoryAllocation ? LOTRC_NO_MEMORY : LOTRC_CUDA;
  return fail(a, status, std::string(doing) + ": " + cudaGetErrorString(error));
}

static size_t elements_of(const lotrc_adapters *a, int buffer) {
  const uint32_t per = BUFFERS[buffer].per;
  return BUFFERS[buffer].elements * (per == 0 ? 1 : (a->tokens + per - 1) / per);
}

static size_t element_bytes(int buffer) { return BUFFERS[buffer].type == LOTRC_FLOAT32 || BUFFERS[buffer].type == LOTRC_UINT32 ? 4 : 2; }

static size_t bytes_of(const lotrc_adapters *a, int buffer) { return elements_of(a, buffer) * element_bytes(buffer); }

static uint16_t rounded(lotrc_type type, float number) {
  uint16_t bits;
  const __half half = __float2half_rn(number);
  const __nv_bfloat16 brain = __float2bfloat16_rn(number);
  std::memcpy(&bits, type == LOTRC_FLOAT16 ? static_cast<const void *>(&half) : &brain, 2);
  return bits;
}

static float widened(lotrc_type type, uint16_t bits) {
  __half half;
  __nv_bfloat16 brain;
  std::memcpy(static_cast<void *>(&half), &bits, 2);
  std::memcpy(static_cast<void *>(&brain), &bits, 2);
  return type == LOTRC_FLOAT16 ? __half2float(half) : __bfloat162float(brain);
}

// numbers of the host as a buffer holds them; `room` keeps them when they are rounded
static const void *as_stored(int buffer, const float *data, size_t count, std::vector<uint16_t> &room) {
  const lotrc_type type = BUFFERS[buffer].type;
  if (type == LOTRC_FLOAT32) return data;
  room.resize(count);
  for (size_t i = 0; i < count; i++) room[i] = rounded(type, data[i]);
  return room.data();
}

static int buffer_of(const char *name) {
  for (int i = 0; i < BUFFER_COUNT; i++)
    if (std::strcmp(BUFFERS[i].name, name) == 0) return i;
  return -1;
}

static unsigned tiles(const lotrc_adapters *a, unsigned per) { return (a->tokens + per - 1) / per; }

// `bytes`: of shared memory in addition to what the kernel declares
template <class... Parameters, class... Arguments>
static cudaError_t launch_with(size_t bytes, const lotrc_adapters *a, void (*kernel)(Parameters...), dim3 grid,
                               unsigned threads, Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads, 1, 1);
  config.dynamicSmemBytes = bytes;
  config.stream = a->stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

template <class... Parameters, class... Arguments>
static cudaError_t launch(const lotrc_adapters *a, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                          Arguments... arguments) {
  return launch_with(0, a, kernel, grid, threads, arguments...);
}

#define LOTRC_TRY(call) do { const cudaError_t error = (call); if (error != cudaSuccess) return error; } while (false)

#ifdef LOTRC_SM90A
// what the copy engine loads: rows x cols (0: tokens) from element `offset` on, `pitch` elements from row to row,
// in boxes of `box` rows of 64
struct MapRow {
  int buffer;
  size_t offset, rows, cols, pitch;
  cuuint32_t box;
};
static const MapRow MAPS[MAP_COUNT] = {
    {1, 0, 0, 24, 24, 128},
    {4, 0, 16, 24, 24, 256},
    {0, 0, 0, 8, 8, 128},
    {5, 0, 8, 16, 16, 64},
};

// the kernels for warpgroups, and the bytes of their rings
static cudaError_t allow_rings() {
  LOTRC_TRY(cudaFuncSetAttribute(layer_0_warpgroups, cudaFuncAttributeMaxDynamicSharedMemorySize, 197696));
  return cudaSuccess;
}

typedef CUresult (*Encode)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *, const cuuint64_t *,
                           const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                           CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static cudaError_t make_map(lotrc_adapters *a, Encode encode, int number) {
  const MapRow &row = MAPS[number];
  const bool half = BUFFERS[row.buffer].type == LOTRC_FLOAT16;
  const cuuint64_t size[] = {row.cols == 0 ? a->tokens : row.cols, row.rows == 0 ? a->tokens : row.rows};
  const cuuint64_t pitch[] = {2 * row.pitch};
  const cuuint32_t box[] = {64, row.box}, steps[] = {1, 1};
  char *first = static_cast<char *>(a->buffer[row.buffer]) + 2 * row.offset;
  const CUresult made = encode(&a->map[number], half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
                               first, size, pitch, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return made == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

// Maps for the copy engine, on devices that have warpgroups; others, and drivers that cannot make maps, run the other kernels.
static cudaError_t prepare(lotrc_adapters *a) {
  int device = 0, major = 0;
  LOTRC_TRY(cudaGetDevice(&device));
  LOTRC_TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  if (major != 9) return cudaSuccess;
  void *found = nullptr;
  cudaDriverEntryPointQueryResult answer;
#if CUDART_VERSION >= 12050
  LOTRC_TRY(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &answer));
#else
  LOTRC_TRY(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &answer));
#endif
  if (answer != cudaDriverEntryPointSuccess) return cudaSuccess;
  for (int i = 0; i < MAP_COUNT; i++) LOTRC_TRY(make_map(a, reinterpret_cast<Encode>(found), i));
  LOTRC_TRY(allow_rings());
  a->warpgroups = true;
  return cudaSuccess;
}
#endif

static cudaError_t allocate(lotrc_adapters *a) {
  for (int i = 0; i < BUFFER_COUNT; i++) {
    LOTRC_TRY(cudaMalloc(&a->buffer[i], bytes_of(a, i)));
    LOTRC_TRY(cudaMemsetAsync(a->buffer[i], 0, bytes_of(a, i), a->stream));
  }
  return cudaSuccess;
}

// what depends on the factors alone
static cudaError_t prologue([[maybe_unused]] lotrc_adapters *a) {
  LOTRC_TRY(launch(a, narrow_R_0, dim3(3, 1, 1), 64, a->buffer[2], a->buffer[3]));
  LOTRC_TRY(launch(a, fold_Lp_0, dim3(1, 1, 1), 256, a->buffer[7], a->buffer[8], a->buffer[5]));
  return cudaSuccess;
}

static cudaError_t forward(lotrc_adapters *a, uint32_t region) {
  switch (region) {
    case 0:
      LOTRC_TRY(launch(a, down_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[1], a->buffer[3], a->buffer[0], a->tokens));
#ifdef LOTRC_SM90A
      if (a->warpgroups) LOTRC_TRY(launch_with(197696, a, layer_0_warpgroups, dim3(1, tiles(a, 128), 1), 384, a->map[0], a->map[1], a->map[2], a->map[3], a->buffer[6], a->tokens));
      else
#endif
      LOTRC_TRY(launch(a, layer_0, dim3(1, tiles(a, 128), 1), 128, a->buffer[1], a->buffer[4], a->buffer[0], a->buffer[5], a->buffer[6], a->tokens));
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}


extern "C" {

lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream) {
  if (!adapters) return fail(nullptr, LOTRC_BAD_ARGUMENT, "adapters is null");
  *adapters = nullptr;
  if (tokens < 1 || tokens > LOTRC_MAX_TOKENS)
    return fail(nullptr, LOTRC_BAD_ARGUMENT, "tokens is " + std::to_string(tokens) + ", not 1 to " + std::to_string(LOTRC_MAX_TOKENS));
  lotrc_adapters *a = new (std::nothrow) lotrc_adapters;
  if (!a) return fail(nullptr, LOTRC_NO_MEMORY, "the host has no memory left");
  a->tokens = tokens;
  a->stream = static_cast<cudaStream_t>(stream);
  cudaError_t error = allocate(a);
#ifdef LOTRC_SM90A
  if (error == cudaSuccess) error = prepare(a);
#endif
  if (error != cudaSuccess) {
    const lotrc_status status = cuda(nullptr, error, "allocating buffers");
    lotrc_destroy(a);
    return status;
  }
  *adapters = a;
  return LOTRC_OK;
}

void lotrc_destroy(lotrc_adapters *a) {
  if (!a) return;
  cudaStreamSynchronize(a->stream);
  for (void *memory : a->buffer) cudaFree(memory);
  for (float *memory : a->moment) cudaFree(memory);
  delete a;
}

const char *lotrc_message(const lotrc_adapters *a) { return (a ? a->message : create_message).c_str(); }

static lotrc_status set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  bool known = false;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    known = true;
    if (count != place.rows * place.cols)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is " + std::to_string(place.rows) + " x " +
                                             std::to_string(place.cols) + ", not " + std::to_string(count) + " numbers");
  }
  if (!known) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no tensor ") + tensor + " here");
  a->stale = true;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    std::vector<uint16_t> room;
    const void *from = as_stored(place.buffer, data, count, room);
    const size_t bytes = element_bytes(place.buffer), row = place.cols * bytes;
    char *to = static_cast<char *>(a->buffer[place.buffer]) + place.offset * bytes;
    cudaError_t error = cudaMemcpy2DAsync(to, place.stride * bytes, from, row, row, place.rows, cudaMemcpyHostToDevice, a->stream);
    if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
    if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
  }
  return LOTRC_OK;
}

lotrc_status lotrc_set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
  return set(a, tensor, data, count);
}

lotrc_status lotrc_buffer(lotrc_adapters *a, const char *name, void **device, size_t *count, lotrc_type *type) {
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (device) *device = a->buffer[buffer];
  if (count) *count = elements_of(a, buffer);
  if (type) *type = BUFFERS[buffer].type;
  return LOTRC_OK;
}

static lotrc_status checked(lotrc_adapters *a, const char *name, const void *data, size_t count, int *buffer) {
  if (!a || !name || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *buffer = buffer_of(name);
  if (*buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  const size_t wanted = elements_of(a, *buffer);
  if (count == wanted) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has " + std::to_string(wanted) + " numbers, not " + std::to_string(count));
}

lotrc_status lotrc_write(lotrc_adapters *a, const char *name, const float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  std::vector<uint16_t> room;
  const void *from = as_stored(buffer, data, count, room);
  const cudaError_t error = cudaMemcpyAsync(a->buffer[buffer], from, bytes_of(a, buffer), cudaMemcpyHostToDevice, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing a buffer");
}

lotrc_status lotrc_read(lotrc_adapters *a, const char *name, float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const lotrc_type type = BUFFERS[buffer].type;
  std::vector<uint16_t> room(type == LOTRC_FLOAT32 ? 0 : count);
  void *to = type == LOTRC_FLOAT32 ? static_cast<void *>(data) : room.data();
  cudaError_t error = cudaMemcpyAsync(to, a->buffer[buffer], bytes_of(a, buffer), cudaMemcpyDeviceToHost, a->stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
  if (error == cudaSuccess)
    for (size_t i = 0; i < room.size(); i++) data[i] = widened(type, room[i]);
  return cuda(a, error, "reading a buffer");
}

lotrc_status lotrc_changed(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  a->stale = true;
  return LOTRC_OK;
}

static cudaError_t refresh(lotrc_adapters *a) {
  if (a->stale) LOTRC_TRY(prologue(a));
  a->stale = false;
  return cudaSuccess;
}

static lotrc_status region_of(lotrc_adapters *a, uint32_t region) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (region < REGION_COUNT) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "there is no region " + std::to_string(region) + ", only " + std::to_string(REGION_COUNT));
}

lotrc_status lotrc_forward(lotrc_adapters *a, uint32_t region) {
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const cudaError_t error = refresh(a);
  return cuda(a, error == cudaSuccess ? forward(a, region) : error, "forward");
}

}  // extern "C"
