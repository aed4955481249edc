// float16 on a CPU: the compiler's own.
#pragma once
#include "once.h"
typedef _Float16 __half;
SHIM_CODE float __half2float(__half value) { return static_cast<float>(value); }
SHIM_CODE __half __float2half_rn(float number) { return static_cast<__half>(number); }
struct __attribute__((aligned(4))) __half2 { __half x, y; };
SHIM_CODE __half2 __floats2half2_rn(float x, float y) { return {__float2half_rn(x), __float2half_rn(y)}; }
