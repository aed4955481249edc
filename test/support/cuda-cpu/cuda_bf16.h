// bfloat16 on a CPU: rounded to nearest, ties to even.
#pragma once
#include "once.h"
#include <cstdint>
#include <cstring>

struct __nv_bfloat16 { uint16_t bits; };

SHIM_CODE float __bfloat162float(__nv_bfloat16 value) {
  const uint32_t wide = uint32_t(value.bits) << 16;
  float number;
  std::memcpy(&number, &wide, 4);
  return number;
}
SHIM_CODE __nv_bfloat16 __float2bfloat16_rn(float number) {
  uint32_t wide;
  std::memcpy(&wide, &number, 4);
  if ((wide & 0x7fffffffu) > 0x7f800000u) return {uint16_t((wide >> 16) | 0x40u)};
  return {uint16_t((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16)};
}
struct __attribute__((aligned(4))) __nv_bfloat162 { __nv_bfloat16 x, y; };
SHIM_CODE __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)}; }
