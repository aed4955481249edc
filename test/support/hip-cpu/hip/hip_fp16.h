// float16 on a CPU: HIP has the names of CUDA.
#pragma once
#include <cuda_fp16.h>
