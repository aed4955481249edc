// Eight neighbours at once, from a multiple of eight on, in accesses of 16 bytes. Written by lotrc.
#ifndef LOTRC_EIGHT_NUMBERS
#define LOTRC_EIGHT_NUMBERS
#include <cuda_bf16.h>
#include <cuda_fp16.h>

struct alignas(16) FourNumbers { float number[4]; };
struct alignas(16) FourWords { unsigned word[4]; };

// zeros outside, where nothing is addressed
static __device__ __forceinline__ void load8(float *to, const float *from, unsigned index, bool inside) {
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    const FourNumbers found = inside ? reinterpret_cast<const FourNumbers *>(from + index)[half] : FourNumbers{};
#pragma unroll
    for (unsigned i = 0; i < 4; i++) to[4 * half + i] = found.number[i];
  }
}

static __device__ __forceinline__ float widened(__half number) { return __half2float(number); }
static __device__ __forceinline__ float widened(__nv_bfloat16 number) { return __bfloat162float(number); }

template <class Narrow>
static __device__ __forceinline__ void load8(float *to, const Narrow *from, unsigned index, bool inside) {
  const FourWords found = inside ? *reinterpret_cast<const FourWords *>(from + index) : FourWords{};
  Narrow numbers[8];
  memcpy(static_cast<void *>(numbers), &found, sizeof numbers);
#pragma unroll
  for (unsigned i = 0; i < 8; i++) to[i] = widened(numbers[i]);
}

static __device__ __forceinline__ void store8(const float *from, float *to, unsigned index, bool inside) {
  if (!inside) return;
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    FourNumbers found;
#pragma unroll
    for (unsigned i = 0; i < 4; i++) found.number[i] = from[4 * half + i];
    reinterpret_cast<FourNumbers *>(to + index)[half] = found;
  }
}
#endif
