// The product of the stand-in for cuBLASLt: what it refuses, and what it computes.
#pragma once
#include <vector>
#include "../once.h"

namespace lt {
SHIM_CODE size_t bytes_of(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }
SHIM_CODE float read(const void *data, cudaDataType_t type, size_t at) {
  if (type == CUDA_R_32F) return static_cast<const float *>(data)[at];
  if (type == CUDA_R_16F) return __half2float(static_cast<const __half *>(data)[at]);
  return __bfloat162float(static_cast<const __nv_bfloat16 *>(data)[at]);
}
SHIM_CODE void write(void *data, cudaDataType_t type, size_t at, float value) {
  if (type == CUDA_R_32F) static_cast<float *>(data)[at] = value;
  else if (type == CUDA_R_16F) static_cast<__half *>(data)[at] = __float2half_rn(value);
  else static_cast<__nv_bfloat16 *>(data)[at] = __float2bfloat16_rn(value);
}
SHIM_CODE float rounded(float value, cudaDataType_t type) {
  uint32_t room = 0;
  write(&room, type, 0, value);
  return read(&room, type, 0);
}
// 10 bits of fraction, to nearest, ties to even
SHIM_CODE float tf32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu;
  std::memcpy(&value, &bits, 4);
  return value;
}

// where element (i, j) of op(matrix) stands
SHIM_CODE size_t place(const cublasLtMatrixLayoutOpaque_t &m, int32_t op, size_t i, size_t j) {
  const size_t row = op == CUBLAS_OP_N ? i : j, col = op == CUBLAS_OP_N ? j : i, ld = size_t(m.ld);
  return m.order == CUBLASLT_ORDER_COL ? row + col * ld : row * ld + col;
}

struct Problem {
  uint64_t m, n, k;
  cublasStatus_t status;  // parameters that are in conflict, or that no algorithm takes
};

SHIM_CODE Problem problem_of(const cublasLtMatmulDescOpaque_t *what, const cublasLtMatrixLayoutOpaque_t *a,
                          const cublasLtMatrixLayoutOpaque_t *b, const cublasLtMatrixLayoutOpaque_t *c,
                          const cublasLtMatrixLayoutOpaque_t *d) {
  Problem p = {0, 0, 0, CUBLAS_STATUS_INVALID_VALUE};
  if (!what || !a || !b || !c || !d) return p;
  for (const auto *one : {a, b, c, d}) {
    const uint64_t least = one->order == CUBLASLT_ORDER_COL ? one->rows : one->cols;
    if (one->rows == 0 || one->cols == 0 || one->ld < 0 || uint64_t(one->ld) < least) return p;
  }
  const bool ta = what->transa != CUBLAS_OP_N, tb = what->transb != CUBLAS_OP_N;
  p.m = ta ? a->cols : a->rows;
  p.k = ta ? a->rows : a->cols;
  p.n = tb ? b->rows : b->cols;
  if ((tb ? b->cols : b->rows) != p.k || d->rows != p.m || d->cols != p.n || c->rows != p.m || c->cols != p.n) return p;
  p.status = CUBLAS_STATUS_NOT_SUPPORTED;
  const cudaDataType_t type = a->type;
  const bool sums = what->compute == CUBLAS_COMPUTE_32F || (what->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && type == CUDA_R_32F);
  const bool known = type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
  if (!sums || !known || what->scale != CUDA_R_32F || b->type != type || c->type != d->type) return p;
  if (d->type != type && d->type != CUDA_R_32F) return p;
  const bool biased = what->epilogue == CUBLASLT_EPILOGUE_BIAS;
  if (!biased && what->epilogue != CUBLASLT_EPILOGUE_DEFAULT) return p;
  // the bias is as long as D has rows and lies packed: D in rows is not what its kernels store
  if (biased && d->order != CUBLASLT_ORDER_COL) return p;
  p.status = CUBLAS_STATUS_SUCCESS;
  return p;
}

// an algorithm: for which problem, how it adds parts of the inner dimension, what memory it needs and how matrices must be aligned
struct Algorithm { uint64_t valid, m, n, k, scheme, workspace, alignment[2]; };
static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t), "an algorithm is 64 bytes");
SHIM_CODE bool aligned(const void *data, uint64_t bytes) { return reinterpret_cast<uintptr_t>(data) % bytes == 0; }
}  // namespace lt

// Of what is allowed it takes what shows most: sums of two halves of the inner dimension, kept in float32, or of all its elements, kept
// in the type of the output.
SHIM_CODE cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t what, cublasLtMatrixLayout_t a,
                                                     cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t wishes, int wanted,
                                                     cublasLtMatmulHeuristicResult_t results[], int *found) {
  if (lt::fails()) return cublas_failure;
  if (!handle || handle->alive != lt::ALIVE) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (wanted < 1 || !results || !found || !wishes) return CUBLAS_STATUS_INVALID_VALUE;
  *found = 0;
  const lt::Problem p = lt::problem_of(what, a, b, c, d);
  if (p.status != CUBLAS_STATUS_SUCCESS) return p.status;
  lt::Algorithm algorithm = {lt::ALIVE, p.m, p.n, p.k, CUBLASLT_REDUCTION_SCHEME_NONE, 0, {}};
  for (const uint32_t scheme : {CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE}) {
    if (!(wishes->schemes & scheme) || wishes->workspace < 4 * p.m * p.n) continue;
    algorithm.scheme = scheme;
    algorithm.workspace = 4 * p.m * p.n;
  }
  const uint32_t *least = wishes->alignment;
  algorithm.alignment[0] = uint64_t(least[0]) << 32 | least[1];
  algorithm.alignment[1] = uint64_t(least[2]) << 32 | least[3];
  cublasLtMatmulHeuristicResult_t result = {};
  std::memcpy(&result.algo, &algorithm, sizeof algorithm);
  result.workspaceSize = algorithm.workspace;
  result.state = CUBLAS_STATUS_SUCCESS;
  results[0] = result;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

SHIM_CODE cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t what, const void *alpha, const void *A,
                                     cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b, const void *beta, const void *C,
                                     cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo,
                                     void *workspace, size_t workspace_bytes, cudaStream_t) {
  if (lt::fails()) return cublas_failure;
  if (!handle || handle->alive != lt::ALIVE) return CUBLAS_STATUS_NOT_INITIALIZED;
  const lt::Problem p = lt::problem_of(what, a, b, c, d);
  if (p.status != CUBLAS_STATUS_SUCCESS) return p.status;
  if (!alpha || !beta || !A || !B || !D) return CUBLAS_STATUS_INVALID_VALUE;
  const float by = *static_cast<const float *>(alpha), kept = *static_cast<const float *>(beta);
  const bool biased = what->epilogue == CUBLASLT_EPILOGUE_BIAS;
  if ((kept != 0 && !C) || (biased && !what->bias)) return CUBLAS_STATUS_INVALID_VALUE;
  // in place only where C and D lie alike
  if (C == D && (c->order != d->order || c->ld != d->ld)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!algo) return CUBLAS_STATUS_NOT_SUPPORTED;
  lt::Algorithm algorithm;
  std::memcpy(&algorithm, algo, sizeof algorithm);
  if (algorithm.valid != lt::ALIVE || algorithm.m != p.m || algorithm.n != p.n || algorithm.k != p.k) return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace_bytes < algorithm.workspace || (algorithm.workspace > 0 && (!workspace || !lt::aligned(workspace, 256))))
    return CUBLAS_STATUS_INVALID_VALUE;
  const bool fits = lt::aligned(A, algorithm.alignment[0] >> 32) && lt::aligned(B, uint32_t(algorithm.alignment[0])) &&
                    (!C || lt::aligned(C, algorithm.alignment[1] >> 32)) && lt::aligned(D, uint32_t(algorithm.alignment[1]));
  if (!fits || (biased && !lt::aligned(what->bias, lt::bytes_of(d->type)))) return CUBLAS_STATUS_INVALID_VALUE;

  const bool rounds = what->compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const auto part = [&](size_t i, size_t j, size_t from, size_t to) {
    float sum = 0;
    for (size_t l = from; l < to; l++) {
      float x = lt::read(A, a->type, lt::place(*a, what->transa, i, l)), y = lt::read(B, b->type, lt::place(*b, what->transb, l, j));
      if (rounds) x = lt::tf32(x), y = lt::tf32(y);
      sum += x * y;
    }
    return sum;
  };
  const bool narrow = algorithm.scheme == CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
  const size_t half = algorithm.workspace > 0 ? (narrow ? p.k : p.k / 2) : 0;
  float *const first = static_cast<float *>(workspace);
  for (size_t i = 0; half > 0 && i < p.m; i++)
    for (size_t j = 0; j < p.n; j++) {
      float sum = narrow ? 0 : part(i, j, 0, half);
      for (size_t l = 0; narrow && l < half; l++) sum = lt::rounded(sum + part(i, j, l, l + 1), d->type);
      first[i * p.n + j] = sum;
    }
  for (size_t i = 0; i < p.m; i++)
    for (size_t j = 0; j < p.n; j++) {
      float value = by * (part(i, j, half, p.k) + (half > 0 ? first[i * p.n + j] : 0.0f));
      // where beta is zero C need not hold numbers
      if (kept != 0) value += kept * lt::read(C, c->type, lt::place(*c, CUBLAS_OP_N, i, j));
      if (biased) value += lt::read(what->bias, d->type, i);
      lt::write(D, d->type, lt::place(*d, CUBLAS_OP_N, i, j), value);
    }
  return CUBLAS_STATUS_SUCCESS;
}
