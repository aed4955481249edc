/** The parts of an emitted CUDA library with cuBLASLt that are the same for every plan. */

/** A member of the state. */
export const BLAS_MEMBER = `  Library library;
`;

/**
 * For the function that makes a status of a CUDA error: reports an error of cuBLASLt, which arrives as a CUDA error,
 * under its own name.
 */
export const BLAS_FAILED = `  if (a && a->library.status != CUBLAS_STATUS_SUCCESS) {
    const cublasStatus_t refused = std::exchange(a->library.status, CUBLAS_STATUS_SUCCESS);
    return fail(a, refused == CUBLAS_STATUS_ALLOC_FAILED ? LOTRC_NO_MEMORY : LOTRC_CUBLAS,
                std::string(doing) + ": " + a->library.call + ": " + cublasLtGetStatusName(refused));
  }
`;

/** Functions over the state: after it, before the buffers are made. */
export const BLAS_FUNCTIONS = `
// keeps the status of cuBLASLt for the message of the call
static cudaError_t refused(lotrc_adapters *a, const char *of, const char *function, cublasStatus_t status) {
  a->library.status = status;
  a->library.call = std::string(function) + " of " + of;
  return cudaErrorUnknown;
}

#define LOTRC_LT(of, function, ...) do { \\
    const cublasStatus_t status = function(__VA_ARGS__); \\
    if (status != CUBLAS_STATUS_SUCCESS) return refused(a, of, #function, status); \\
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
`;

/** A function of the C interface, after that which gives a buffer. */
export const BLAS_ROW = `
lotrc_status lotrc_row(lotrc_adapters *a, const char *name, size_t *width, size_t *stride) {
  if (!a || !name) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");
  const int buffer = buffer_of(name);
  if (buffer < 0) return fail(a, LOTRC_BAD_ARGUMENT, std::string("there is no buffer ") + name);
  if (BUFFERS[buffer].per != 1) return fail(a, LOTRC_BAD_ARGUMENT, std::string(name) + " has no row for each token");
  if (width) *width = BUFFERS[buffer].elements - BUFFERS[buffer].border;
  if (stride) *stride = BUFFERS[buffer].elements;
  return LOTRC_OK;
}
`;
