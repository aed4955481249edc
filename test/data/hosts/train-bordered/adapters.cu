// The library over the kernels of this folder; see adapters.h.
#include "adapters.h"

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

extern "C" __global__ void fold_Wb_0(const float* __restrict__ M, const float* __restrict__ L, float* __restrict__ Wb);
extern "C" __global__ void fold_Wb_1(const float* __restrict__ M, const float* __restrict__ L, float* __restrict__ Wb);
extern "C" __global__ void down_0(const float* __restrict__ Wb, float* __restrict__ xb, unsigned M);
extern "C" __global__ void drank_0(const float* __restrict__ Wb, float* __restrict__ dyb, unsigned M);
extern "C" __global__ void sum_0(const float* __restrict__ xb, const float* __restrict__ dyb, float* __restrict__ partials, unsigned M);
extern "C" __global__ void dfirst_0(const float* __restrict__ xb, const float* __restrict__ dyb, float* __restrict__ partials, unsigned M);
extern "C" __global__ void reduce_0(const float* __restrict__ partials, float* __restrict__ Z, float* __restrict__ dR);
extern "C" __global__ void reduce_1(const float* __restrict__ partials, float* __restrict__ Z, float* __restrict__ dR);
extern "C" __global__ void gradient_dM_0(const float* __restrict__ Z, const float* __restrict__ L, float* __restrict__ dM);
extern "C" __global__ void gradient_dL_0(const float* __restrict__ M, const float* __restrict__ Z, float* __restrict__ dL);
extern "C" __global__ void step_R_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2);
extern "C" __global__ void step_M_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2);
extern "C" __global__ void step_L_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2);

struct BufferRow {
  const char *name;
  lotrc_type type;
  size_t elements;  // for each `per` tokens, or in all where that is 0
  uint32_t per;
  size_t border;    // how many of them, at the end of every row, are not the caller's
};

// place of a tensor of the model: rows x cols from element `offset` on, `stride` elements from row to row
struct Place {
  const char *tensor;
  bool factor;  // of an adapter
  int buffer;
  size_t offset, rows, cols, stride;
  bool transposed;  // the buffer holds it transposed: cols x rows
};

static constexpr int BUFFER_COUNT = 19;
static constexpr int TRAINED_COUNT = 3;
static constexpr uint32_t REGION_COUNT = 2;

static const BufferRow BUFFERS[BUFFER_COUNT] = {
    {"R_0", LOTRC_FLOAT32, 51, 0, 0},
    {"b_0", LOTRC_FLOAT32, 11, 0, 0},
    {"partials", LOTRC_FLOAT32, 1344, 0, 0},
    {"Z_0", LOTRC_FLOAT32, 66, 0, 0},
    {"dR_0", LOTRC_FLOAT32, 51, 0, 0},
    {"dx_0", LOTRC_FLOAT32, 17, 1, 0},
    {"Wb_0", LOTRC_FLOAT32, 475, 0, 0},
    {"M_0", LOTRC_FLOAT32, 18, 0, 0},
    {"L_0", LOTRC_FLOAT32, 33, 0, 0},
    {"xb_0", LOTRC_FLOAT32, 25, 1, 8},
    {"yb_0", LOTRC_FLOAT32, 11, 1, 0},
    {"dyb_0", LOTRC_FLOAT32, 19, 1, 8},
    {"dx_1", LOTRC_FLOAT32, 17, 1, 0},
    {"Wb_1", LOTRC_FLOAT32, 475, 0, 0},
    {"xb_1", LOTRC_FLOAT32, 25, 1, 8},
    {"yb_1", LOTRC_FLOAT32, 11, 1, 0},
    {"dyb_1", LOTRC_FLOAT32, 19, 1, 8},
    {"dM_0", LOTRC_FLOAT32, 18, 0, 0},
    {"dL_0", LOTRC_FLOAT32, 33, 0, 0},
};

static const Place PLACES[] = {
    {"q.weight", false, 6, 0, 17, 11, 19, false},
    {"o.weight", false, 13, 0, 11, 17, 19, true},
    {"q.bias", false, 1, 0, 1, 11, 11, false},
    {"lotr/17x11/R", true, 0, 0, 17, 3, 3, false},
    {"lotr/q/M", true, 7, 0, 3, 3, 3, false},
    {"lotr/o/M", true, 7, 9, 3, 3, 3, false},
    {"lotr/17x11/L", true, 8, 0, 3, 11, 11, false},
};

// the gradient of its input that a region writes (-1: none), and whether it adds to it
static const int DX[] = {5, 12};
static const bool ADDS_TO_DX[] = {false, false};

// A product that cuBLASLt does: out (tokens x cols) = rows (tokens x inner) weight (inner x cols) and, where there is one, + bias.
struct ProductRow {
  const char *name;
  int rows, weight, out, bias;                         // buffers; -1: no bias
  uint64_t inner, cols;
  int64_t rows_stride, weight_stride, out_stride;      // elements from one row to the next
  bool transposed;                                     // the weight is stored (cols x inner)
  bool adds;                                           // adds to the contents of out
};

static constexpr int PRODUCT_COUNT = 4;
static constexpr cudaDataType_t PRODUCT_TYPE = CUDA_R_32F;
// sums in float32
static constexpr cublasComputeType_t PRODUCT_SUMS = CUBLAS_COMPUTE_32F;

static const ProductRow PRODUCTS[PRODUCT_COUNT] = {
    {"layer_0", 9, 6, 10, 1, 25, 11, 25, 19, 11, false, false},  // y = [x|P] [W; L'] + b
    {"dx_0", 11, 6, 5, -1, 19, 17, 19, 19, 17, true, false},  // dx = [dy|dP] [W|R]^T
    {"layer_1", 14, 13, 15, -1, 25, 11, 25, 19, 11, false, false},  // y = [x|P] [W; L']
    {"dx_1", 16, 13, 12, -1, 19, 17, 19, 19, 17, true, false},  // dx = [dy|dP] [W|R]^T
};

struct Product {
  cublasLtMatmulDesc_t what = nullptr;
  cublasLtMatrixLayout_t weight = nullptr, rows = nullptr, out = nullptr;
  cublasLtMatmulAlgo_t algorithm = {};
};

struct Library {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulPreference_t wishes = nullptr;
  Product product[PRODUCT_COUNT];
  void *workspace = nullptr;
  size_t workspace_bytes = 0;                          // most that any product needs
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;       // of a call that failed, until it is reported
  std::string call;
};

struct lotrc_adapters {
  uint32_t tokens = 0;
  cudaStream_t stream = nullptr;
  void *buffer[BUFFER_COUNT] = {};
  float *moment[2 * TRAINED_COUNT + 1] = {};
  uint64_t steps = 0;
  bool merged = false;              // the weights hold the adapter
  bool stale = true;                // what depends on the factors alone has to be computed again
  bool begun[BUFFER_COUNT] = {};    // gradients of inputs that the first of their regions has written in this pass
  Library library;
  std::string message;
};

static std::string create_message;

static lotrc_status fail(lotrc_adapters *a, lotrc_status status, std::string why) {
  (a ? a->message : create_message) = std::move(why);
  return status;
}

static lotrc_status cuda(lotrc_adapters *a, cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return LOTRC_OK;
  if (a && a->library.status != CUBLAS_STATUS_SUCCESS) {
    const cublasStatus_t refused = std::exchange(a->library.status, CUBLAS_STATUS_SUCCESS);
    return fail(a, refused == CUBLAS_STATUS_ALLOC_FAILED ? LOTRC_NO_MEMORY : LOTRC_CUBLAS,
                std::string(doing) + ": " + a->library.call + ": " + cublasLtGetStatusName(refused));
  }
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


// keeps the status of cuBLASLt for the message of the call
static cudaError_t refused(lotrc_adapters *a, const char *of, const char *function, cublasStatus_t status) {
  a->library.status = status;
  a->library.call = std::string(function) + " of " + of;
  return cudaErrorUnknown;
}

#define LOTRC_LT(of, function, ...) do { \
    const cublasStatus_t status = function(__VA_ARGS__); \
    if (status != CUBLAS_STATUS_SUCCESS) return refused(a, of, #function, status); \
  } while (false)

// Matrices are row-major here and column-major there: the same memory holds their transposes, and out^T = weight^T rows^T. A bias
// has a number for each row of out^T, which is what cuBLASLt adds.
static cudaError_t prepare(lotrc_adapters *a, const ProductRow &row, Product &p) {
  Library &library = a->library;
  const cublasOperation_t turn = row.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  LOTRC_LT(row.name, cublasLtMatmulDescCreate, &p.what, PRODUCT_SUMS, CUDA_R_32F);
  LOTRC_LT(row.name, cublasLtMatmulDescSetAttribute, p.what, CUBLASLT_MATMUL_DESC_TRANSA, &turn, sizeof turn);
  if (row.bias >= 0) {
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    const void *bias = a->buffer[row.bias];
    LOTRC_LT(row.name, cublasLtMatmulDescSetAttribute, p.what, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    LOTRC_LT(row.name, cublasLtMatmulDescSetAttribute, p.what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  }
  const uint64_t height = row.transposed ? row.inner : row.cols, width = row.transposed ? row.cols : row.inner;
  LOTRC_LT(row.name, cublasLtMatrixLayoutCreate, &p.weight, PRODUCT_TYPE, height, width, row.weight_stride);
  LOTRC_LT(row.name, cublasLtMatrixLayoutCreate, &p.rows, PRODUCT_TYPE, row.inner, a->tokens, row.rows_stride);
  LOTRC_LT(row.name, cublasLtMatrixLayoutCreate, &p.out, PRODUCT_TYPE, row.cols, a->tokens, row.out_stride);
  cublasLtMatmulHeuristicResult_t best = {};
  int found = 0;
  LOTRC_LT(row.name, cublasLtMatmulAlgoGetHeuristic, library.handle, p.what, p.weight, p.rows, p.out, p.out, library.wishes, 1,
           &best, &found);
  if (found < 1) best.state = CUBLAS_STATUS_NOT_SUPPORTED;
  if (best.state != CUBLAS_STATUS_SUCCESS) return refused(a, row.name, "cublasLtMatmulAlgoGetHeuristic", best.state);
  p.algorithm = best.algo;
  if (best.workspaceSize > library.workspace_bytes) library.workspace_bytes = best.workspaceSize;
  return cudaSuccess;
}

// Chooses an algorithm for every product once, for the tokens of this library. Parts of a sum stay in float32 and are added in a step of
// their own.
static cudaError_t open_library(lotrc_adapters *a) {
  Library &library = a->library;
  const uint64_t most = uint64_t(32) << 20;
  const uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  LOTRC_LT("the library", cublasLtCreate, &library.handle);
  LOTRC_LT("the library", cublasLtMatmulPreferenceCreate, &library.wishes);
  LOTRC_LT("the library", cublasLtMatmulPreferenceSetAttribute, library.wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
           sizeof most);
  LOTRC_LT("the library", cublasLtMatmulPreferenceSetAttribute, library.wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums,
           sizeof sums);
  for (int i = 0; i < PRODUCT_COUNT; i++) LOTRC_TRY(prepare(a, PRODUCTS[i], library.product[i]));
  if (library.workspace_bytes > 0) LOTRC_TRY(cudaMalloc(&library.workspace, library.workspace_bytes));
  return cudaSuccess;
}

static void close_library(lotrc_adapters *a) {
  Library &library = a->library;
  for (const Product &p : library.product) {
    if (p.what) cublasLtMatmulDescDestroy(p.what);
    for (const cublasLtMatrixLayout_t layout : {p.weight, p.rows, p.out})
      if (layout) cublasLtMatrixLayoutDestroy(layout);
  }
  if (library.wishes) cublasLtMatmulPreferenceDestroy(library.wishes);
  if (library.handle) cublasLtDestroy(library.handle);
  cudaFree(library.workspace);
}

static cudaError_t product(lotrc_adapters *a, int index) {
  const ProductRow &row = PRODUCTS[index];
  const Product &p = a->library.product[index];
  const float one = 1, kept = row.adds ? 1 : 0;
  void *out = a->buffer[row.out];
  LOTRC_LT(row.name, cublasLtMatmul, a->library.handle, p.what, &one, a->buffer[row.weight], p.weight, a->buffer[row.rows], p.rows,
           &kept, out, p.out, out, p.out, &p.algorithm, a->library.workspace, a->library.workspace_bytes, a->stream);
  return cudaSuccess;
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

static cudaError_t allocate(lotrc_adapters *a) {
  for (int i = 0; i < BUFFER_COUNT; i++) {
    LOTRC_TRY(cudaMalloc(&a->buffer[i], bytes_of(a, i)));
    LOTRC_TRY(cudaMemsetAsync(a->buffer[i], 0, bytes_of(a, i), a->stream));
  }
  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[0]), 51 * sizeof(float)));
  LOTRC_TRY(cudaMemsetAsync(a->moment[0], 0, 51 * sizeof(float), a->stream));
  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[1]), 51 * sizeof(float)));
  LOTRC_TRY(cudaMemsetAsync(a->moment[1], 0, 51 * sizeof(float), a->stream));
  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[2]), 18 * sizeof(float)));
  LOTRC_TRY(cudaMemsetAsync(a->moment[2], 0, 18 * sizeof(float), a->stream));
  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[3]), 18 * sizeof(float)));
  LOTRC_TRY(cudaMemsetAsync(a->moment[3], 0, 18 * sizeof(float), a->stream));
  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[4]), 33 * sizeof(float)));
  LOTRC_TRY(cudaMemsetAsync(a->moment[4], 0, 33 * sizeof(float), a->stream));
  LOTRC_TRY(cudaMalloc(reinterpret_cast<void **>(&a->moment[5]), 33 * sizeof(float)));
  LOTRC_TRY(cudaMemsetAsync(a->moment[5], 0, 33 * sizeof(float), a->stream));
  return open_library(a);
}

// what depends on the factors alone
static cudaError_t prologue([[maybe_unused]] lotrc_adapters *a) {
  LOTRC_TRY(copy_part(a, 6, 11, 19, 0, 0, 3, 17, 3));
  LOTRC_TRY(copy_part(a, 13, 11, 19, 0, 0, 3, 17, 3));
  LOTRC_TRY(launch(a, fold_Wb_0, dim3(1, 1, 1), 256, a->buffer[7], a->buffer[8], a->buffer[6]));
  LOTRC_TRY(launch(a, fold_Wb_1, dim3(1, 1, 1), 256, a->buffer[7], a->buffer[8], a->buffer[13]));
  return cudaSuccess;
}

static cudaError_t forward(lotrc_adapters *a, uint32_t region) {
  switch (region) {
    case 0:
      LOTRC_TRY(launch(a, down_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[6], a->buffer[9], a->tokens));
      LOTRC_TRY(product(a, 0));
      return cudaSuccess;
    case 1:
      LOTRC_TRY(launch(a, down_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[13], a->buffer[14], a->tokens));
      LOTRC_TRY(product(a, 2));
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

static cudaError_t backward(lotrc_adapters *a, uint32_t region) {
  switch (region) {
    case 0:
      LOTRC_TRY(launch(a, drank_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[6], a->buffer[11], a->tokens));
      LOTRC_TRY(launch(a, sum_0, dim3(1, 1, 16), 256, a->buffer[9], a->buffer[11], a->buffer[2], a->tokens));
      LOTRC_TRY(launch(a, dfirst_0, dim3(1, 2, 16), 256, a->buffer[9], a->buffer[11], a->buffer[2], a->tokens));
      LOTRC_TRY(launch(a, reduce_0, dim3(2, 1, 1), 64, a->buffer[2], a->buffer[3], a->buffer[4]));
      LOTRC_TRY(product(a, 1));
      return cudaSuccess;
    case 1:
      LOTRC_TRY(launch(a, drank_0, dim3(1, tiles(a, 64), 1), 128, a->buffer[13], a->buffer[16], a->tokens));
      LOTRC_TRY(launch(a, sum_0, dim3(1, 1, 16), 256, a->buffer[14], a->buffer[16], a->buffer[2], a->tokens));
      LOTRC_TRY(launch(a, dfirst_0, dim3(1, 2, 16), 256, a->buffer[14], a->buffer[16], a->buffer[2], a->tokens));
      LOTRC_TRY(launch(a, reduce_1, dim3(2, 1, 1), 64, a->buffer[2], a->buffer[3], a->buffer[4]));
      LOTRC_TRY(product(a, 3));
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

// finishes the gradients of the factors
static cudaError_t epilogue([[maybe_unused]] lotrc_adapters *a) {
  LOTRC_TRY(launch(a, gradient_dM_0, dim3(1, 1, 1), 256, a->buffer[3], a->buffer[8], a->buffer[17]));
  LOTRC_TRY(launch(a, gradient_dL_0, dim3(1, 1, 1), 256, a->buffer[7], a->buffer[3], a->buffer[18]));
  return cudaSuccess;
}

// sums over regions: zero before the first of a step
static cudaError_t clear([[maybe_unused]] lotrc_adapters *a) {
  LOTRC_TRY(cudaMemsetAsync(a->buffer[3], 0, bytes_of(a, 3), a->stream));
  LOTRC_TRY(cudaMemsetAsync(a->buffer[4], 0, bytes_of(a, 4), a->stream));
  LOTRC_TRY(cudaMemsetAsync(a->buffer[17], 0, bytes_of(a, 17), a->stream));
  LOTRC_TRY(cudaMemsetAsync(a->buffer[18], 0, bytes_of(a, 18), a->stream));
  return cudaSuccess;
}

// one step of every factor
static cudaError_t update(lotrc_adapters *a, const lotrc_adamw &n, float correction1, float correction2) {
  LOTRC_TRY(launch(a, step_R_0, dim3(1, 1, 1), 64, a->buffer[4], a->buffer[0], a->moment[0], a->moment[1], n.learning_rate, n.beta1, n.beta2, n.epsilon, n.weight_decay, correction1, correction2));
  LOTRC_TRY(launch(a, step_M_0, dim3(1, 1, 1), 64, a->buffer[17], a->buffer[7], a->moment[2], a->moment[3], n.learning_rate, n.beta1, n.beta2, n.epsilon, n.weight_decay, correction1, correction2));
  LOTRC_TRY(launch(a, step_L_0, dim3(1, 1, 1), 64, a->buffer[18], a->buffer[8], a->moment[4], a->moment[5], n.learning_rate, n.beta1, n.beta2, n.epsilon, n.weight_decay, correction1, correction2));
  return cudaSuccess;
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
  if (error != cudaSuccess) {
    const lotrc_status status = cuda(a, error, "allocating buffers");
    create_message = a->message;
    lotrc_destroy(a);
    return status;
  }
  *adapters = a;
  return LOTRC_OK;
}

void lotrc_destroy(lotrc_adapters *a) {
  if (!a) return;
  cudaStreamSynchronize(a->stream);
  close_library(a);
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
    if (place.transposed) {
      const cudaError_t error = upload_transposed(a, place, data);
      if (error != cudaSuccess) return cuda(a, error, "uploading a tensor");
      continue;
    }
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

lotrc_status lotrc_row(lotrc_adapters *a, const char *name, size_t *width, size_t *stride) {
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (BUFFERS[buffer].per != 1) return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has no row for each token");
  if (width) *width = BUFFERS[buffer].elements - BUFFERS[buffer].border;
  if (stride) *stride = BUFFERS[buffer].elements;
  return LOTRC_OK;
}

static lotrc_status checked(lotrc_adapters *a, const char *name, const void *data, size_t count, int *buffer) {
  if (!a || !name || !data) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  *buffer = buffer_of(name);
  if (*buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  const size_t wanted = numbers_of(a, *buffer);
  if (count == wanted) return LOTRC_OK;
  return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has " + std::to_string(wanted) + " numbers, not " + std::to_string(count));
}

lotrc_status lotrc_write(lotrc_adapters *a, const char *name, const float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  std::vector<uint16_t> room;
  const void *from = as_stored(buffer, data, count, room);
  const cudaError_t error = write_numbers(a, buffer, from);
  return cuda(a, error == cudaSuccess ? cudaStreamSynchronize(a->stream) : error, "writing a buffer");
}

lotrc_status lotrc_read(lotrc_adapters *a, const char *name, float *data, size_t count) {
  int buffer;
  const lotrc_status status = checked(a, name, data, count, &buffer);
  if (status != LOTRC_OK) return status;
  const lotrc_type type = BUFFERS[buffer].type;
  std::vector<uint16_t> room(type == LOTRC_FLOAT32 ? 0 : count);
  void *to = type == LOTRC_FLOAT32 ? static_cast<void *>(data) : room.data();
  cudaError_t error = read_numbers(a, buffer, to);
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


lotrc_status lotrc_backward(lotrc_adapters *a, uint32_t region) {
  const lotrc_status status = region_of(a, region);
  if (status != LOTRC_OK) return status;
  const int dx = DX[region];
  if (dx >= 0 && ADDS_TO_DX[region] && !a->begun[dx])
    return fail(a, LOTRC_BAD_ORDER, "a region before " + std::to_string(region) + " reads the same x: its backward pass goes first");
  if (dx >= 0 && !ADDS_TO_DX[region]) a->begun[dx] = true;
  const cudaError_t error = refresh(a);
  return cuda(a, error == cudaSuccess ? backward(a, region) : error, "backward");
}

lotrc_status lotrc_begin_inputs(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (const int dx : DX) {
    if (dx < 0) continue;
    const cudaError_t error = cudaMemsetAsync(a->buffer[dx], 0, bytes_of(a, dx), a->stream);
    if (error != cudaSuccess) return cuda(a, error, "clearing dx");
    a->begun[dx] = true;
  }
  return LOTRC_OK;
}

lotrc_status lotrc_gradients(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  return cuda(a, epilogue(a), "gradients");
}

lotrc_status lotrc_clear_gradients(lotrc_adapters *a) {
  if (!a) return fail(a, LOTRC_BAD_ARGUMENT, "adapters is null");
  for (bool &begun : a->begun) begun = false;
  return cuda(a, clear(a), "clearing gradients");
}

lotrc_status lotrc_step(lotrc_adapters *a, const lotrc_adamw *n) {
  if (!a || !n) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const bool valid = n->learning_rate >= 0 && n->epsilon > 0 && n->weight_decay >= 0 && n->beta1 >= 0 && n->beta1 < 1 &&
                     n->beta2 >= 0 && n->beta2 < 1;
  if (!valid || !std::isfinite(n->learning_rate + n->epsilon + n->weight_decay))
    return fail(a, LOTRC_BAD_ARGUMENT, "not the numbers of an AdamW step");
  cudaError_t error = epilogue(a);
  if (error == cudaSuccess) {
    const double t = static_cast<double>(++a->steps);
    error = update(a, *n, static_cast<float>(1 - std::pow(n->beta1, t)), static_cast<float>(1 - std::pow(n->beta2, t)));
    a->stale = true;
  }
  const lotrc_status status = cuda(a, error, "step");
  return status == LOTRC_OK ? lotrc_clear_gradients(a) : status;
}

}  // extern "C"
