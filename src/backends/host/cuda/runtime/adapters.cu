// The library over the kernels of this folder; see adapters.h.
#include "adapters.h"

#if EMIT_LIBRARY
#include <cublasLt.h>
#endif
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
#include <cuda.h>
#endif
#endif

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#if EMIT_ROWS
#include <iterator>
#endif
#include <new>
#if EMIT_TRAINING
#include <sstream>
#endif
#include <string>
#include <utility>
#include <vector>

#insert prototypes

struct BufferRow {
  const char *name;
  lotrc_type type;
  size_t elements;  // for each `per` tokens, or in all where that is 0
  uint32_t per;
  bool later;       // allocated when it is first used: the caller may have memory for it
#if EMIT_LIBRARY
  size_t border;    // how many of them, at the end of every row, are not the caller's
#endif
};

// place of a tensor of the model: rows x cols from element `offset` on, `stride` elements from row to row
struct Place {
  const char *tensor;
  bool factor;  // of an adapter
  int buffer;
  size_t offset, rows, cols, stride;
#if EMIT_LIBRARY
  bool transposed;  // the buffer holds it transposed: cols x rows
#endif
};

// buffers of a region: numbers; -1: none
struct RegionRow {
  int x, first, layers;  // those of y and dy are `layers` rows of OUTPUTS from `first` on
#if EMIT_TRAINING
  int kept, dx;          // what its backward pass reads of its forward pass, and the gradient of its x
  bool adds;             // to the dx of another region
#endif
};

struct OutputRow {
  int y;
#if EMIT_TRAINING
  int dy;
#endif
};

#if EMIT_ROWS
// layers of which an adapter has one rank and scale: the buffers that hold those of all adapters
struct GroupRow {
  const char *name;
  int ranks, scales;
};

// a factor of an adapter, which a buffer holds rank by rank: lines of `length` numbers, 0: of the rank's too, with room for the largest
struct FactorRow {
  const char *tensor;
  int group, buffer;
  size_t first;  // element in the part of an adapter
  size_t length;
  bool turned;   // the model has that axis first
};

#endif
#insert tables

#insert queue
#if EMIT_LIBRARY

// A product that cuBLASLt does: out (tokens x cols) = rows (tokens x inner) weight (inner x cols) and, where there is one, + bias.
struct ProductRow {
  const char *name;
  int rows, weight, out, bias;                         // buffers; -1: no bias
  uint64_t inner, cols;
  int64_t rows_stride, weight_stride, out_stride;      // elements from one row to the next
  bool transposed;                                     // the weight is stored (cols x inner)
  bool adds;                                           // adds to the contents of out
};

#insert products

#insert blas
#endif

struct lotrc_adapters : Queue {
  uint32_t tokens = 0;              // most rows of a call
  uint32_t rows = 0;                // those of this call
  int device = 0;                   // where everything is
  void *buffer[BUFFER_COUNT] = {};  // what launches use
  void *own[BUFFER_COUNT] = {};     // memory of the library
  bool ready = false;               // all weights have memory
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
  Map map[MAP_COUNT];
#endif
#endif
#if EMIT_TRAINING
  float *moment[SLOT_COUNT * TRAINED_COUNT + 1] = {};  // those of a factor side by side
  uint64_t steps = 0;               // of the optimizer
#endif
#if EMIT_ROWS
  uint32_t rank[std::size(GROUPS)][LOTRC_ADAPTERS] = {};  // 0: not begun
  bool given[std::size(FACTORS)][LOTRC_ADAPTERS] = {};
  bool whole[std::size(GROUPS)][LOTRC_ADAPTERS] = {};     // it has all factors of the group
#endif
  bool merged = false;              // the weights hold the adapter
  bool stale = true;                // what depends on the factors alone has to be computed again
  unsigned long long graph = 0;     // the one that computes it since the last time; 0: it was computed at once
  bool begun[BUFFER_COUNT] = {};    // gradients of inputs that a region has written in this pass
  bool any_order = false;           // regions run backward in any order
#if EMIT_LIBRARY
  Library library;
  Product product[PRODUCT_COUNT];
  void *workspace = nullptr;
  size_t workspace_bytes = 0;       // most that any product needs
#endif
  std::string message;
};

// of lotrc_create, for the thread that called it
static thread_local std::string create_message;

static lotrc_status fail(lotrc_adapters *a, lotrc_status status, std::string why) {
  (a ? a->message : create_message) = std::move(why);
  return status;
}

static lotrc_status cuda(lotrc_adapters *a, cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return LOTRC_OK;
#if EMIT_LIBRARY
  if (refusal.status != CUBLAS_STATUS_SUCCESS) {
    const cublasStatus_t refused = std::exchange(refusal.status, CUBLAS_STATUS_SUCCESS);
    return fail(a, refused == CUBLAS_STATUS_ALLOC_FAILED ? LOTRC_NO_MEMORY : LOTRC_CUBLAS,
                std::string(doing) + ": " + refusal.call + ": " + cublasLtGetStatusName(refused));
  }
#endif
  const lotrc_status status = error == cudaErrorMemoryAllocation ? LOTRC_NO_MEMORY : LOTRC_CUDA;
  return fail(a, status, std::string(doing) + ": " + cudaGetErrorString(error));
}

static size_t elements_of(const lotrc_adapters *a, int buffer) {
  const uint32_t per = BUFFERS[buffer].per;
  return BUFFERS[buffer].elements * (per == 0 ? 1 : (a->tokens + per - 1) / per);
}

#if EMIT_PACKED
static size_t element_bytes(int buffer) {
  if (BUFFERS[buffer].type == LOTRC_UINT8) return 1;
  return BUFFERS[buffer].type == LOTRC_FLOAT32 || BUFFERS[buffer].type == LOTRC_UINT32 ? 4 : 2;
}
#else
static size_t element_bytes(int buffer) { return BUFFERS[buffer].type == LOTRC_FLOAT32 || BUFFERS[buffer].type == LOTRC_UINT32 ? 4 : 2; }
#endif

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

static unsigned tiles(const lotrc_adapters *a, unsigned per) { return (a->rows + per - 1) / per; }

// a place in a buffer
[[maybe_unused]] static void *within(const lotrc_adapters *a, int buffer, size_t first) {
  return static_cast<char *>(a->buffer[buffer]) + first * element_bytes(buffer);
}

// The library's device is the current one for as long as a call takes.
class OnDevice {
 public:
  explicit OnDevice(const lotrc_adapters *a) {
    if (!a || cudaGetDevice(&before) != cudaSuccess || before == a->device) return;
    changed = cudaSetDevice(a->device) == cudaSuccess;
  }
  OnDevice(const OnDevice &) = delete;
  OnDevice &operator=(const OnDevice &) = delete;
  ~OnDevice() {
    if (changed) static_cast<void>(cudaSetDevice(before));
  }

 private:
  int before = 0;
  bool changed = false;
};

#if EMIT_LIBRARY

// Chooses an algorithm for every product once, for the tokens of this library.
static cudaError_t prepare_products(lotrc_adapters *a) {
  LOTRC_TRY(open_library(&a->library));
  for (int i = 0; i < PRODUCT_COUNT; i++) {
    const ProductRow &row = PRODUCTS[i];
    Product &p = a->product[i];
    const Shape shape = {a->tokens, row.inner, row.cols, row.rows_stride, row.weight_stride, row.out_stride, row.transposed};
    LOTRC_TRY(describe(row.name, shape, row.bias >= 0 ? a->buffer[row.bias] : nullptr, &p));
    LOTRC_TRY(choose(a->library, row.name, &p));
    a->workspace_bytes = std::max(a->workspace_bytes, p.workspace_bytes);
  }
  if (a->workspace_bytes > 0) LOTRC_TRY(cudaMalloc(&a->workspace, a->workspace_bytes));
  return cudaSuccess;
}

static void forget_products(lotrc_adapters *a) {
  for (const Product &p : a->product) forget(p);
  close_library(a->library);
  cudaFree(a->workspace);
}

static cudaError_t product(lotrc_adapters *a, int index) {
  const ProductRow &row = PRODUCTS[index];
  return multiply(a->library, row.name, a->product[index], a->buffer[row.rows], a->buffer[row.weight], a->buffer[row.out], row.adds,
                  a->workspace, a->workspace_bytes, a->stream);
}

// a dense or strided matrix into a part of a larger one of the same type
static cudaError_t copy_part(lotrc_adapters *a, int to, size_t at, size_t stride, int from, size_t first, size_t from_stride,
                             size_t rows, size_t cols) {
  const size_t bytes = element_bytes(to);
  return cudaMemcpy2DAsync(static_cast<char *>(a->buffer[to]) + at * bytes, stride * bytes,
                           static_cast<const char *>(a->buffer[from]) + first * bytes, from_stride * bytes, cols * bytes, rows,
                           cudaMemcpyDeviceToDevice, a->stream);
}

// uploads a tensor that its buffer holds transposed
static cudaError_t upload_transposed(lotrc_adapters *a, const Place &place, const float *data) {
  std::vector<float> transposed(place.rows * place.cols);
  for (size_t i = 0; i < place.rows; i++)
    for (size_t j = 0; j < place.cols; j++) transposed[j * place.rows + i] = data[i * place.cols + j];
  std::vector<uint16_t> room;
  const void *from = as_stored(place.buffer, transposed.data(), transposed.size(), room);
  const size_t bytes = element_bytes(place.buffer), row = place.rows * bytes;
  char *to = static_cast<char *>(a->buffer[place.buffer]) + place.offset * bytes;
  const cudaError_t error = cudaMemcpy2DAsync(to, place.stride * bytes, from, row, row, place.cols, cudaMemcpyHostToDevice, a->stream);
  return error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error;
}

// the part of a buffer that is the caller's: all but the border of its rows
static size_t numbers_of(const lotrc_adapters *a, int buffer) { return elements_of(a, buffer) - a->tokens * BUFFERS[buffer].border; }

// Copies the caller's numbers, dense on the host. The border stays as it is: results of launches, and zeros.
static cudaError_t write_numbers(const lotrc_adapters *a, int buffer, const void *from) {
  const BufferRow &row = BUFFERS[buffer];
  const size_t bytes = element_bytes(buffer), width = (row.elements - row.border) * bytes;
  if (row.border == 0) return cudaMemcpyAsync(a->buffer[buffer], from, bytes_of(a, buffer), cudaMemcpyHostToDevice, a->stream);
  return cudaMemcpy2DAsync(a->buffer[buffer], row.elements * bytes, from, width, width, a->tokens, cudaMemcpyHostToDevice, a->stream);
}

static cudaError_t read_numbers(const lotrc_adapters *a, int buffer, void *to) {
  const BufferRow &row = BUFFERS[buffer];
  const size_t bytes = element_bytes(buffer), width = (row.elements - row.border) * bytes;
  if (row.border == 0) return cudaMemcpyAsync(to, a->buffer[buffer], bytes_of(a, buffer), cudaMemcpyDeviceToHost, a->stream);
  return cudaMemcpy2DAsync(to, width, a->buffer[buffer], row.elements * bytes, width, a->tokens, cudaMemcpyDeviceToHost, a->stream);
}

#endif
#if EMIT_WARPGROUPS
#insert warpgroups

#endif
#if EMIT_LARGE
// kernels whose tiles are more than the 48 KiB of shared memory that any block may have, and the most that one of them needs
static constexpr int SHARED_BYTES =
#insert shared_bytes
static cudaError_t allow_tiles() {
#insert large
  return cudaSuccess;
}

#endif
// gives a buffer memory unless it has some
static cudaError_t present(lotrc_adapters *a, int buffer) {
  if (buffer < 0 || a->buffer[buffer]) return cudaSuccess;
  if (!a->own[buffer]) {
    LOTRC_TRY(cudaMalloc(&a->own[buffer], bytes_of(a, buffer)));
    LOTRC_TRY(cudaMemsetAsync(a->own[buffer], 0, bytes_of(a, buffer), a->stream));
  }
  a->buffer[buffer] = a->own[buffer];
  return cudaSuccess;
}

// memory for weights that nobody has set
static cudaError_t ready(lotrc_adapters *a) {
  if (a->ready) return cudaSuccess;
  for (const Place &place : PLACES) LOTRC_TRY(present(a, place.buffer));
  a->ready = true;
  return cudaSuccess;
}

static cudaError_t allocate(lotrc_adapters *a) {
  for (int i = 0; i < BUFFER_COUNT; i++)
    if (!BUFFERS[i].later) LOTRC_TRY(present(a, i));
#if EMIT_ROWS
  const int rows = buffer_of("rowAdapter");
  LOTRC_TRY(cudaMemsetAsync(a->buffer[rows], 0xff, bytes_of(a, rows), a->stream));
#endif
#if EMIT_TRAINING
  for (int i = 0; i < TRAINED_COUNT; i++)
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
      float *&memory = a->moment[SLOT_COUNT * i + slot];
      const size_t bytes = bytes_of(a, TRAINED[i]);
      LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&memory), bytes));
      LOTRC_TRY(cudaMemsetAsync(memory, 0, bytes, a->stream));
    }
#endif
#if EMIT_LIBRARY
  return prepare_products(a);
#else
  return cudaSuccess;
#endif
}

#insert launches
#if EMIT_TRAINING

#insert state
#endif

extern "C" {

lotrc_status lotrc_create(lotrc_adapters **adapters, uint32_t tokens, void *stream) {
  if (!adapters) return fail(nullptr, LOTRC_BAD_ARGUMENT, "adapters is null");
  *adapters = nullptr;
  if (tokens < 1 || tokens > LOTRC_MAX_TOKENS)
    return fail(nullptr, LOTRC_BAD_ARGUMENT, "tokens is " + std::to_string(tokens) + ", not 1 to " + std::to_string(LOTRC_MAX_TOKENS));
  lotrc_adapters *a = new (std::nothrow) lotrc_adapters;
  if (!a) return fail(nullptr, LOTRC_NO_MEMORY, "the host has no memory left");
  a->tokens = a->rows = tokens;
  a->stream = static_cast<cudaStream_t>(stream);
  cudaError_t error = cudaGetDevice(&a->device);
#if EMIT_LARGE
  int shared = 0;
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, a->device);
  if (error == cudaSuccess && shared < SHARED_BYTES) {
    lotrc_destroy(a);
    return fail(nullptr, LOTRC_CUDA, "a kernel needs " + std::to_string(SHARED_BYTES) + " bytes of shared memory, and a block of this device has " +
                                         std::to_string(shared) + " at most: name its architecture with --arch");
  }
  if (error == cudaSuccess) error = allow_tiles();
#endif
  if (error == cudaSuccess) error = allocate(a);
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
  if (error == cudaSuccess) error = find_warpgroups(a);
  if (error == cudaSuccess && a->warpgroups) error = allow_rings(a);
#endif
#endif
  if (error != cudaSuccess) {
#if EMIT_LIBRARY
    const lotrc_status status = cuda(a, error, "allocating buffers");
#else
    const lotrc_status status = cuda(nullptr, error, "allocating buffers");
#endif
#if EMIT_LIBRARY
    create_message = a->message;
#endif
    lotrc_destroy(a);
    return status;
  }
  *adapters = a;
  return LOTRC_OK;
}

void lotrc_destroy(lotrc_adapters *a) {
  if (!a) return;
  const OnDevice on(a);
  static_cast<void>(cudaStreamSynchronize(a->stream));
#if EMIT_LIBRARY
  forget_products(a);
#endif
  for (void *memory : a->own) static_cast<void>(cudaFree(memory));
#if EMIT_TRAINING
  for (float *memory : a->moment) static_cast<void>(cudaFree(memory));
#endif
  delete a;
}

lotrc_status lotrc_set_stream(lotrc_adapters *a, void *stream) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  a->stream = static_cast<cudaStream_t>(stream);
  return LOTRC_OK;
}

const char *lotrc_message(const lotrc_adapters *a) { return (a ? a->message : create_message).c_str(); }

#if EMIT_MANY
static lotrc_status set(lotrc_adapters *a, uint32_t adapter, const char *tensor, const float *data, size_t count) {
#else
static lotrc_status set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
#endif
  const OnDevice on(a);
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
#if EMIT_MERGING
  if (a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is in the weights: unmerge first");
#endif
  bool known = false;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    known = true;
    if (count != place.rows * place.cols)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is " + std::to_string(place.rows) + " x " +
                                             std::to_string(place.cols) + ", not " + std::to_string(count) + " numbers");
#if EMIT_PACKED
    if (BUFFERS[place.buffer].type == LOTRC_UINT8)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is packed: use lotrc_set_packed");
#endif
  }
#if EMIT_ROWS
  for (const FactorRow &factor : FACTORS)
    if (std::strcmp(factor.tensor, tensor) == 0)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is a factor of adapters: use lotrc_set_adapter");
#endif
  if (!known) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no tensor ") + tensor + " here");
  a->stale = true;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    a->buffer[place.buffer] = a->own[place.buffer];  // no longer the caller's
    const cudaError_t missing = present(a, place.buffer);
    if (missing != cudaSuccess) return cuda(a, missing, "allocating a tensor");
#if EMIT_LIBRARY
    if (place.transposed) {
      const cudaError_t error = upload_transposed(a, place, data);
      if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
      continue;
    }
#endif
    std::vector<uint16_t> room;
    const void *from = as_stored(place.buffer, data, count, room);
    const size_t bytes = element_bytes(place.buffer), row = place.cols * bytes;
    char *to = static_cast<char *>(a->buffer[place.buffer]) + place.offset * bytes;
#if EMIT_MANY
    to += adapter * (bytes_of(a, place.buffer) / LOTRC_ADAPTERS);
#endif
    cudaError_t error = cudaMemcpy2DAsync(to, place.stride * bytes, from, row, row, place.rows, cudaMemcpyHostToDevice, a->stream);
    if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
    if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
  }
  return LOTRC_OK;
}

lotrc_status lotrc_set(lotrc_adapters *a, const char *tensor, const float *data, size_t count) {
#if EMIT_MANY
  return set(a, 0, tensor, data, count);
#else
  return set(a, tensor, data, count);
#endif
}
#if EMIT_PACKED

lotrc_status lotrc_set_packed(lotrc_adapters *a, const char *tensor, const void *bytes, size_t count) {
  const OnDevice on(a);
  if (!a || !tensor || !bytes) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  bool known = false;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    known = true;
    if (BUFFERS[place.buffer].type != LOTRC_UINT8)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is not packed: use lotrc_set");
    if (count != elements_of(a, place.buffer))
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " has " + std::to_string(elements_of(a, place.buffer)) + " bytes, not " +
                                             std::to_string(count));
    a->buffer[place.buffer] = a->own[place.buffer];  // no longer the caller's
    cudaError_t error = present(a, place.buffer);
    if (error == cudaSuccess) error = cudaMemcpyAsync(a->buffer[place.buffer], bytes, count, cudaMemcpyHostToDevice, a->stream);
    if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
    if (error != cudaSuccess) return cuda(a, error, "uploading a packed tensor");
  }
  return known ? LOTRC_OK : fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no tensor ") + tensor + " here");
}
#endif
#if EMIT_MANY

lotrc_status lotrc_set_adapter(lotrc_adapters *a, uint32_t adapter, const char *tensor, const float *data, size_t count) {
  if (adapter >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(adapter));
  for (const Place &place : PLACES)
    if (tensor && !place.factor && std::strcmp(place.tensor, tensor) == 0)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is not a factor of an adapter");
  return set(a, adapter, tensor, data, count);
}

lotrc_status lotrc_set_rows(lotrc_adapters *a, const uint32_t *of_blocks, size_t blocks) {
  const OnDevice on(a);
  if (!a || !of_blocks) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const size_t wanted = tiles(a, LOTRC_ROW_BLOCK);
  if (blocks != wanted)
    return fail(a, LOTRC_BAD_ARGUMENT, std::to_string(a->tokens) + " rows are " + std::to_string(wanted) + " blocks, not " + std::to_string(blocks));
  for (size_t i = 0; i < blocks; i++)
    if (of_blocks[i] >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(of_blocks[i]));
  const cudaError_t error = cudaMemcpyAsync(a->buffer[buffer_of("rowAdapter")], of_blocks, 4 * blocks, cudaMemcpyHostToDevice, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing the rows of adapters");
}
#endif

#if EMIT_ROWS
// one element of a table of adapters
static cudaError_t put(lotrc_adapters *a, int buffer, uint32_t adapter, const void *element) {
  LOTRC_TRY(cudaMemcpyAsync(static_cast<char *>(a->buffer[buffer]) + 4 * adapter, element, 4, cudaMemcpyHostToDevice, a->stream));
  return cudaStreamSynchronize(a->stream);
}

// what an adapter lacks; an empty text: nothing
static std::string lacking(const lotrc_adapters *a, uint32_t adapter, int group) {
  if (a->rank[group][adapter] == 0) return std::string("a rank in group ") + GROUPS[group].name;
  for (size_t i = 0; i < std::size(FACTORS); i++)
    if (FACTORS[i].group == group && !a->given[i][adapter]) return FACTORS[i].tensor;
  return "";
}

lotrc_status lotrc_begin_adapter(lotrc_adapters *a, uint32_t adapter, const char *group, uint32_t rank, float scale) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (adapter >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(adapter));
  if (rank < 1 || rank > LOTRC_MAX_RANK)
    return fail(a, LOTRC_BAD_ARGUMENT, "rank is " + std::to_string(rank) + ", not 1 to " + std::to_string(LOTRC_MAX_RANK));
  if (!std::isfinite(scale)) return fail(a, LOTRC_BAD_ARGUMENT, "scale is not a finite number");
  bool known = false;
  for (size_t g = 0; g < std::size(GROUPS); g++) {
    if (group && std::strcmp(GROUPS[g].name, group) != 0) continue;
    known = true;
    const uint32_t none = 0;
    cudaError_t error = put(a, GROUPS[g].ranks, adapter, &none);
    if (error == cudaSuccess) error = put(a, GROUPS[g].scales, adapter, &scale);
    if (error != cudaSuccess) return cuda(a, error, "beginning an adapter");
    a->rank[g][adapter] = rank;
    a->whole[g][adapter] = false;
    for (size_t i = 0; i < std::size(FACTORS); i++)
      if (FACTORS[i].group == static_cast<int>(g)) a->given[i][adapter] = false;
  }
  return known ? LOTRC_OK : fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no group ") + group + " here");
}

// uploads a factor, rank by rank
static cudaError_t upload(lotrc_adapters *a, const FactorRow &factor, uint32_t adapter, uint32_t rank, const float *data) {
  const size_t width = factor.length ? factor.length : rank, line = factor.length ? factor.length : LOTRC_MAX_RANK;
  std::vector<float> lines(rank * line);
  for (size_t j = 0; j < rank; j++)
    for (size_t i = 0; i < width; i++) lines[j * line + i] = factor.turned ? data[i * rank + j] : data[j * width + i];
  std::vector<uint16_t> room;
  const void *from = as_stored(factor.buffer, lines.data(), lines.size(), room);
  const size_t bytes = element_bytes(factor.buffer);
  char *to = static_cast<char *>(a->buffer[factor.buffer]) + adapter * (bytes_of(a, factor.buffer) / LOTRC_ADAPTERS) + factor.first * bytes;
  LOTRC_TRY(cudaMemcpyAsync(to, from, lines.size() * bytes, cudaMemcpyHostToDevice, a->stream));
  return cudaStreamSynchronize(a->stream);
}

lotrc_status lotrc_set_adapter(lotrc_adapters *a, uint32_t adapter, const char *tensor, const float *data, size_t count) {
  const OnDevice on(a);
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  if (adapter >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(adapter));
  bool known = false;
  for (size_t i = 0; i < std::size(FACTORS); i++) {
    const FactorRow &factor = FACTORS[i];
    if (std::strcmp(factor.tensor, tensor) != 0) continue;
    known = true;
    const uint32_t rank = a->rank[factor.group][adapter];
    if (rank == 0)
      return fail(a, LOTRC_BAD_ORDER, "adapter " + std::to_string(adapter) + " has no rank in group " + GROUPS[factor.group].name +
                                          ": lotrc_begin_adapter comes first");
    const size_t width = factor.length ? factor.length : rank;
    if (count != rank * width)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " of rank " + std::to_string(rank) + " is " +
                                             std::to_string(factor.turned ? width : rank) + " x " +
                                             std::to_string(factor.turned ? rank : width) + ", not " + std::to_string(count) + " numbers");
    const cudaError_t error = upload(a, factor, adapter, rank, data);
    if (error != cudaSuccess) return cuda(a, error, "uploading a factor");
    a->given[i][adapter] = true;
    if (!lacking(a, adapter, factor.group).empty()) continue;
    const cudaError_t put_error = put(a, GROUPS[factor.group].ranks, adapter, &rank);
    if (put_error != cudaSuccess) return cuda(a, put_error, "completing an adapter");
    a->whole[factor.group][adapter] = true;
  }
  return known ? LOTRC_OK : fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no factor ") + tensor + " here");
}

lotrc_status lotrc_set_rows(lotrc_adapters *a, const uint32_t *of_rows, size_t rows) {
  const OnDevice on(a);
  if (!a || !of_rows) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  if (rows > a->tokens)
    return fail(a, LOTRC_BAD_ARGUMENT, std::to_string(rows) + " rows are more than " + std::to_string(a->tokens));
  for (size_t i = 0; i < rows; i++) {
    if (of_rows[i] == LOTRC_NO_ADAPTER) continue;
    if (of_rows[i] >= LOTRC_ADAPTERS) return fail(a, LOTRC_BAD_ARGUMENT, "there is no adapter " + std::to_string(of_rows[i]));
    for (size_t g = 0; g < std::size(GROUPS); g++) {
      if (a->whole[g][of_rows[i]]) continue;
      return fail(a, LOTRC_BAD_ORDER, "adapter " + std::to_string(of_rows[i]) + " has no " + lacking(a, of_rows[i], static_cast<int>(g)));
    }
  }
  const int buffer = buffer_of("rowAdapter");
  cudaError_t error = cudaMemsetAsync(a->buffer[buffer], 0xff, bytes_of(a, buffer), a->stream);
  if (error == cudaSuccess && rows > 0) error = cudaMemcpyAsync(a->buffer[buffer], of_rows, 4 * rows, cudaMemcpyHostToDevice, a->stream);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing the adapters of rows");
}

#endif
static lotrc_status unaligned(lotrc_adapters *a, const char *what) {
  return fail(a, LOTRC_BAD_ARGUMENT, what + std::string(" is at an address that is not a multiple of ") + std::to_string(LOTRC_ALIGNMENT));
}

static bool aligned(const void *memory) { return reinterpret_cast<uintptr_t>(memory) % LOTRC_ALIGNMENT == 0; }

lotrc_status lotrc_bind(lotrc_adapters *a, const char *tensor, void *device) {
  const OnDevice on(a);
  if (!a || !tensor || !device) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
#if EMIT_MERGING
  if (a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is in the weights: unmerge first");
#endif
  if (!aligned(device)) return unaligned(a, tensor);
  bool known = false;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    known = true;
    // memory of the caller has the whole buffer in it
    if (!BUFFERS[place.buffer].later || place.rows * place.cols != BUFFERS[place.buffer].elements)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is not stored by itself here: use lotrc_set");
  }
  if (!known) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no tensor ") + tensor + " here");
  // launches that are queued may still read what was there before
  const cudaError_t error = cudaStreamSynchronize(a->stream);
  if (error != cudaSuccess) return cuda(a, error, "binding a tensor");
  a->stale = true;
  for (const Place &place : PLACES) {
    if (std::strcmp(place.tensor, tensor) != 0) continue;
    a->buffer[place.buffer] = device;
    static_cast<void>(cudaFree(std::exchange(a->own[place.buffer], nullptr)));
  }
  return LOTRC_OK;
}

lotrc_status lotrc_buffer(lotrc_adapters *a, const char *name, void **device, size_t *count, lotrc_type *type) {
  const OnDevice on(a);
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (device) {
    const cudaError_t error = present(a, buffer);
    if (error != cudaSuccess) return cuda(a, error, "allocating a buffer");
    *device = a->buffer[buffer];
  }
  if (count) *count = elements_of(a, buffer);
  if (type) *type = BUFFERS[buffer].type;
  return LOTRC_OK;
}
#if EMIT_LIBRARY

lotrc_status lotrc_row(lotrc_adapters *a, const char *name, size_t *width, size_t *stride) {
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (BUFFERS[buffer].per != 1) return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has no row for each token");
  if (width) *width = BUFFERS[buffer].elements - BUFFERS[buffer].border;
  if (stride) *stride = BUFFERS[buffer].elements;
  return LOTRC_OK;
}
#endif

static lotrc_status checked(lotrc_adapters *a, const char *name, const void *data, size_t count, int *buffer) {
  if (!a || !name || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *buffer = buffer_of(name);
  if (*buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
#if EMIT_MANY
  if (BUFFERS[*buffer].type == LOTRC_UINT32) return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " is filled by lotrc_set_rows");
#endif
#if EMIT_ROWS
  if (BUFFERS[*buffer].type == LOTRC_UINT32)
    return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " is filled by lotrc_set_rows and lotrc_set_adapter");
#endif
#if EMIT_PACKED
  if (BUFFERS[*buffer].type == LOTRC_UINT8) return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " is packed: use lotrc_buffer");
#endif
#if EMIT_LIBRARY
  const size_t wanted = numbers_of(a, *buffer);
#else
  const size_t wanted = elements_of(a, *buffer);
#endif
  if (count == wanted) return cuda(a, present(a, *buffer), "allocating a buffer");
  return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has " + std::to_string(wanted) + " numbers, not " + std::to_string(count));
}

lotrc_status lotrc_write(lotrc_adapters *a, const char *name, const float *data, size_t count) {
  const OnDevice on(a);
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  std::vector<uint16_t> room;
  const void *from = as_stored(buffer, data, count, room);
#if EMIT_LIBRARY
  const cudaError_t error = write_numbers(a, buffer, from);
#else
  const cudaError_t error = cudaMemcpyAsync(a->buffer[buffer], from, bytes_of(a, buffer), cudaMemcpyHostToDevice, a->stream);
#endif
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing a buffer");
}

lotrc_status lotrc_read(lotrc_adapters *a, const char *name, float *data, size_t count) {
  const OnDevice on(a);
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const lotrc_type type = BUFFERS[buffer].type;
  std::vector<uint16_t> room(type == LOTRC_FLOAT32 ? 0 : count);
  void *to = type == LOTRC_FLOAT32 ? static_cast<void *>(data) : room.data();
#if EMIT_LIBRARY
  cudaError_t error = read_numbers(a, buffer, to);
#else
  cudaError_t error = cudaMemcpyAsync(to, a->buffer[buffer], bytes_of(a, buffer), cudaMemcpyDeviceToHost, a->stream);
#endif
  if (error == cudaSuccess) error = cudaStreamSynchronize(a->stream);
  if (error == cudaSuccess)
    for (size_t i = 0; i < room.size(); i++) data[i] = widened(type, room[i]);
  return cuda(a, error, "reading a buffer");
}

#if EMIT_TRAINING
lotrc_status lotrc_get(lotrc_adapters *a, const char *tensor, float *data, size_t count) {
  const OnDevice on(a);
  if (!a || !tensor || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  for (const Place &place : PLACES) {
    if (!place.factor || std::strcmp(place.tensor, tensor) != 0) continue;
    if (count != place.rows * place.cols)
      return fail(a, LOTRC_BAD_ARGUMENT, std::string(tensor) + " is " + std::to_string(place.rows) + " x " +
                                             std::to_string(place.cols) + ", not " + std::to_string(count) + " numbers");
    // a factor is stored in one place, in float32 whatever the type of the layers
    const size_t row = place.cols * sizeof(float);
    cudaError_t error = present(a, place.buffer);
    const float *from = static_cast<const float *>(a->buffer[place.buffer]) + place.offset;
    if (error == cudaSuccess)
      error = cudaMemcpy2DAsync(data, row, from, place.stride * sizeof(float), row, place.rows, cudaMemcpyDeviceToHost, a->stream);
    return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "reading a factor");
  }
  return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no factor ") + tensor + " here");
}

#endif
lotrc_status lotrc_changed(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  a->stale = true;
  return LOTRC_OK;
}

// The number of the graph that calls are captured in; 0: they run at once.
static cudaError_t graph_of(const lotrc_adapters *a, unsigned long long *graph) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  LOTRC_TRY(cudaStreamGetCaptureInfo(a->stream, &status, graph));
  if (status != cudaStreamCaptureStatusActive) *graph = 0;
  return cudaSuccess;
}

#if EMIT_TRAINING
// Factors change between the runs of a graph: each graph computes what depends on them. What one was given has not run.
#else
// What a graph was given has not run.
#endif
static cudaError_t refresh(lotrc_adapters *a) {
  unsigned long long graph = 0;
  LOTRC_TRY(graph_of(a, &graph));
#if EMIT_TRAINING
  if (a->stale || graph != a->graph) {
#else
  if (a->stale || (a->graph != 0 && graph != a->graph)) {
#endif
    LOTRC_TRY(prologue(a));
    a->graph = graph;
  }
  a->stale = false;
  return cudaSuccess;
}

static lotrc_status region_of(lotrc_adapters *a, uint32_t region) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (region < REGION_COUNT) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "there is no region " + std::to_string(region) + ", only " + std::to_string(REGION_COUNT));
}

static cudaError_t forward_pass(lotrc_adapters *a, uint32_t region) {
  LOTRC_TRY(ready(a));
#if EMIT_TRAINING
  LOTRC_TRY(present(a, REGIONS[region].kept));
#endif
#if EMIT_MERGING
  if (a->merged) return forward_merged(a, region);
#endif
  LOTRC_TRY(refresh(a));
  return forward(a, region);
}

lotrc_status lotrc_forward(lotrc_adapters *a, uint32_t region) {
  const OnDevice on(a);
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const RegionRow &row = REGIONS[region];
  cudaError_t error = present(a, row.x);
  for (int i = 0; i < row.layers && error == cudaSuccess; i++) error = present(a, OUTPUTS[row.first + i].y);
  return cuda(a, error == cudaSuccess ? forward_pass(a, region) : error, "forward");
}

// Memory of the caller in the place of the library's, for as long as a call takes.
class Lent {
 public:
  Lent(lotrc_adapters *adapters, uint32_t rows) : a(adapters) { a->rows = rows; }
  Lent(const Lent &) = delete;
  Lent &operator=(const Lent &) = delete;
  ~Lent() {
    a->rows = a->tokens;
    for (const Part &part : parts) a->buffer[part.buffer] = part.before;
  }

  // Launches write what they are told to write alone, and read nothing that is in its place.
  lotrc_status lend(int buffer, const void *memory, bool written = false) {
    if (!memory) return fail(a, LOTRC_BAD_ARGUMENT, std::string(BUFFERS[buffer].name) + " is null");
    if (!aligned(memory)) return unaligned(a, BUFFERS[buffer].name);
    const uintptr_t first = reinterpret_cast<uintptr_t>(memory), end = first + BUFFERS[buffer].elements * a->rows * element_bytes(buffer);
    for (const Part &other : parts)
      if ((written || other.written) && first < other.end && other.first < end)
        return fail(a, LOTRC_BAD_ARGUMENT, std::string(BUFFERS[buffer].name) + " overlaps " + BUFFERS[other.buffer].name);
    parts.push_back({buffer, a->buffer[buffer], first, end, written});
    a->buffer[buffer] = const_cast<void *>(memory);
    return LOTRC_OK;
  }

 private:
  struct Part {
    int buffer;
    void *before;
    uintptr_t first, end;
    bool written;
  };
  lotrc_adapters *a;
  std::vector<Part> parts;
};

// a region and a number of rows that a call may have
static lotrc_status call_of(lotrc_adapters *a, uint32_t region, uint32_t rows) {
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
#if EMIT_LIBRARY
  // cuBLASLt chose its algorithms for this number
  if (rows == a->tokens) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "rows is " + std::to_string(rows) + ", not " + std::to_string(a->tokens));
#else
  if (rows >= 1 && rows <= a->tokens) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, "rows is " + std::to_string(rows) + ", not 1 to " + std::to_string(a->tokens));
#endif
}

#if EMIT_TRAINING
lotrc_status lotrc_forward_at(lotrc_adapters *a, uint32_t region, uint32_t rows, const void *x, void *const *y, void *kept) {
#else
lotrc_status lotrc_forward_at(lotrc_adapters *a, uint32_t region, uint32_t rows, const void *x, void *const *y) {
#endif
  const OnDevice on(a);
  lotrc_status status = call_of(a, region, rows);
  if (status != LOTRC_OK) return status;
  if (!y) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const RegionRow &row = REGIONS[region];
  Lent lent(a, rows);
  status = lent.lend(row.x, x);
  for (int i = 0; i < row.layers && status == LOTRC_OK; i++) status = lent.lend(OUTPUTS[row.first + i].y, y[i], true);
#if EMIT_TRAINING
  if (status == LOTRC_OK && kept && row.kept >= 0) status = lent.lend(row.kept, kept, true);
#endif
  return status == LOTRC_OK ? cuda(a, forward_pass(a, region), "forward") : status;
}
#if EMIT_MERGING

lotrc_status lotrc_merge(lotrc_adapters *a) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is in the weights already");
  cudaError_t error = ready(a);
  if (error == cudaSuccess) error = refresh(a);
  if (error == cudaSuccess) error = merge(a);
  a->merged = true;
  return cuda(a, error, "merging");
}

lotrc_status lotrc_unmerge(lotrc_adapters *a) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  if (!a->merged) return fail(a, LOTRC_BAD_ORDER, "the adapter is not in the weights");
  a->merged = false;
  return cuda(a, unmerge(a), "unmerging");
}
#endif

#if EMIT_TRAINING

static cudaError_t clear_dx(lotrc_adapters *a, int dx) {
  return cudaMemsetAsync(a->buffer[dx], 0, BUFFERS[dx].elements * a->rows * element_bytes(dx), a->stream);
}

static cudaError_t backward_pass(lotrc_adapters *a, uint32_t region) {
  LOTRC_TRY(ready(a));
  LOTRC_TRY(present(a, REGIONS[region].kept));
  LOTRC_TRY(refresh(a));
  return backward(a, region);
}

lotrc_status lotrc_backward(lotrc_adapters *a, uint32_t region) {
  const OnDevice on(a);
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const RegionRow &row = REGIONS[region];
  cudaError_t error = present(a, row.x);
  for (int i = 0; i < row.layers && error == cudaSuccess; i++) error = present(a, OUTPUTS[row.first + i].dy);
  if (error == cudaSuccess) error = present(a, row.dx);
  if (row.adds && !a->begun[row.dx]) {
    if (!a->any_order)
      return fail(a, LOTRC_BAD_ORDER, "a region before " + std::to_string(region) + " reads the same x: its backward pass goes first");
    if (error == cudaSuccess) error = clear_dx(a, row.dx);
  }
  if (row.dx >= 0) a->begun[row.dx] = true;
  return cuda(a, error == cudaSuccess ? backward_pass(a, region) : error, "backward");
}

lotrc_status lotrc_backward_at(lotrc_adapters *a, uint32_t region, uint32_t rows, const void *x, const void *const *dy, void *dx, int adds,
                               const void *kept) {
  const OnDevice on(a);
  lotrc_status status = call_of(a, region, rows);
  if (status != LOTRC_OK) return status;
  if (!dy) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const RegionRow &row = REGIONS[region];
  if (adds && row.dx >= 0 && !row.adds)
    return fail(a, LOTRC_BAD_ARGUMENT, "region " + std::to_string(region) + " writes its dx: regions after it that read the same x add to it");
  Lent lent(a, rows);
  status = lent.lend(row.x, x);
  for (int i = 0; i < row.layers && status == LOTRC_OK; i++)
    if (OUTPUTS[row.first + i].dy >= 0) status = lent.lend(OUTPUTS[row.first + i].dy, dy[i]);
  if (status == LOTRC_OK && row.dx >= 0) status = lent.lend(row.dx, dx, true);
  if (status == LOTRC_OK && kept && row.kept >= 0) status = lent.lend(row.kept, kept);
  if (status != LOTRC_OK) return status;
  const cudaError_t error = row.adds && !adds ? clear_dx(a, row.dx) : cudaSuccess;
  return cuda(a, error == cudaSuccess ? backward_pass(a, region) : error, "backward");
}

lotrc_status lotrc_begin_inputs(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (bool &begun : a->begun) begun = false;
  a->any_order = true;
  return LOTRC_OK;
}

lotrc_status lotrc_gradients(lotrc_adapters *a) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  return cuda(a, epilogue(a), "gradients");
}

lotrc_status lotrc_clear_gradients(lotrc_adapters *a) {
  const OnDevice on(a);
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (bool &begun : a->begun) begun = false;
  a->any_order = false;
  return cuda(a, clear(a), "clearing gradients");
}

lotrc_status lotrc_graph(lotrc_adapters *a, uint64_t *number) {
  const OnDevice on(a);
  if (!a || !number) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  unsigned long long graph = 0;
  const lotrc_status status = cuda(a, graph_of(a, &graph), "looking for a graph");
  *number = graph;
  return status;
}

#insert step_check
  const OnDevice on(a);
#if EMIT_CORRECTIONS
  // the launches of a step have its number in them
  unsigned long long graph = 0;
  cudaError_t error = graph_of(a, &graph);
  if (error == cudaSuccess && graph != 0) return fail(a, LOTRC_BAD_ORDER, "a graph would take the same step each time: steps are not captured");
  if (error == cudaSuccess) error = epilogue(a);
#else
  cudaError_t error = epilogue(a);
#endif
  if (error == cudaSuccess) {
#insert step_update
    a->stale = true;
  }
  const lotrc_status status = cuda(a, error, "step");
  return status == LOTRC_OK ? lotrc_clear_gradients(a) : status;
}

lotrc_status lotrc_state_bytes(lotrc_adapters *a, size_t *bytes) {
  if (!a || !bytes) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *bytes = state_size(moments_of(a));
  return LOTRC_OK;
}

lotrc_status lotrc_get_state(lotrc_adapters *a, void *state, size_t bytes) {
  const OnDevice on(a);
  if (!a || !state) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const std::vector<Moment> moments = moments_of(a);
  const size_t wanted = state_size(moments);
  if (bytes != wanted)
    return fail(a, LOTRC_BAD_ARGUMENT, "the state has " + std::to_string(wanted) + " bytes, not " + std::to_string(bytes));
  const std::string header = state_header(moments, a->steps);
  std::memcpy(state, header.data(), header.size());
  return cuda(a, copy_moments(a, moments, static_cast<char *>(state) + header.size(), true), "reading the state");
}

lotrc_status lotrc_set_state(lotrc_adapters *a, const void *state, size_t bytes) {
  const OnDevice on(a);
  if (!a || !state) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const std::vector<Moment> moments = moments_of(a);
  const char *from = static_cast<const char *>(state);
  uint64_t steps = 0;
  const std::string wrong = refused_state(moments, from, bytes, &steps);
  if (!wrong.empty()) return fail(a, LOTRC_BAD_ARGUMENT, wrong);
  from += state_header(moments, steps).size();
  const cudaError_t error = copy_moments(a, moments, const_cast<char *>(from), false);  // which only reads there
  if (error == cudaSuccess) a->steps = steps;
  return cuda(a, error, "setting the state");
}

#endif
}  // extern "C"
