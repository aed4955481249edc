// Between registers and tiles in shared memory, four neighbours at once. Written by lotrc.
#ifndef LOTRC_STAGED_TILES
#define LOTRC_STAGED_TILES
#include <hip/hip_runtime.h>

static __device__ __forceinline__ void take_4(float *to, const float *from) {
  const float4 four = *reinterpret_cast<const float4 *>(from);
  to[0] = four.x;
  to[1] = four.y;
  to[2] = four.z;
  to[3] = four.w;
}

static __device__ __forceinline__ void put_4(float *to, const float *from) {
  *reinterpret_cast<float4 *>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
#endif
