#ifdef LOTRC_SM90A
// what the copy engine loads: rows x cols (0: tokens) from element `offset` on, `pitch` elements from row to row,
// in boxes of `box` rows of 64
struct MapRow {
  int buffer;
  size_t offset, rows, cols, pitch;
  cuuint32_t box;
};
static const MapRow MAPS[MAP_COUNT] = {
#insert maps
};

// the kernels for warpgroups, and the bytes of their rings
static cudaError_t allow_rings() {
#insert kernels
  return cudaSuccess;
}

// Blocks of such a kernel: one for each multiprocessor, which computes one tile after another.
static unsigned blocks(const lotrc_adapters *a, unsigned tiles) { return std::min(tiles, static_cast<unsigned>(a->multiprocessors)); }

typedef CUresult (*Encode)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *, const cuuint64_t *,
                           const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                           CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

// Makes maps of the matrices as they are now: in the memory and with the rows of this call. One that is of these already stays.
static cudaError_t current_maps(lotrc_adapters *a, std::initializer_list<int> numbers) {
  for (const int number : numbers) {
    const MapRow &row = MAPS[number];
    char *first = static_cast<char *>(a->buffer[row.buffer]) + 2 * row.offset;
    const uint32_t rows = row.rows == 0 || row.cols == 0 ? a->rows : 0;
    if (a->mapped[number] == first && a->mapped_rows[number] == rows) continue;
    const bool half = BUFFERS[row.buffer].type == LOTRC_FLOAT16;
    const cuuint64_t size[] = {row.cols == 0 ? a->rows : row.cols, row.rows == 0 ? a->rows : row.rows};
    const cuuint64_t pitch[] = {2 * row.pitch};
    const cuuint32_t box[] = {64, row.box}, steps[] = {1, 1};
    a->mapped[number] = nullptr;
    const CUresult made = reinterpret_cast<Encode>(a->encode)(
        &a->map[number], half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, first, size, pitch, box, steps,
        CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
    a->mapped[number] = first;
    a->mapped_rows[number] = rows;
  }
  return cudaSuccess;
}

// Chooses kernels for warpgroups on devices that have them; others, and drivers that cannot make maps, run the other kernels.
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
  LOTRC_TRY(cudaDeviceGetAttribute(&a->multiprocessors, cudaDevAttrMultiProcessorCount, device));
  LOTRC_TRY(allow_rings());
  a->encode = found;
  a->warpgroups = true;
#if EMIT_EARLY
#ifdef LOTRC_OVERLAP
  int driver = 0;
  LOTRC_TRY(cudaDriverGetVersion(&driver));
  a->overlaps = driver >= 12030;
#endif
#endif
  return cudaSuccess;
}
#endif
