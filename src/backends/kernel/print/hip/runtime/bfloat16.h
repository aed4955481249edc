// bfloat16 as it is stored: the upper half of a float. Written by lotrc.
#ifndef LOTRC_BFLOAT16_H
#define LOTRC_BFLOAT16_H
#include <hip/hip_runtime.h>

struct bfloat16 { unsigned short bits; };
struct alignas(4) bfloat16_pair { bfloat16 x, y; };

static __host__ __device__ __forceinline__ float to_float(bfloat16 number) {
  const unsigned wide = static_cast<unsigned>(number.bits) << 16;
  float out;
  __builtin_memcpy(&out, &wide, sizeof out);
  return out;
}

// to the nearest, ties to the even one; a NaN stays one
static __host__ __device__ __forceinline__ bfloat16 to_bfloat16(float number) {
  unsigned wide;
  __builtin_memcpy(&wide, &number, sizeof wide);
  const bool nan = (wide & 0x7fffffffu) > 0x7f800000u;
  const unsigned rounded = nan ? wide | 0x400000u : wide + 0x7fffu + (wide >> 16 & 1u);
  return {static_cast<unsigned short>(rounded >> 16)};
}

static __host__ __device__ __forceinline__ bfloat16_pair to_bfloat16_pair(float x, float y) {
  return {to_bfloat16(x), to_bfloat16(y)};
}
#endif
