// kernels/matrix_units.cuh
// Matrix units of a warp and copies that run in parallel with the arithmetic: sm_80 and up. Written by lotrc.
#ifndef LOTRC_MATRIX_UNITS
#define LOTRC_MATRIX_UNITS

#ifndef LOTRC_OWN_INSTRUCTIONS
#define LOTRC_DEVICE static __device__ __forceinline__

LOTRC_DEVICE unsigned shared_address(const void *place) {
  return static_cast<unsigned>(__cvta_generic_to_shared(place));
}

// four, or two, 8 x 8 matrices of 16-bit elements; thread i names row i % 8 of matrix i / 8
LOTRC_DEVICE void ldmatrix_4(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
LOTRC_DEVICE void ldmatrix_4_transposed(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
LOTRC_DEVICE void ldmatrix_2(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1]) : "r"(shared_address(row)) : "memory");
}
LOTRC_DEVICE void ldmatrix_2_transposed(unsigned *to, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1]) : "r"(shared_address(row)) : "memory");
}

// c (16 x 8) += a (16 x 16, or 16 x 8 for tf32) b
LOTRC_DEVICE void mma_bf16(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LOTRC_DEVICE void mma_f16(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LOTRC_DEVICE void mma_tf32(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LOTRC_DEVICE unsigned round_tf32(float value) {
  unsigned rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
  return rounded;
}

// begins to copy 16 bytes to shared memory, or to write zeros there
LOTRC_DEVICE void copy_16_bytes(void *to, const void *from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(shared_address(to)), "l"(from), "r"(inside ? 16 : 0) : "memory");
}
LOTRC_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// until all but the last PENDING groups have arrived
template <int PENDING>
LOTRC_DEVICE void wait_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory"); }
#endif

// 16 bytes from element `index` on; elements outside are not addressed
template <class T>
LOTRC_DEVICE void copy_16(T *to, const T *from, unsigned index, bool inside) {
  copy_16_bytes(to, inside ? from + index : from, inside);
}

// Operand a: 16 rows, 16 along the inner dimension; element (i, k) at tile[i * stride + k], or tile[k * stride + i].
template <bool TRANSPOSED, class T>
LOTRC_DEVICE void load_a(unsigned *to, const T *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, matrix = lane / 8;
  const unsigned i = 8 * (matrix % 2), k = 8 * (matrix / 2), row = lane % 8;
  if (TRANSPOSED) ldmatrix_4_transposed(to, tile + (k + row) * stride + i);
  else ldmatrix_4(to, tile + (i + row) * stride + k);
}

// Operand b: 16 along the inner dimension, 8 columns; element (k, j) at tile[k * stride + j], or tile[j * stride + k].
template <bool TRANSPOSED, class T>
LOTRC_DEVICE void load_b(unsigned *to, const T *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, k = 8 * (lane / 8 % 2), row = lane % 8;
  // as stored, neighbours lie along the columns; the unit wants neighbours along the inner dimension
  if (TRANSPOSED) ldmatrix_2(to, tile + row * stride + k);
  else ldmatrix_2_transposed(to, tile + (k + row) * stride);
}

// The same for tf32: 8 along the inner dimension, every element rounded by the thread that takes it.
template <bool TRANSPOSED>
LOTRC_DEVICE void load_a_tf32(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, i = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 4; e++) {
    const unsigned row = i + 8 * (e % 2), at = k + 4 * (e / 2);
    to[e] = round_tf32(tile[TRANSPOSED ? at * stride + row : row * stride + at]);
  }
}
template <bool TRANSPOSED>
LOTRC_DEVICE void load_b_tf32(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, j = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 2; e++) {
    const unsigned at = k + 4 * e;
    to[e] = round_tf32(tile[TRANSPOSED ? j * stride + at : at * stride + j]);
  }
}

#endif // LOTRC_MATRIX_UNITS

// kernels/fold_Lp_0.cu
#include <cuda_bf16.h>

// L' = s M L, 1 site.
// 3 x 11, inner 3; tiles 64x64x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 234 B to and from memory.
extern "C" __global__ void __launch_bounds__(256)
fold_Lp_0(const float* __restrict__ M, const float* __restrict__ L, __nv_bfloat16* __restrict__ Lp) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float acc_4 = 0.0f;
  float acc_5 = 0.0f;
  float acc_6 = 0.0f;
  float acc_7 = 0.0f;
  float acc_8 = 0.0f;
  float acc_9 = 0.0f;
  float acc_10 = 0.0f;
  float acc_11 = 0.0f;
  float acc_12 = 0.0f;
  float acc_13 = 0.0f;
  float acc_14 = 0.0f;
  float acc_15 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float col_a_2 = 0.0f;
  float col_a_3 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of M and L, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < 3u && col_a0 < 3u ? M[row_a0 * 3u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < 3u && col_b0 < 11u ? L[row_b0 * 11u + col_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 64u + tile_col];
      row_b_1 = tile_b[k_0 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
      acc_4 = fmaf(col_a_1, row_b_0, acc_4);
      acc_5 = fmaf(col_a_1, row_b_1, acc_5);
      acc_6 = fmaf(col_a_1, row_b_2, acc_6);
      acc_7 = fmaf(col_a_1, row_b_3, acc_7);
      acc_8 = fmaf(col_a_2, row_b_0, acc_8);
      acc_9 = fmaf(col_a_2, row_b_1, acc_9);
      acc_10 = fmaf(col_a_2, row_b_2, acc_10);
      acc_11 = fmaf(col_a_2, row_b_3, acc_11);
      acc_12 = fmaf(col_a_3, row_b_0, acc_12);
      acc_13 = fmaf(col_a_3, row_b_1, acc_13);
      acc_14 = fmaf(col_a_3, row_b_2, acc_14);
      acc_15 = fmaf(col_a_3, row_b_3, acc_15);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_0;
    Lp[out_row * 11u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_1;
    Lp[out_row * 11u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_2;
    Lp[out_row * 11u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_3;
    Lp[out_row * 11u + out_col + 3u] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_4;
    Lp[(out_row + 1u) * 11u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_5;
    Lp[(out_row + 1u) * 11u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_6;
    Lp[(out_row + 1u) * 11u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_7;
    Lp[(out_row + 1u) * 11u + out_col + 3u] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_8;
    Lp[(out_row + 2u) * 11u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_9;
    Lp[(out_row + 2u) * 11u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_10;
    Lp[(out_row + 2u) * 11u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_11;
    Lp[(out_row + 2u) * 11u + out_col + 3u] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_12;
    Lp[(out_row + 3u) * 11u + out_col] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_13;
    Lp[(out_row + 3u) * 11u + out_col + 1u] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_14;
    Lp[(out_row + 3u) * 11u + out_col + 2u] = __float2bfloat16_rn(result);
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_15;
    Lp[(out_row + 3u) * 11u + out_col + 3u] = __float2bfloat16_rn(result);
  }
}

// kernels/down_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// P = x R.
// M x 3, inner 17; tiles 64x16x64, 4 stages, 4 warps, matrix units in bf16.
// Predicted by the plan: 30.6 kFLOP, 12.1 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
down_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ R_bf16, __nv_bfloat16* __restrict__ P, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[18432];
  __shared__ __align__(16) __nv_bfloat16 tile_b[6144];
  float acc[8] = {};
  unsigned part_a[1][4];
  unsigned part_b[2][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 16u;
  const unsigned warp_row = lane / 32u * 16u;
  const unsigned warp_col = 0u;
  // x R_bf16: 64 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 4096u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 64u;
        const unsigned col_a_first_0 = t0_0 * 64u + e_a_first_0 % 64u;
        tile_a[stage_first_0 * 4608u + e_a_first_0 / 64u * 72u + e_a_first_0 % 64u] = __float2bfloat16_rn((row_a_first_0 < M && col_a_first_0 < 17u ? __bfloat162float(x[row_a_first_0 * 17u + col_a_first_0]) : 0.0f));
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 1024u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 64u + e_b_first_0 / 16u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 16u;
        tile_b[stage_first_0 * 1536u + e_b_first_0 / 16u * 24u + e_b_first_0 % 16u] = __float2bfloat16_rn((row_b_first_0 < 17u && col_b_first_0 < 3u ? __bfloat162float(R_bf16[row_b_first_0 * 3u + col_b_first_0]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<2>();
    __syncthreads();
    const unsigned next_0 = t_0 + 3u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 4u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 4096u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 64u;
        const unsigned col_a_next_0 = next_0 * 64u + e_a_next_0 % 64u;
        tile_a[stage_next_0 * 4608u + e_a_next_0 / 64u * 72u + e_a_next_0 % 64u] = __float2bfloat16_rn((row_a_next_0 < M && col_a_next_0 < 17u ? __bfloat162float(x[row_a_next_0 * 17u + col_a_next_0]) : 0.0f));
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 1024u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 64u + e_b_next_0 / 16u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 16u;
        tile_b[stage_next_0 * 1536u + e_b_next_0 / 16u * 24u + e_b_next_0 % 16u] = __float2bfloat16_rn((row_b_next_0 < 17u && col_b_next_0 < 3u ? __bfloat162float(R_bf16[row_b_next_0 * 3u + col_b_next_0]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 1u; i_0 += 1u) {
        load_a<false>(part_a[i_0], &tile_a[stage_0 * 4608u + (warp_row + i_0 * 16u) * 72u + k_0 * 16u], 72u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 2u; j_0 += 1u) {
        load_b<false>(part_b[j_0], &tile_b[stage_0 * 1536u + k_0 * 16u * 24u + warp_col + j_0 * 8u], 24u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 1u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 2u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 2u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 1u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 2u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e / 2u * 8u < M && out_col + out_j * 8u + out_e % 2u < 3u) {
          const float result = acc[(out_i * 2u + out_j) * 4u + out_e];
          P[(out_row + out_i * 16u + out_e / 2u * 8u) * 3u + out_col + out_j * 8u + out_e % 2u] = __float2bfloat16_rn(result);
        }
      }
    }
  }
}

// kernels/layer_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// y = x W + P L'.
// M x 11, inner 17 + 3; tiles 128x128x32, 2 stages, 4 warps, matrix units in bf16.
// Predicted by the plan: 132 kFLOP, 19.0 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
layer_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ W, const __nv_bfloat16* __restrict__ P, const __nv_bfloat16* __restrict__ Lp, __nv_bfloat16* __restrict__ y, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[10240];
  __shared__ __align__(16) __nv_bfloat16 tile_b[10240];
  float acc[128] = {};
  unsigned part_a[4][4];
  unsigned part_b[8][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 128u;
  const unsigned col0 = blockIdx.x * 128u;
  const unsigned warp_row = lane / 32u / 2u * 64u;
  const unsigned warp_col = lane / 32u % 2u * 64u;
  // x W: 32 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 1u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 2u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 4096u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 32u;
        const unsigned col_a_first_0 = t0_0 * 32u + e_a_first_0 % 32u;
        tile_a[stage_first_0 * 5120u + e_a_first_0 / 32u * 40u + e_a_first_0 % 32u] = __float2bfloat16_rn((row_a_first_0 < M && col_a_first_0 < 17u ? __bfloat162float(x[row_a_first_0 * 17u + col_a_first_0]) : 0.0f));
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 4096u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 32u + e_b_first_0 % 32u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 / 32u;
        tile_b[stage_first_0 * 5120u + e_b_first_0 / 32u * 40u + e_b_first_0 % 32u] = __float2bfloat16_rn((row_b_first_0 < 17u && col_b_first_0 < 11u ? __bfloat162float(W[col_b_first_0 * 17u + row_b_first_0]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_0 = t_0 + 1u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 2u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 4096u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 32u;
        const unsigned col_a_next_0 = next_0 * 32u + e_a_next_0 % 32u;
        tile_a[stage_next_0 * 5120u + e_a_next_0 / 32u * 40u + e_a_next_0 % 32u] = __float2bfloat16_rn((row_a_next_0 < M && col_a_next_0 < 17u ? __bfloat162float(x[row_a_next_0 * 17u + col_a_next_0]) : 0.0f));
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 4096u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 32u + e_b_next_0 % 32u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 / 32u;
        tile_b[stage_next_0 * 5120u + e_b_next_0 / 32u * 40u + e_b_next_0 % 32u] = __float2bfloat16_rn((row_b_next_0 < 17u && col_b_next_0 < 11u ? __bfloat162float(W[col_b_next_0 * 17u + row_b_next_0]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 2u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 2u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        load_a<false>(part_a[i_0], &tile_a[stage_0 * 5120u + (warp_row + i_0 * 16u) * 40u + k_0 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
        load_b<true>(part_b[j_0], &tile_b[stage_0 * 5120u + (warp_col + j_0 * 8u) * 40u + k_0 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 4u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 8u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 8u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  wait_copies<0>();
  __syncthreads();
  // P Lp: 32 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_1 = 1u;
  for (unsigned t0_1 = 0u; t0_1 < 1u; t0_1 += 1u) {
    if (t0_1 < tiles_1) {
      const unsigned stage_first_1 = t0_1 % 2u;
      for (unsigned e_a_first_1 = lane; e_a_first_1 < 4096u; e_a_first_1 += 128u) {
        const unsigned row_a_first_1 = row0 + e_a_first_1 / 32u;
        const unsigned col_a_first_1 = t0_1 * 32u + e_a_first_1 % 32u;
        tile_a[stage_first_1 * 5120u + e_a_first_1 / 32u * 40u + e_a_first_1 % 32u] = __float2bfloat16_rn((row_a_first_1 < M && col_a_first_1 < 3u ? __bfloat162float(P[row_a_first_1 * 3u + col_a_first_1]) : 0.0f));
      }
      for (unsigned e_b_first_1 = lane; e_b_first_1 < 4096u; e_b_first_1 += 128u) {
        const unsigned row_b_first_1 = t0_1 * 32u + e_b_first_1 / 128u;
        const unsigned col_b_first_1 = col0 + e_b_first_1 % 128u;
        tile_b[stage_first_1 * 5120u + e_b_first_1 / 128u * 136u + e_b_first_1 % 128u] = __float2bfloat16_rn((row_b_first_1 < 3u && col_b_first_1 < 11u ? __bfloat162float(Lp[row_b_first_1 * 11u + col_b_first_1]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_1 = 0u; t_1 < tiles_1; t_1 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_1 = t_1 + 1u;
    if (next_1 < tiles_1) {
      const unsigned stage_next_1 = next_1 % 2u;
      for (unsigned e_a_next_1 = lane; e_a_next_1 < 4096u; e_a_next_1 += 128u) {
        const unsigned row_a_next_1 = row0 + e_a_next_1 / 32u;
        const unsigned col_a_next_1 = next_1 * 32u + e_a_next_1 % 32u;
        tile_a[stage_next_1 * 5120u + e_a_next_1 / 32u * 40u + e_a_next_1 % 32u] = __float2bfloat16_rn((row_a_next_1 < M && col_a_next_1 < 3u ? __bfloat162float(P[row_a_next_1 * 3u + col_a_next_1]) : 0.0f));
      }
      for (unsigned e_b_next_1 = lane; e_b_next_1 < 4096u; e_b_next_1 += 128u) {
        const unsigned row_b_next_1 = next_1 * 32u + e_b_next_1 / 128u;
        const unsigned col_b_next_1 = col0 + e_b_next_1 % 128u;
        tile_b[stage_next_1 * 5120u + e_b_next_1 / 128u * 136u + e_b_next_1 % 128u] = __float2bfloat16_rn((row_b_next_1 < 3u && col_b_next_1 < 11u ? __bfloat162float(Lp[row_b_next_1 * 11u + col_b_next_1]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_1 = t_1 % 2u;
    #pragma unroll
    for (unsigned k_1 = 0u; k_1 < 2u; k_1 += 1u) {
      #pragma unroll
      for (unsigned i_1 = 0u; i_1 < 4u; i_1 += 1u) {
        load_a<false>(part_a[i_1], &tile_a[stage_1 * 5120u + (warp_row + i_1 * 16u) * 40u + k_1 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
        load_b<false>(part_b[j_1], &tile_b[stage_1 * 5120u + k_1 * 16u * 136u + warp_col + j_1 * 8u], 136u);
      }
      #pragma unroll
      for (unsigned i2_1 = 0u; i2_1 < 4u; i2_1 += 1u) {
        #pragma unroll
        for (unsigned j2_1 = 0u; j2_1 < 8u; j2_1 += 1u) {
          mma_bf16(&acc[(i2_1 * 8u + j2_1) * 4u], part_a[i2_1], part_b[j2_1]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 8u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e / 2u * 8u < M && out_col + out_j * 8u + out_e % 2u < 11u) {
          const float result = acc[(out_i * 8u + out_j) * 4u + out_e];
          y[(out_row + out_i * 16u + out_e / 2u * 8u) * 11u + out_col + out_j * 8u + out_e % 2u] = __float2bfloat16_rn(result);
        }
      }
    }
  }
}

// kernels/drank_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// dP = dy L'^T.
// M x 3, inner 11; tiles 64x16x64, 4 stages, 4 warps, matrix units in bf16.
// Predicted by the plan: 19.8 kFLOP, 8.47 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
drank_0(const __nv_bfloat16* __restrict__ dy, const __nv_bfloat16* __restrict__ Lp, __nv_bfloat16* __restrict__ dP, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[18432];
  __shared__ __align__(16) __nv_bfloat16 tile_b[4608];
  float acc[8] = {};
  unsigned part_a[1][4];
  unsigned part_b[2][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 16u;
  const unsigned warp_row = lane / 32u * 16u;
  const unsigned warp_col = 0u;
  // dy Lp: 64 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 4096u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 64u;
        const unsigned col_a_first_0 = t0_0 * 64u + e_a_first_0 % 64u;
        tile_a[stage_first_0 * 4608u + e_a_first_0 / 64u * 72u + e_a_first_0 % 64u] = __float2bfloat16_rn((row_a_first_0 < M && col_a_first_0 < 11u ? __bfloat162float(dy[row_a_first_0 * 11u + col_a_first_0]) : 0.0f));
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 1024u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 64u + e_b_first_0 % 64u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 / 64u;
        tile_b[stage_first_0 * 1152u + e_b_first_0 / 64u * 72u + e_b_first_0 % 64u] = __float2bfloat16_rn((row_b_first_0 < 11u && col_b_first_0 < 3u ? __bfloat162float(Lp[col_b_first_0 * 11u + row_b_first_0]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<2>();
    __syncthreads();
    const unsigned next_0 = t_0 + 3u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 4u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 4096u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 64u;
        const unsigned col_a_next_0 = next_0 * 64u + e_a_next_0 % 64u;
        tile_a[stage_next_0 * 4608u + e_a_next_0 / 64u * 72u + e_a_next_0 % 64u] = __float2bfloat16_rn((row_a_next_0 < M && col_a_next_0 < 11u ? __bfloat162float(dy[row_a_next_0 * 11u + col_a_next_0]) : 0.0f));
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 1024u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 64u + e_b_next_0 % 64u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 / 64u;
        tile_b[stage_next_0 * 1152u + e_b_next_0 / 64u * 72u + e_b_next_0 % 64u] = __float2bfloat16_rn((row_b_next_0 < 11u && col_b_next_0 < 3u ? __bfloat162float(Lp[col_b_next_0 * 11u + row_b_next_0]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 1u; i_0 += 1u) {
        load_a<false>(part_a[i_0], &tile_a[stage_0 * 4608u + (warp_row + i_0 * 16u) * 72u + k_0 * 16u], 72u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 2u; j_0 += 1u) {
        load_b<true>(part_b[j_0], &tile_b[stage_0 * 1152u + (warp_col + j_0 * 8u) * 72u + k_0 * 16u], 72u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 1u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 2u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 2u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 1u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 2u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e / 2u * 8u < M && out_col + out_j * 8u + out_e % 2u < 3u) {
          const float result = acc[(out_i * 2u + out_j) * 4u + out_e];
          dP[(out_row + out_i * 16u + out_e / 2u * 8u) * 3u + out_col + out_j * 8u + out_e % 2u] = __float2bfloat16_rn(result);
        }
      }
    }
  }
}

// kernels/sum_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// Z = P^T dy.
// 3 x 11, inner M; tiles 16x128x64, 2 stages, 4 warps, in 16 parts, matrix units in bf16.
// Predicted by the plan: 19.8 kFLOP, 10.5 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
sum_0(const __nv_bfloat16* __restrict__ P, const __nv_bfloat16* __restrict__ dy, float* __restrict__ partials, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[3072];
  __shared__ __align__(16) __nv_bfloat16 tile_b[17408];
  float acc[16] = {};
  unsigned part_a[1][4];
  unsigned part_b[4][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 128u;
  const unsigned warp_row = lane / 32u / 4u * 16u;
  const unsigned warp_col = lane / 32u % 4u * 32u;
  // P dy: 64 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned part_from = min(blockIdx.z * ((M + 15u) / 16u), M);
  const unsigned part_to = min(part_from + (M + 15u) / 16u, M);
  const unsigned tiles_0 = (part_to - part_from + 63u) / 64u;
  for (unsigned t0_0 = 0u; t0_0 < 1u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 2u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 1024u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 % 16u;
        const unsigned col_a_first_0 = part_from + t0_0 * 64u + e_a_first_0 / 16u;
        tile_a[stage_first_0 * 1536u + e_a_first_0 / 16u * 24u + e_a_first_0 % 16u] = __float2bfloat16_rn((row_a_first_0 < 3u && col_a_first_0 < part_to ? __bfloat162float(P[col_a_first_0 * 3u + row_a_first_0]) : 0.0f));
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 8192u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = part_from + t0_0 * 64u + e_b_first_0 / 128u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 128u;
        tile_b[stage_first_0 * 8704u + e_b_first_0 / 128u * 136u + e_b_first_0 % 128u] = __float2bfloat16_rn((row_b_first_0 < part_to && col_b_first_0 < 11u ? __bfloat162float(dy[row_b_first_0 * 11u + col_b_first_0]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_0 = t_0 + 1u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 2u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 1024u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 % 16u;
        const unsigned col_a_next_0 = part_from + next_0 * 64u + e_a_next_0 / 16u;
        tile_a[stage_next_0 * 1536u + e_a_next_0 / 16u * 24u + e_a_next_0 % 16u] = __float2bfloat16_rn((row_a_next_0 < 3u && col_a_next_0 < part_to ? __bfloat162float(P[col_a_next_0 * 3u + row_a_next_0]) : 0.0f));
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 8192u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = part_from + next_0 * 64u + e_b_next_0 / 128u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 128u;
        tile_b[stage_next_0 * 8704u + e_b_next_0 / 128u * 136u + e_b_next_0 % 128u] = __float2bfloat16_rn((row_b_next_0 < part_to && col_b_next_0 < 11u ? __bfloat162float(dy[row_b_next_0 * 11u + col_b_next_0]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 2u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 1u; i_0 += 1u) {
        load_a<true>(part_a[i_0], &tile_a[stage_0 * 1536u + k_0 * 16u * 24u + warp_row + i_0 * 16u], 24u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
        load_b<false>(part_b[j_0], &tile_b[stage_0 * 8704u + k_0 * 16u * 136u + warp_col + j_0 * 8u], 136u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 1u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 4u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 4u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  // this part of the sum
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 1u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 4u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e / 2u * 8u < 3u && out_col + out_j * 8u + out_e % 2u < 11u) {
          const float result = acc[(out_i * 4u + out_j) * 4u + out_e];
          partials[blockIdx.z * 33u + (out_row + out_i * 16u + out_e / 2u * 8u) * 11u + out_col + out_j * 8u + out_e % 2u] = result;
        }
      }
    }
  }
}

// kernels/dfirst_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// dR = x^T dP.
// 17 x 3, inner M; tiles 128x16x64, 2 stages, 4 warps, in 16 parts, matrix units in bf16.
// Predicted by the plan: 30.6 kFLOP, 15.3 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
dfirst_0(const __nv_bfloat16* __restrict__ x, const __nv_bfloat16* __restrict__ dP, float* __restrict__ partials, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[17408];
  __shared__ __align__(16) __nv_bfloat16 tile_b[3072];
  float acc[16] = {};
  unsigned part_a[2][4];
  unsigned part_b[2][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 128u;
  const unsigned col0 = blockIdx.x * 16u;
  const unsigned warp_row = lane / 32u * 32u;
  const unsigned warp_col = 0u;
  // x dP: 64 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned part_from = min(blockIdx.z * ((M + 15u) / 16u), M);
  const unsigned part_to = min(part_from + (M + 15u) / 16u, M);
  const unsigned tiles_0 = (part_to - part_from + 63u) / 64u;
  for (unsigned t0_0 = 0u; t0_0 < 1u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 2u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 8192u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 % 128u;
        const unsigned col_a_first_0 = part_from + t0_0 * 64u + e_a_first_0 / 128u;
        tile_a[stage_first_0 * 8704u + e_a_first_0 / 128u * 136u + e_a_first_0 % 128u] = __float2bfloat16_rn((row_a_first_0 < 17u && col_a_first_0 < part_to ? __bfloat162float(x[col_a_first_0 * 17u + row_a_first_0]) : 0.0f));
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 1024u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = part_from + t0_0 * 64u + e_b_first_0 / 16u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 16u;
        tile_b[stage_first_0 * 1536u + e_b_first_0 / 16u * 24u + e_b_first_0 % 16u] = __float2bfloat16_rn((row_b_first_0 < part_to && col_b_first_0 < 3u ? __bfloat162float(dP[row_b_first_0 * 3u + col_b_first_0]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_0 = t_0 + 1u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 2u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 8192u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 % 128u;
        const unsigned col_a_next_0 = part_from + next_0 * 64u + e_a_next_0 / 128u;
        tile_a[stage_next_0 * 8704u + e_a_next_0 / 128u * 136u + e_a_next_0 % 128u] = __float2bfloat16_rn((row_a_next_0 < 17u && col_a_next_0 < part_to ? __bfloat162float(x[col_a_next_0 * 17u + row_a_next_0]) : 0.0f));
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 1024u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = part_from + next_0 * 64u + e_b_next_0 / 16u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 16u;
        tile_b[stage_next_0 * 1536u + e_b_next_0 / 16u * 24u + e_b_next_0 % 16u] = __float2bfloat16_rn((row_b_next_0 < part_to && col_b_next_0 < 3u ? __bfloat162float(dP[row_b_next_0 * 3u + col_b_next_0]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 2u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 2u; i_0 += 1u) {
        load_a<true>(part_a[i_0], &tile_a[stage_0 * 8704u + k_0 * 16u * 136u + warp_row + i_0 * 16u], 136u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 2u; j_0 += 1u) {
        load_b<false>(part_b[j_0], &tile_b[stage_0 * 1536u + k_0 * 16u * 24u + warp_col + j_0 * 8u], 24u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 2u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 2u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 2u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  // this part of the sum
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 2u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 2u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e / 2u * 8u < 17u && out_col + out_j * 8u + out_e % 2u < 3u) {
          const float result = acc[(out_i * 2u + out_j) * 4u + out_e];
          partials[528u + blockIdx.z * 51u + (out_row + out_i * 16u + out_e / 2u * 8u) * 3u + out_col + out_j * 8u + out_e % 2u] = result;
        }
      }
    }
  }
}

// kernels/reduce_0.cu
// adds the parts of each sum, in order.
// 2 sums, 64 elements per workgroup.
// Predicted by the plan: 1.34 kFLOP, 6.05 kB to and from memory.
extern "C" __global__ void __launch_bounds__(64)
reduce_0(const float* __restrict__ partials, float* __restrict__ Z, float* __restrict__ dR) {
  // Z += the 16 parts
  if (blockIdx.x < 1u) {
    const unsigned element_0 = blockIdx.x * 64u + threadIdx.x;
    if (element_0 < 33u) {
      float sum_0 = Z[element_0];
      for (unsigned part_0 = 0u; part_0 < 16u; part_0 += 1u) {
        sum_0 = sum_0 + partials[part_0 * 33u + element_0];
      }
      Z[element_0] = sum_0;
    }
  }
  // dR += the 16 parts
  if (0u < blockIdx.x && blockIdx.x < 2u) {
    const unsigned element_1 = (blockIdx.x - 1u) * 64u + threadIdx.x;
    if (element_1 < 51u) {
      float sum_1 = dR[element_1];
      for (unsigned part_1 = 0u; part_1 < 16u; part_1 += 1u) {
        sum_1 = sum_1 + partials[528u + part_1 * 51u + element_1];
      }
      dR[element_1] = sum_1;
    }
  }
}

// kernels/dx_0.cu
#include <cuda_bf16.h>
#include "matrix_units.cuh"

// dx = dy W^T + dP R^T.
// M x 17, inner 11 + 3; tiles 128x128x32, 2 stages, 4 warps, matrix units in bf16.
// Predicted by the plan: 143 kFLOP, 19.1 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
dx_0(const __nv_bfloat16* __restrict__ dy, const __nv_bfloat16* __restrict__ W, const __nv_bfloat16* __restrict__ dP, const __nv_bfloat16* __restrict__ R_bf16, __nv_bfloat16* __restrict__ dx, unsigned M) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[10240];
  __shared__ __align__(16) __nv_bfloat16 tile_b[10240];
  float acc[128] = {};
  unsigned part_a[4][4];
  unsigned part_b[8][2];
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 128u;
  const unsigned col0 = blockIdx.x * 128u;
  const unsigned warp_row = lane / 32u / 2u * 64u;
  const unsigned warp_col = lane / 32u % 2u * 64u;
  // dy W: 32 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 1u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 2u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 4096u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 32u;
        const unsigned col_a_first_0 = t0_0 * 32u + e_a_first_0 % 32u;
        tile_a[stage_first_0 * 5120u + e_a_first_0 / 32u * 40u + e_a_first_0 % 32u] = __float2bfloat16_rn((row_a_first_0 < M && col_a_first_0 < 11u ? __bfloat162float(dy[row_a_first_0 * 11u + col_a_first_0]) : 0.0f));
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 4096u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 32u + e_b_first_0 / 128u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 128u;
        tile_b[stage_first_0 * 5120u + e_b_first_0 / 128u * 136u + e_b_first_0 % 128u] = __float2bfloat16_rn((row_b_first_0 < 11u && col_b_first_0 < 17u ? __bfloat162float(W[row_b_first_0 * 17u + col_b_first_0]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_0 = t_0 + 1u;
    if (next_0 < tiles_0) {
      const unsigned stage_next_0 = next_0 % 2u;
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 4096u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 32u;
        const unsigned col_a_next_0 = next_0 * 32u + e_a_next_0 % 32u;
        tile_a[stage_next_0 * 5120u + e_a_next_0 / 32u * 40u + e_a_next_0 % 32u] = __float2bfloat16_rn((row_a_next_0 < M && col_a_next_0 < 11u ? __bfloat162float(dy[row_a_next_0 * 11u + col_a_next_0]) : 0.0f));
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 4096u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 32u + e_b_next_0 / 128u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 128u;
        tile_b[stage_next_0 * 5120u + e_b_next_0 / 128u * 136u + e_b_next_0 % 128u] = __float2bfloat16_rn((row_b_next_0 < 11u && col_b_next_0 < 17u ? __bfloat162float(W[row_b_next_0 * 17u + col_b_next_0]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 2u;
    #pragma unroll
    for (unsigned k_0 = 0u; k_0 < 2u; k_0 += 1u) {
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        load_a<false>(part_a[i_0], &tile_a[stage_0 * 5120u + (warp_row + i_0 * 16u) * 40u + k_0 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
        load_b<false>(part_b[j_0], &tile_b[stage_0 * 5120u + k_0 * 16u * 136u + warp_col + j_0 * 8u], 136u);
      }
      #pragma unroll
      for (unsigned i2_0 = 0u; i2_0 < 4u; i2_0 += 1u) {
        #pragma unroll
        for (unsigned j2_0 = 0u; j2_0 < 8u; j2_0 += 1u) {
          mma_bf16(&acc[(i2_0 * 8u + j2_0) * 4u], part_a[i2_0], part_b[j2_0]);
        }
      }
    }
  }
  wait_copies<0>();
  __syncthreads();
  // dP R_bf16: 32 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_1 = 1u;
  for (unsigned t0_1 = 0u; t0_1 < 1u; t0_1 += 1u) {
    if (t0_1 < tiles_1) {
      const unsigned stage_first_1 = t0_1 % 2u;
      for (unsigned e_a_first_1 = lane; e_a_first_1 < 4096u; e_a_first_1 += 128u) {
        const unsigned row_a_first_1 = row0 + e_a_first_1 / 32u;
        const unsigned col_a_first_1 = t0_1 * 32u + e_a_first_1 % 32u;
        tile_a[stage_first_1 * 5120u + e_a_first_1 / 32u * 40u + e_a_first_1 % 32u] = __float2bfloat16_rn((row_a_first_1 < M && col_a_first_1 < 3u ? __bfloat162float(dP[row_a_first_1 * 3u + col_a_first_1]) : 0.0f));
      }
      for (unsigned e_b_first_1 = lane; e_b_first_1 < 4096u; e_b_first_1 += 128u) {
        const unsigned row_b_first_1 = t0_1 * 32u + e_b_first_1 % 32u;
        const unsigned col_b_first_1 = col0 + e_b_first_1 / 32u;
        tile_b[stage_first_1 * 5120u + e_b_first_1 / 32u * 40u + e_b_first_1 % 32u] = __float2bfloat16_rn((row_b_first_1 < 3u && col_b_first_1 < 17u ? __bfloat162float(R_bf16[col_b_first_1 * 3u + row_b_first_1]) : 0.0f));
      }
    }
    commit_copies();
  }
  for (unsigned t_1 = 0u; t_1 < tiles_1; t_1 += 1u) {
    wait_copies<0>();
    __syncthreads();
    const unsigned next_1 = t_1 + 1u;
    if (next_1 < tiles_1) {
      const unsigned stage_next_1 = next_1 % 2u;
      for (unsigned e_a_next_1 = lane; e_a_next_1 < 4096u; e_a_next_1 += 128u) {
        const unsigned row_a_next_1 = row0 + e_a_next_1 / 32u;
        const unsigned col_a_next_1 = next_1 * 32u + e_a_next_1 % 32u;
        tile_a[stage_next_1 * 5120u + e_a_next_1 / 32u * 40u + e_a_next_1 % 32u] = __float2bfloat16_rn((row_a_next_1 < M && col_a_next_1 < 3u ? __bfloat162float(dP[row_a_next_1 * 3u + col_a_next_1]) : 0.0f));
      }
      for (unsigned e_b_next_1 = lane; e_b_next_1 < 4096u; e_b_next_1 += 128u) {
        const unsigned row_b_next_1 = next_1 * 32u + e_b_next_1 % 32u;
        const unsigned col_b_next_1 = col0 + e_b_next_1 / 32u;
        tile_b[stage_next_1 * 5120u + e_b_next_1 / 32u * 40u + e_b_next_1 % 32u] = __float2bfloat16_rn((row_b_next_1 < 3u && col_b_next_1 < 17u ? __bfloat162float(R_bf16[col_b_next_1 * 3u + row_b_next_1]) : 0.0f));
      }
    }
    commit_copies();
    const unsigned stage_1 = t_1 % 2u;
    #pragma unroll
    for (unsigned k_1 = 0u; k_1 < 2u; k_1 += 1u) {
      #pragma unroll
      for (unsigned i_1 = 0u; i_1 < 4u; i_1 += 1u) {
        load_a<false>(part_a[i_1], &tile_a[stage_1 * 5120u + (warp_row + i_1 * 16u) * 40u + k_1 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
        load_b<true>(part_b[j_1], &tile_b[stage_1 * 5120u + (warp_col + j_1 * 8u) * 40u + k_1 * 16u], 40u);
      }
      #pragma unroll
      for (unsigned i2_1 = 0u; i2_1 < 4u; i2_1 += 1u) {
        #pragma unroll
        for (unsigned j2_1 = 0u; j2_1 < 8u; j2_1 += 1u) {
          mma_bf16(&acc[(i2_1 * 8u + j2_1) * 4u], part_a[i2_1], part_b[j2_1]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + warp_row + lane % 32u / 4u;
  const unsigned out_col = col0 + warp_col + lane % 32u % 4u * 2u;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 8u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i * 16u + out_e / 2u * 8u < M && out_col + out_j * 8u + out_e % 2u < 17u) {
          const float result = acc[(out_i * 8u + out_j) * 4u + out_e];
          dx[(out_row + out_i * 16u + out_e / 2u * 8u) * 17u + out_col + out_j * 8u + out_e % 2u] = __float2bfloat16_rn(result);
        }
      }
    }
  }
}

// kernels/gradient_dM_0.cu
// dM = s Z L^T, 1 site.
// 3 x 3, inner 11; tiles 64x64x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.
extern "C" __global__ void __launch_bounds__(256)
gradient_dM_0(const float* __restrict__ Z, const float* __restrict__ L, float* __restrict__ dM) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float acc_4 = 0.0f;
  float acc_5 = 0.0f;
  float acc_6 = 0.0f;
  float acc_7 = 0.0f;
  float acc_8 = 0.0f;
  float acc_9 = 0.0f;
  float acc_10 = 0.0f;
  float acc_11 = 0.0f;
  float acc_12 = 0.0f;
  float acc_13 = 0.0f;
  float acc_14 = 0.0f;
  float acc_15 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float col_a_2 = 0.0f;
  float col_a_3 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of Z and L, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < 3u && col_a0 < 11u ? Z[row_a0 * 11u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 % 16u;
      const unsigned col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 64u + e_b0 / 16u] = (row_b0 < 11u && col_b0 < 3u ? L[col_b0 * 11u + row_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 64u + tile_col];
      row_b_1 = tile_b[k_0 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
      acc_4 = fmaf(col_a_1, row_b_0, acc_4);
      acc_5 = fmaf(col_a_1, row_b_1, acc_5);
      acc_6 = fmaf(col_a_1, row_b_2, acc_6);
      acc_7 = fmaf(col_a_1, row_b_3, acc_7);
      acc_8 = fmaf(col_a_2, row_b_0, acc_8);
      acc_9 = fmaf(col_a_2, row_b_1, acc_9);
      acc_10 = fmaf(col_a_2, row_b_2, acc_10);
      acc_11 = fmaf(col_a_2, row_b_3, acc_11);
      acc_12 = fmaf(col_a_3, row_b_0, acc_12);
      acc_13 = fmaf(col_a_3, row_b_1, acc_13);
      acc_14 = fmaf(col_a_3, row_b_2, acc_14);
      acc_15 = fmaf(col_a_3, row_b_3, acc_15);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 3u && out_col < 3u) {
    const float result = 0.33333334f * acc_0;
    dM[out_row * 3u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_1;
    dM[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_2;
    dM[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_3;
    dM[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 3u) {
    const float result = 0.33333334f * acc_4;
    dM[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_5;
    dM[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_6;
    dM[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_7;
    dM[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 3u) {
    const float result = 0.33333334f * acc_8;
    dM[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_9;
    dM[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_10;
    dM[(out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_11;
    dM[(out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 3u) {
    const float result = 0.33333334f * acc_12;
    dM[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_13;
    dM[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_14;
    dM[(out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_15;
    dM[(out_row + 3u) * 3u + out_col + 3u] = result;
  }
}

// kernels/gradient_dL_0.cu
// dL = s sum of M^T Z, 1 site.
// 3 x 11, inner 3; tiles 64x64x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.
extern "C" __global__ void __launch_bounds__(256)
gradient_dL_0(const float* __restrict__ M, const float* __restrict__ Z, float* __restrict__ dL) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float acc_4 = 0.0f;
  float acc_5 = 0.0f;
  float acc_6 = 0.0f;
  float acc_7 = 0.0f;
  float acc_8 = 0.0f;
  float acc_9 = 0.0f;
  float acc_10 = 0.0f;
  float acc_11 = 0.0f;
  float acc_12 = 0.0f;
  float acc_13 = 0.0f;
  float acc_14 = 0.0f;
  float acc_15 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float col_a_2 = 0.0f;
  float col_a_3 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of M and Z, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 % 64u;
      const unsigned col_a0 = k0_0 + e_a0 / 64u;
      tile_a[e_a0 / 64u * 64u + e_a0 % 64u] = (row_a0 < 3u && col_a0 < 3u ? M[col_a0 * 3u + row_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < 3u && col_b0 < 11u ? Z[row_b0 * 11u + col_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 64u + tile_col];
      row_b_1 = tile_b[k_0 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
      acc_4 = fmaf(col_a_1, row_b_0, acc_4);
      acc_5 = fmaf(col_a_1, row_b_1, acc_5);
      acc_6 = fmaf(col_a_1, row_b_2, acc_6);
      acc_7 = fmaf(col_a_1, row_b_3, acc_7);
      acc_8 = fmaf(col_a_2, row_b_0, acc_8);
      acc_9 = fmaf(col_a_2, row_b_1, acc_9);
      acc_10 = fmaf(col_a_2, row_b_2, acc_10);
      acc_11 = fmaf(col_a_2, row_b_3, acc_11);
      acc_12 = fmaf(col_a_3, row_b_0, acc_12);
      acc_13 = fmaf(col_a_3, row_b_1, acc_13);
      acc_14 = fmaf(col_a_3, row_b_2, acc_14);
      acc_15 = fmaf(col_a_3, row_b_3, acc_15);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_0;
    dL[out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_1;
    dL[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_2;
    dL[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_3;
    dL[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_4;
    dL[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_5;
    dL[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_6;
    dL[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_7;
    dL[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_8;
    dL[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_9;
    dL[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_10;
    dL[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_11;
    dL[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    const float result = 0.33333334f * acc_12;
    dL[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_13;
    dL[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_14;
    dL[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_15;
    dL[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/narrow_R_0.cu
#include <cuda_bf16.h>

// Rounds 51 numbers to bf16.
extern "C" __global__ void __launch_bounds__(64)
narrow_R_0(const float* __restrict__ wide, __nv_bfloat16* __restrict__ narrow) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 51u) {
    narrow[element] = __float2bfloat16_rn(wide[element]);
  }
}

// kernels/step_R_0.cu
// One AdamW step on 51 numbers.
extern "C" __global__ void __launch_bounds__(64)
step_R_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 51u) {
    const float g = gradient[element];
    const float m = beta1 * moment1[element] + (1.0f - beta1) * g;
    const float v = beta2 * moment2[element] + (1.0f - beta2) * g * g;
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0f - learning_rate * weight_decay) - learning_rate * (m / correction1 / (sqrtf(v / correction2) + epsilon));
  }
}

// kernels/step_M_0.cu
// One AdamW step on 9 numbers.
extern "C" __global__ void __launch_bounds__(64)
step_M_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 9u) {
    const float g = gradient[element];
    const float m = beta1 * moment1[element] + (1.0f - beta1) * g;
    const float v = beta2 * moment2[element] + (1.0f - beta2) * g * g;
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0f - learning_rate * weight_decay) - learning_rate * (m / correction1 / (sqrtf(v / correction2) + epsilon));
  }
}

// kernels/step_L_0.cu
// One AdamW step on 33 numbers.
extern "C" __global__ void __launch_bounds__(64)
step_L_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 33u) {
    const float g = gradient[element];
    const float m = beta1 * moment1[element] + (1.0f - beta1) * g;
    const float v = beta2 * moment2[element] + (1.0f - beta2) * g * g;
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0f - learning_rate * weight_decay) - learning_rate * (m / correction1 / (sqrtf(v / correction2) + epsilon));
  }
}
