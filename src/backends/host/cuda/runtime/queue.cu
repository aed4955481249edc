#define LOTRC_TRY(call) do { const cudaError_t error = (call); if (error != cudaSuccess) return error; } while (false)
#if EMIT_EARLY

// launches that begin before the one before them has ended; CUDA graphs keep them from 12.3 on
#if defined(LOTRC_SM90A) && CUDART_VERSION >= 12030 && !defined(LOTRC_NO_OVERLAP)
#define LOTRC_OVERLAP
#endif
#endif

// a stream, and what its device can do
struct Queue {
  cudaStream_t stream = nullptr;
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A
  bool warpgroups = false;          // the device has them
  int multiprocessors = 0;
#if EMIT_PAIRS
  int pairs = 0;                    // clusters of two blocks that run at once
#endif
  void *encode = nullptr;           // what makes tensor maps
#if EMIT_EARLY
  bool overlaps = false;            // launches may begin before the one before them has ended
#endif
#endif
#endif
};

#if EMIT_HIP
template <class... Parameters, class... Arguments>
static cudaError_t launch(const Queue *queue, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                          Arguments... arguments) {
  const auto with = [&](Parameters... given) {
    void *pointers[] = {&given...};
    return cudaLaunchKernel(reinterpret_cast<const void *>(kernel), grid, dim3(threads, 1, 1), pointers, 0, queue->stream);
  };
  return with(static_cast<Parameters>(arguments)...);
}
#else
static cudaLaunchConfig_t config_of(size_t bytes, const Queue *queue, dim3 grid, unsigned threads) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads, 1, 1);
  config.dynamicSmemBytes = bytes;
  config.stream = queue->stream;
  return config;
}

// `bytes`: of shared memory in addition to what the kernel declares
template <class... Parameters, class... Arguments>
static cudaError_t launch_with(size_t bytes, const Queue *queue, void (*kernel)(Parameters...), dim3 grid,
                               unsigned threads, Arguments... arguments) {
  const cudaLaunchConfig_t config = config_of(bytes, queue, grid, threads);
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

template <class... Parameters, class... Arguments>
static cudaError_t launch(const Queue *queue, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
                          Arguments... arguments) {
  return launch_with(0, queue, kernel, grid, threads, arguments...);
}
#if EMIT_EARLY

// As launch_with, of a kernel that waits itself for the end of the launches before it: it may begin before.
template <class... Parameters, class... Arguments>
static cudaError_t launch_early(size_t bytes, const Queue *queue, void (*kernel)(Parameters...), dim3 grid,
                                unsigned threads, Arguments... arguments) {
#ifdef LOTRC_OVERLAP
  if (queue->overlaps) {
    cudaLaunchAttribute early = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = config_of(bytes, queue, grid, threads);
    config.attrs = &early;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  }
#endif
  return launch_with(bytes, queue, kernel, grid, threads, arguments...);
}
#endif
#endif
#if EMIT_WARPGROUPS
#ifdef LOTRC_SM90A

// Blocks of a kernel for warpgroups, for tiles along columns and rows: one for each multiprocessor, which computes one tile after another.
[[maybe_unused]] static unsigned blocks(const Queue *queue, unsigned across, unsigned down) {
  return std::min(across * down, static_cast<unsigned>(queue->multiprocessors));
}
#if EMIT_PAIRS

// Of a kernel for pairs of blocks: two for each cluster that runs at once.
static unsigned paired_blocks(const Queue *queue, unsigned across, unsigned down) {
  return 2 * std::min(across * ((down + 1) / 2), static_cast<unsigned>(queue->pairs));
}

// Takes a kernel for pairs into account: a multiprocessor that has no neighbour takes no cluster, and a device may take none at all. The
// kernels without warpgroups run there. With -DLOTRC_NO_CLUSTERS there are no clusters.
template <class... Parameters>
static cudaError_t count_pairs([[maybe_unused]] Queue *queue, [[maybe_unused]] void (*kernel)(Parameters...),
                               [[maybe_unused]] unsigned threads, [[maybe_unused]] size_t bytes) {
#ifndef LOTRC_NO_CLUSTERS
  const cudaLaunchConfig_t config = config_of(bytes, queue, dim3(2), threads);
  int pairs = 0;
  LOTRC_TRY(cudaOccupancyMaxActiveClusters(&pairs, kernel, &config));
  queue->pairs = std::min(queue->pairs, pairs);
  if (pairs == 0) queue->warpgroups = false;
#endif
  return cudaSuccess;
}
#endif

// a matrix as the copy engine sees it, and what it is of
struct Map {
  CUtensorMap made = {};
  const void *first = nullptr;      // null: none is made
  uint64_t rows = 0, cols = 0, pitch = 0;
  uint32_t box = 0;
};

typedef CUresult (*Encode)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *, const cuuint64_t *,
                           const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                           CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

// Makes a map of rows x cols numbers of 16 bits from `first` on, `pitch` of them from row to row, in boxes of `box` rows of 64; `half`: float16,
// not bfloat16. One that is of them already stays.
static cudaError_t make_map(const Queue *queue, Map *map, bool half, const void *first, uint64_t rows, uint64_t cols, uint64_t pitch,
                            uint32_t box) {
  if (map->first == first && map->rows == rows && map->cols == cols && map->pitch == pitch && map->box == box) return cudaSuccess;
  const cuuint64_t size[] = {cols, rows}, pitches[] = {2 * pitch};
  const cuuint32_t boxes[] = {64, box}, steps[] = {1, 1};
  map->first = nullptr;
  const CUresult made = reinterpret_cast<Encode>(queue->encode)(
      &map->made, half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void *>(first), size, pitches,
      boxes, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
  map->first = first;
  map->rows = rows;
  map->cols = cols;
  map->pitch = pitch;
  map->box = box;
  return cudaSuccess;
}

// Whether the current device has warpgroups; others, and drivers that cannot make maps, run the other kernels.
static cudaError_t find_warpgroups(Queue *queue) {
  int device = 0, major = 0;
  LOTRC_TRY(cudaGetDevice(&device));
  LOTRC_TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  if (major != 9) return cudaSuccess;
  cudaDriverEntryPointQueryResult answer;
#if CUDART_VERSION >= 12050
  LOTRC_TRY(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &queue->encode, 12000, cudaEnableDefault, &answer));
#else
  LOTRC_TRY(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &queue->encode, cudaEnableDefault, &answer));
#endif
  if (answer != cudaDriverEntryPointSuccess) return cudaSuccess;
  LOTRC_TRY(cudaDeviceGetAttribute(&queue->multiprocessors, cudaDevAttrMultiProcessorCount, device));
  queue->warpgroups = true;
#if EMIT_PAIRS
  queue->pairs = std::max(queue->multiprocessors / 2, 1);
#endif
#if EMIT_EARLY
#ifdef LOTRC_OVERLAP
  int driver = 0;
  LOTRC_TRY(cudaDriverGetVersion(&driver));
  queue->overlaps = driver >= 12030;
#endif
#endif
  return cudaSuccess;
}
#endif
#endif
