// A stand-in for cuBLASLt on a CPU: D = alpha op(A) op(B) + beta C (+ bias) with the semantics and the refusals of its documentation,
// for float32, float16 and bfloat16, one matrix at a time. Column-major unless a layout says otherwise. What is documented and not
// here is refused (CUBLAS_STATUS_NOT_SUPPORTED). "matmul.h" has the checks and the product.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <library_types.h>
#include "../once.h"

typedef enum {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_ARCH_MISMATCH = 8,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_INTERNAL_ERROR = 14,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
} cublasStatus_t;
typedef enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 } cublasOperation_t;
typedef enum {
  CUBLAS_COMPUTE_16F = 64,
  CUBLAS_COMPUTE_32F = 68,
  CUBLAS_COMPUTE_32F_FAST_16F = 74,
  CUBLAS_COMPUTE_32F_FAST_16BF = 75,
  CUBLAS_COMPUTE_32F_FAST_TF32 = 77
} cublasComputeType_t;
typedef enum { CUBLASLT_ORDER_COL = 0, CUBLASLT_ORDER_ROW = 1 } cublasLtOrder_t;
typedef enum { CUBLASLT_EPILOGUE_DEFAULT = 1, CUBLASLT_EPILOGUE_RELU = 2, CUBLASLT_EPILOGUE_BIAS = 4 } cublasLtEpilogue_t;
typedef enum {
  CUBLASLT_REDUCTION_SCHEME_NONE = 0,
  CUBLASLT_REDUCTION_SCHEME_INPLACE = 1,
  CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2,
  CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE = 4,
  CUBLASLT_REDUCTION_SCHEME_MASK = 7
} cublasLtReductionScheme_t;
typedef enum {
  CUBLASLT_MATRIX_LAYOUT_TYPE = 0,   // uint32_t
  CUBLASLT_MATRIX_LAYOUT_ORDER = 1,  // int32_t
  CUBLASLT_MATRIX_LAYOUT_ROWS = 2,   // uint64_t
  CUBLASLT_MATRIX_LAYOUT_COLS = 3,   // uint64_t
  CUBLASLT_MATRIX_LAYOUT_LD = 4      // int64_t
} cublasLtMatrixLayoutAttribute_t;
typedef enum {
  CUBLASLT_MATMUL_DESC_TRANSA = 3,       // int32_t
  CUBLASLT_MATMUL_DESC_TRANSB = 4,       // int32_t
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,     // uint32_t
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8  // const void *
} cublasLtMatmulDescAttributes_t;
typedef enum {
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,    // uint64_t, default 0
  CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,  // uint32_t, default all
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,  // uint32_t, default 256
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
} cublasLtMatmulPreferenceAttributes_t;

struct cublasLtContext { uint64_t alive; };
struct cublasLtMatrixLayoutOpaque_t { cudaDataType_t type; int32_t order; uint64_t rows, cols; int64_t ld; };
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  int32_t transa, transb;
  uint32_t epilogue;
  const void *bias;
};
struct cublasLtMatmulPreferenceOpaque_t { uint64_t workspace; uint32_t schemes, alignment[4]; };
typedef cublasLtContext *cublasLtHandle_t;
typedef cublasLtMatrixLayoutOpaque_t *cublasLtMatrixLayout_t;
typedef cublasLtMatmulDescOpaque_t *cublasLtMatmulDesc_t;
typedef cublasLtMatmulPreferenceOpaque_t *cublasLtMatmulPreference_t;
typedef struct { uint64_t data[8]; } cublasLtMatmulAlgo_t;
typedef struct {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
} cublasLtMatmulHeuristicResult_t;

// handles, layouts and descriptions that are not destroyed; calls left before one fails (below zero: none does), and how it does
inline long cublas_held = 0;
inline long cublas_calls_left = -1;
inline cublasStatus_t cublas_failure = CUBLAS_STATUS_INTERNAL_ERROR;

namespace lt {
constexpr uint64_t ALIVE = 0x6c74616c697665ull;
SHIM_CODE bool fails() {
  if (cublas_calls_left == 0) return true;
  if (cublas_calls_left > 0) cublas_calls_left--;
  return false;
}
template <class T, class... Values> inline cublasStatus_t make(T **object, Values... values) {
  if (fails()) return cublas_failure;
  if (!object) return CUBLAS_STATUS_INVALID_VALUE;
  *object = new T{values...};
  cublas_held++;
  return CUBLAS_STATUS_SUCCESS;
}
template <class T> inline cublasStatus_t destroy(T *object) {
  if (object) cublas_held--;
  delete object;
  return CUBLAS_STATUS_SUCCESS;
}
// buf is NULL, or of another size than the attribute: CUBLAS_STATUS_INVALID_VALUE
template <class T> inline cublasStatus_t put(T &to, const void *from, size_t bytes) {
  if (!from || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(static_cast<void *>(&to), from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
}  // namespace lt

SHIM_CODE const char *cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
}
SHIM_CODE cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) { return lt::make(handle, lt::ALIVE); }
SHIM_CODE cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->alive = 0;
  return lt::destroy(handle);
}
SHIM_CODE cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols,
                                                 int64_t ld) {
  return lt::make(layout, type, int32_t(CUBLASLT_ORDER_COL), rows, cols, ld);
}
SHIM_CODE cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return lt::destroy(layout); }
SHIM_CODE cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute,
                                                       const void *from, size_t bytes) {
  if (lt::fails()) return cublas_failure;
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return lt::put(layout->order, from, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS: return lt::put(layout->rows, from, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS: return lt::put(layout->cols, from, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD: return lt::put(layout->ld, from, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}
SHIM_CODE cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *what, cublasComputeType_t compute, cudaDataType_t scale) {
  return lt::make(what, compute, scale, int32_t(CUBLAS_OP_N), int32_t(CUBLAS_OP_N), uint32_t(CUBLASLT_EPILOGUE_DEFAULT),
                  static_cast<const void *>(nullptr));
}
SHIM_CODE cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t what) { return lt::destroy(what); }
SHIM_CODE cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t what, cublasLtMatmulDescAttributes_t attribute,
                                                     const void *from, size_t bytes) {
  if (lt::fails()) return cublas_failure;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return lt::put(what->transa, from, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return lt::put(what->transb, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return lt::put(what->epilogue, from, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return lt::put(what->bias, from, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
SHIM_CODE cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *wishes) {
  return lt::make(wishes, uint64_t(0), uint32_t(CUBLASLT_REDUCTION_SCHEME_MASK), 256u, 256u, 256u, 256u);
}
SHIM_CODE cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t wishes) { return lt::destroy(wishes); }
SHIM_CODE cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t wishes,
                                                           cublasLtMatmulPreferenceAttributes_t attribute, const void *from,
                                                           size_t bytes) {
  if (lt::fails()) return cublas_failure;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return lt::put(wishes->workspace, from, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return lt::put(wishes->schemes, from, bytes);
    default: return lt::put(wishes->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], from, bytes);
  }
}
#include "matmul.h"
