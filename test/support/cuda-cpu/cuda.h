// The part of CUDA's driver interface that emitted libraries use, on a CPU: tensor maps, checked as the driver documents it.
#pragma once
#include "once.h"
#include <cstdint>
#include <cstring>

struct alignas(64) CUtensorMap { uint64_t opaque[16]; };
typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;
enum CUresult { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 };
enum CUtensorMapDataType { CU_TENSOR_MAP_DATA_TYPE_FLOAT16 = 6, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9 };
enum CUtensorMapInterleave { CU_TENSOR_MAP_INTERLEAVE_NONE = 0 };
enum CUtensorMapSwizzle { CU_TENSOR_MAP_SWIZZLE_NONE = 0, CU_TENSOR_MAP_SWIZZLE_128B = 3 };
enum CUtensorMapL2promotion { CU_TENSOR_MAP_L2_PROMOTION_NONE = 0, CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 };
enum CUtensorMapFloatOOBfill { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 };

namespace shim {
// what the 128 bytes of a map say here
struct Map {
  const char *base;
  uint64_t rows, cols, pitch;  // pitch in bytes
  uint32_t box_rows, box_cols;
};
static_assert(sizeof(Map) <= sizeof(CUtensorMap), "a map holds it");
}  // namespace shim

SHIM_CODE CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType, cuuint32_t rank, void *base, const cuuint64_t *dims,
                                       const cuuint64_t *pitches, const cuuint32_t *box, const cuuint32_t *steps,
                                       CUtensorMapInterleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                                       CUtensorMapFloatOOBfill) {
  const bool good = reinterpret_cast<uintptr_t>(map) % 64 == 0 && rank == 2 && reinterpret_cast<uintptr_t>(base) % 16 == 0 &&
                    pitches[0] % 16 == 0 && pitches[0] < (uint64_t(1) << 40) && pitches[0] >= 2 * dims[0] && dims[0] >= 1 &&
                    dims[1] >= 1 && dims[0] <= (uint64_t(1) << 32) && dims[1] <= (uint64_t(1) << 32) && box[0] >= 1 && box[0] <= 256 &&
                    box[1] >= 1 && box[1] <= 256 && steps[0] == 1 && steps[1] == 1 && 2 * box[0] % 16 == 0 &&
                    swizzle == CU_TENSOR_MAP_SWIZZLE_128B && 2 * box[0] <= 128;
  if (!good) return CUDA_ERROR_INVALID_VALUE;
  const shim::Map own = {static_cast<const char *>(base), dims[1], dims[0], pitches[0], box[1], box[0]};
  std::memcpy(map, &own, sizeof own);
  return CUDA_SUCCESS;
}
