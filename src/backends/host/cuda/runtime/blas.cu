// a call of cuBLASLt that failed in this thread, until it is reported
struct Refusal {
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  std::string call;
};
static thread_local Refusal refusal;

// keeps the status of cuBLASLt for the message of the call
static cudaError_t refused(const char *of, const char *function, cublasStatus_t status) {
  refusal.status = status;
  refusal.call = std::string(function) + " of " + of;
  return cudaErrorUnknown;
}

#define LOTRC_LT(of, function, ...) do { \
    const cublasStatus_t status = function(__VA_ARGS__); \
    if (status != CUBLAS_STATUS_SUCCESS) return refused(of, #function, status); \
  } while (false)

// out (rows x cols) = in (rows x inner) weight (inner x cols)
struct Shape {
  uint64_t rows, inner, cols;
  int64_t in_stride, weight_stride, out_stride;  // elements from one row to the next
  bool transposed;                               // the weight is stored (cols x inner)
};

struct Product {
  cublasLtMatmulDesc_t what = nullptr;
  cublasLtMatrixLayout_t weight = nullptr, in = nullptr, out = nullptr;
  cublasLtMatmulAlgo_t algorithm = {};
  size_t workspace_bytes = 0;                    // that the algorithm needs
};

struct Library {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulPreference_t wishes = nullptr;
};

// For the current device. Parts of a sum stay in float32 and are added in a step of their own.
static cudaError_t open_library(Library *library) {
  const uint64_t most = uint64_t(32) << 20;
  const uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  LOTRC_LT("the library", cublasLtCreate, &library->handle);
  LOTRC_LT("the library", cublasLtMatmulPreferenceCreate, &library->wishes);
  LOTRC_LT("the library", cublasLtMatmulPreferenceSetAttribute, library->wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
           sizeof most);
  LOTRC_LT("the library", cublasLtMatmulPreferenceSetAttribute, library->wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums,
           sizeof sums);
  const uint32_t alignment = 16;  // of all matrices
  for (const cublasLtMatmulPreferenceAttributes_t of :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    LOTRC_LT("the library", cublasLtMatmulPreferenceSetAttribute, library->wishes, of, &alignment, sizeof alignment);
  return cudaSuccess;
}

static void close_library(const Library &library) {
  if (library.wishes) cublasLtMatmulPreferenceDestroy(library.wishes);
  if (library.handle) cublasLtDestroy(library.handle);
}

// Describes a product to cuBLASLt; `bias`: cols numbers that are added to every row, or null. Matrices are row-major here and column-major there:
// the same memory holds their transposes, and out^T = weight^T in^T. A bias has a number for each row of out^T, which is what cuBLASLt adds.
static cudaError_t describe(const char *name, const Shape &shape, const void *bias, Product *p) {
  const cublasOperation_t turn = shape.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  LOTRC_LT(name, cublasLtMatmulDescCreate, &p->what, PRODUCT_SUMS, CUDA_R_32F);
  LOTRC_LT(name, cublasLtMatmulDescSetAttribute, p->what, CUBLASLT_MATMUL_DESC_TRANSA, &turn, sizeof turn);
  if (bias) {
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    LOTRC_LT(name, cublasLtMatmulDescSetAttribute, p->what, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    LOTRC_LT(name, cublasLtMatmulDescSetAttribute, p->what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  }
  const uint64_t height = shape.transposed ? shape.inner : shape.cols, width = shape.transposed ? shape.cols : shape.inner;
  LOTRC_LT(name, cublasLtMatrixLayoutCreate, &p->weight, PRODUCT_TYPE, height, width, shape.weight_stride);
  LOTRC_LT(name, cublasLtMatrixLayoutCreate, &p->in, PRODUCT_TYPE, shape.inner, shape.rows, shape.in_stride);
  LOTRC_LT(name, cublasLtMatrixLayoutCreate, &p->out, PRODUCT_TYPE, shape.cols, shape.rows, shape.out_stride);
  return cudaSuccess;
}

// Chooses an algorithm for a product that was described.
static cudaError_t choose(const Library &library, const char *name, Product *p) {
  cublasLtMatmulHeuristicResult_t best = {};
  int found = 0;
  LOTRC_LT(name, cublasLtMatmulAlgoGetHeuristic, library.handle, p->what, p->weight, p->in, p->out, p->out, library.wishes, 1, &best,
           &found);
  if (found < 1) best.state = CUBLAS_STATUS_NOT_SUPPORTED;
  if (best.state != CUBLAS_STATUS_SUCCESS) return refused(name, "cublasLtMatmulAlgoGetHeuristic", best.state);
  p->algorithm = best.algo;
  p->workspace_bytes = best.workspaceSize;
  return cudaSuccess;
}

static void forget(const Product &p) {
  if (p.what) cublasLtMatmulDescDestroy(p.what);
  for (const cublasLtMatrixLayout_t layout : {p.weight, p.in, p.out})
    if (layout) cublasLtMatrixLayoutDestroy(layout);
}

// `adds`: to the contents of out
static cudaError_t multiply(const Library &library, const char *name, const Product &p, const void *in, const void *weight, void *out,
                            bool adds, void *workspace, size_t workspace_bytes, cudaStream_t stream) {
  const float one = 1, kept = adds ? 1 : 0;
  LOTRC_LT(name, cublasLtMatmul, library.handle, p.what, &one, weight, p.weight, in, p.in, &kept, out, p.out, out, p.out, &p.algorithm,
           workspace, workspace_bytes, stream);
  return cudaSuccess;
}
