// kernels/matrix_units.cuh
// Matrix units of a warp and copies that run in parallel with the arithmetic: sm_80 and up. Written by lotrc.
#ifndef LOTRC_MATRIX_UNITS
#define LOTRC_MATRIX_UNITS

#ifndef LOTRC_OWN_INSTRUCTIONS
#define LOTRC_DEVICE static __device__ __forceinline__

// shared memory of the launch, which is at least so much
template <unsigned BYTES>
LOTRC_DEVICE unsigned char *shared_memory() {
  extern __shared__ __align__(16) unsigned char lotrc_memory[];
  return lotrc_memory;
}

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

// Two neighbouring operands b in one load: 16 columns.
template <bool TRANSPOSED, class T>
LOTRC_DEVICE void load_b_pair(unsigned (*to)[2], const T *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, k = 8 * (lane / 8 % 2), j = 8 * (lane / 16), row = lane % 8;
  unsigned all[4];
  if (TRANSPOSED) ldmatrix_4(all, tile + (j + row) * stride + k);
  else ldmatrix_4_transposed(all, tile + (k + row) * stride + j);
  for (unsigned i = 0; i < 4; i++) to[i / 2][i % 2] = all[i];
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

// The same for float32 that keeps its 23 bits of fraction: a number is the sum of two of tf32, the greater ones first in a fragment.
LOTRC_DEVICE void part_tf32(unsigned *first, unsigned *rest, float value) {
  *first = round_tf32(value);
  *rest = round_tf32(value - __uint_as_float(*first));
}
template <bool TRANSPOSED>
LOTRC_DEVICE void load_a_tf32x3(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, i = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 4; e++) {
    const unsigned row = i + 8 * (e % 2), at = k + 4 * (e / 2);
    part_tf32(&to[e], &to[4 + e], tile[TRANSPOSED ? at * stride + row : row * stride + at]);
  }
}
template <bool TRANSPOSED>
LOTRC_DEVICE void load_b_tf32x3(unsigned *to, const float *tile, unsigned stride) {
  const unsigned lane = threadIdx.x % 32, j = lane / 4, k = lane % 4;
  for (unsigned e = 0; e < 2; e++) {
    const unsigned at = k + 4 * e;
    part_tf32(&to[e], &to[2 + e], tile[TRANSPOSED ? j * stride + at : at * stride + j]);
  }
}
// all but the product of the two lesser parts, the least first
LOTRC_DEVICE void mma_tf32x3(float *c, const unsigned *a, const unsigned *b) {
  mma_tf32(c, a + 4, b);
  mma_tf32(c, a, b + 2);
  mma_tf32(c, a, b);
}

// four neighbours in one load
LOTRC_DEVICE void take_4(float *to, const float *from) {
  const float4 four = *reinterpret_cast<const float4 *>(from);
  to[0] = four.x;
  to[1] = four.y;
  to[2] = four.z;
  to[3] = four.w;
}

#endif // LOTRC_MATRIX_UNITS

// kernels/down_0.cu
#include "matrix_units.cuh"

// P = s x A.
// M x 3, inner 17; tiles 64x32x16, 4x4 each, 4 stages.
// Predicted by the plan: 6.53 kFLOP, 5.32 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128, 2)
down_0(const float* __restrict__ x, const float* __restrict__ A, float* __restrict__ P, unsigned M) {
  __shared__ __align__(16) float tile_a[4096];
  __shared__ __align__(16) float tile_b[2048];
  float acc[16] = {};
  float col_a[4] = {};
  float row_b[16] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 32u;
  const unsigned tile_row = lane / 8u * 4u;
  const unsigned tile_col = lane % 8u * 4u;
  // x A: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 2u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 1024u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 16u;
        const unsigned col_a_first_0 = t0_0 * 16u + e_a_first_0 % 16u;
        tile_a[stage_first_0 * 1024u + e_a_first_0 / 16u * 16u + e_a_first_0 % 16u] = (row_a_first_0 < M && col_a_first_0 < 17u ? x[row_a_first_0 * 17u + col_a_first_0] : 0.0f);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 512u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 16u + e_b_first_0 / 32u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 32u;
        tile_b[stage_first_0 * 512u + e_b_first_0 / 32u * 32u + e_b_first_0 % 32u] = (row_b_first_0 < 17u && col_b_first_0 < 3u ? A[row_b_first_0 * 3u + col_b_first_0] : 0.0f);
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
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 1024u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 16u;
        const unsigned col_a_next_0 = next_0 * 16u + e_a_next_0 % 16u;
        tile_a[stage_next_0 * 1024u + e_a_next_0 / 16u * 16u + e_a_next_0 % 16u] = (row_a_next_0 < M && col_a_next_0 < 17u ? x[row_a_next_0 * 17u + col_a_next_0] : 0.0f);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 512u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 16u + e_b_next_0 / 32u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 32u;
        tile_b[stage_next_0 * 512u + e_b_next_0 / 32u * 32u + e_b_next_0 % 32u] = (row_b_next_0 < 17u && col_b_next_0 < 3u ? A[row_b_next_0 * 3u + col_b_next_0] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[jb_0 * 4u], &tile_b[stage_0 * 512u + k_0 * 4u * 32u + tile_col + jb_0 * 32u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[4u + jb_0 * 4u], &tile_b[stage_0 * 512u + (k_0 * 4u + 1u) * 32u + tile_col + jb_0 * 32u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[8u + jb_0 * 4u], &tile_b[stage_0 * 512u + (k_0 * 4u + 2u) * 32u + tile_col + jb_0 * 32u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[12u + jb_0 * 4u], &tile_b[stage_0 * 512u + (k_0 * 4u + 3u) * 32u + tile_col + jb_0 * 32u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_0 * 1024u + (tile_row + i_0) * 16u + k_0 * 4u]);
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[0u], row_b[j_0], acc[i_0 * 4u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[1u], row_b[4u + j_0], acc[i_0 * 4u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[2u], row_b[8u + j_0], acc[i_0 * 4u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[3u], row_b[12u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 1u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i < M && out_col + out_j * 32u + out_e < 3u) {
          const float result = 0.33333334f * acc[out_i * 4u + out_j * 4u + out_e];
          P[(out_row + out_i) * 3u + out_col + out_j * 32u + out_e] = result;
        }
      }
    }
  }
}

// kernels/layer_0.cu
#include "matrix_units.cuh"

// y = x W + P B.
// M x 11, inner 17 + 3; tiles 32x128x16, 4x8 each, 4 stages.
// Predicted by the plan: 28.2 kFLOP, 8.82 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128, 2)
layer_0(const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ P, const float* __restrict__ B, float* __restrict__ y, unsigned M) {
  __shared__ __align__(16) float tile_a[2048];
  __shared__ __align__(16) float tile_b[8192];
  float acc[32] = {};
  float col_a[4] = {};
  float row_b[32] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 32u;
  const unsigned col0 = blockIdx.x * 128u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // x W: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 2u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 512u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 16u;
        const unsigned col_a_first_0 = t0_0 * 16u + e_a_first_0 % 16u;
        tile_a[stage_first_0 * 512u + e_a_first_0 / 16u * 16u + e_a_first_0 % 16u] = (row_a_first_0 < M && col_a_first_0 < 17u ? x[row_a_first_0 * 17u + col_a_first_0] : 0.0f);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 2048u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 16u + e_b_first_0 % 16u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 / 16u % 32u * 4u + e_b_first_0 / 16u / 32u;
        tile_b[stage_first_0 * 2048u + e_b_first_0 / 16u * 16u + (e_b_first_0 % 16u / 4u + e_b_first_0 / 16u / 2u) % 4u * 4u + e_b_first_0 % 16u % 4u] = (row_b_first_0 < 17u && col_b_first_0 < 11u ? W[col_b_first_0 * 17u + row_b_first_0] : 0.0f);
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
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 512u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 16u;
        const unsigned col_a_next_0 = next_0 * 16u + e_a_next_0 % 16u;
        tile_a[stage_next_0 * 512u + e_a_next_0 / 16u * 16u + e_a_next_0 % 16u] = (row_a_next_0 < M && col_a_next_0 < 17u ? x[row_a_next_0 * 17u + col_a_next_0] : 0.0f);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 2048u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 16u + e_b_next_0 % 16u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 / 16u % 32u * 4u + e_b_next_0 / 16u / 32u;
        tile_b[stage_next_0 * 2048u + e_b_next_0 / 16u * 16u + (e_b_next_0 % 16u / 4u + e_b_next_0 / 16u / 2u) % 4u * 4u + e_b_next_0 % 16u % 4u] = (row_b_next_0 < 17u && col_b_next_0 < 11u ? W[col_b_next_0 * 17u + row_b_next_0] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 2u; jb_0 += 1u) {
        take_4(&row_b[jb_0 * 4u * 4u], &tile_b[stage_0 * 2048u + (jb_0 * 16u + tile_col / 4u) * 16u + (k_0 + (jb_0 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_0 * 4u + 1u) * 4u], &tile_b[stage_0 * 2048u + (32u + jb_0 * 16u + tile_col / 4u) * 16u + (k_0 + (32u + jb_0 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_0 * 4u + 2u) * 4u], &tile_b[stage_0 * 2048u + (64u + jb_0 * 16u + tile_col / 4u) * 16u + (k_0 + (64u + jb_0 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_0 * 4u + 3u) * 4u], &tile_b[stage_0 * 2048u + (96u + jb_0 * 16u + tile_col / 4u) * 16u + (k_0 + (96u + jb_0 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_0 * 512u + (tile_row + i_0) * 16u + k_0 * 4u]);
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[0u], row_b[j_0 * 4u], acc[i_0 * 8u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[1u], row_b[j_0 * 4u + 1u], acc[i_0 * 8u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[2u], row_b[j_0 * 4u + 2u], acc[i_0 * 8u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[3u], row_b[j_0 * 4u + 3u], acc[i_0 * 8u + j_0]);
        }
      }
    }
  }
  wait_copies<0>();
  __syncthreads();
  // P B: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_1 = 1u;
  for (unsigned t0_1 = 0u; t0_1 < 3u; t0_1 += 1u) {
    if (t0_1 < tiles_1) {
      const unsigned stage_first_1 = t0_1 % 4u;
      for (unsigned e_a_first_1 = lane; e_a_first_1 < 512u; e_a_first_1 += 128u) {
        const unsigned row_a_first_1 = row0 + e_a_first_1 / 16u;
        const unsigned col_a_first_1 = t0_1 * 16u + e_a_first_1 % 16u;
        tile_a[stage_first_1 * 512u + e_a_first_1 / 16u * 16u + e_a_first_1 % 16u] = (row_a_first_1 < M && col_a_first_1 < 3u ? P[row_a_first_1 * 3u + col_a_first_1] : 0.0f);
      }
      for (unsigned e_b_first_1 = lane; e_b_first_1 < 2048u; e_b_first_1 += 128u) {
        const unsigned row_b_first_1 = t0_1 * 16u + e_b_first_1 / 128u;
        const unsigned col_b_first_1 = col0 + e_b_first_1 % 128u;
        tile_b[stage_first_1 * 2048u + e_b_first_1 / 128u * 128u + e_b_first_1 % 128u] = (row_b_first_1 < 3u && col_b_first_1 < 11u ? B[row_b_first_1 * 11u + col_b_first_1] : 0.0f);
      }
    }
    commit_copies();
  }
  for (unsigned t_1 = 0u; t_1 < tiles_1; t_1 += 1u) {
    wait_copies<2>();
    __syncthreads();
    const unsigned next_1 = t_1 + 3u;
    if (next_1 < tiles_1) {
      const unsigned stage_next_1 = next_1 % 4u;
      for (unsigned e_a_next_1 = lane; e_a_next_1 < 512u; e_a_next_1 += 128u) {
        const unsigned row_a_next_1 = row0 + e_a_next_1 / 16u;
        const unsigned col_a_next_1 = next_1 * 16u + e_a_next_1 % 16u;
        tile_a[stage_next_1 * 512u + e_a_next_1 / 16u * 16u + e_a_next_1 % 16u] = (row_a_next_1 < M && col_a_next_1 < 3u ? P[row_a_next_1 * 3u + col_a_next_1] : 0.0f);
      }
      for (unsigned e_b_next_1 = lane; e_b_next_1 < 2048u; e_b_next_1 += 128u) {
        const unsigned row_b_next_1 = next_1 * 16u + e_b_next_1 / 128u;
        const unsigned col_b_next_1 = col0 + e_b_next_1 % 128u;
        tile_b[stage_next_1 * 2048u + e_b_next_1 / 128u * 128u + e_b_next_1 % 128u] = (row_b_next_1 < 3u && col_b_next_1 < 11u ? B[row_b_next_1 * 11u + col_b_next_1] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_1 = t_1 % 4u;
    for (unsigned k_1 = 0u; k_1 < 4u; k_1 += 1u) {
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 2u; jb_1 += 1u) {
        take_4(&row_b[jb_1 * 4u], &tile_b[stage_1 * 2048u + k_1 * 4u * 128u + tile_col + jb_1 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 2u; jb_1 += 1u) {
        take_4(&row_b[8u + jb_1 * 4u], &tile_b[stage_1 * 2048u + (k_1 * 4u + 1u) * 128u + tile_col + jb_1 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 2u; jb_1 += 1u) {
        take_4(&row_b[16u + jb_1 * 4u], &tile_b[stage_1 * 2048u + (k_1 * 4u + 2u) * 128u + tile_col + jb_1 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 2u; jb_1 += 1u) {
        take_4(&row_b[24u + jb_1 * 4u], &tile_b[stage_1 * 2048u + (k_1 * 4u + 3u) * 128u + tile_col + jb_1 * 64u]);
      }
      #pragma unroll
      for (unsigned i_1 = 0u; i_1 < 4u; i_1 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_1 * 512u + (tile_row + i_1) * 16u + k_1 * 4u]);
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[0u], row_b[j_1], acc[i_1 * 8u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[1u], row_b[8u + j_1], acc[i_1 * 8u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[2u], row_b[16u + j_1], acc[i_1 * 8u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[3u], row_b[24u + j_1], acc[i_1 * 8u + j_1]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 2u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i < M && out_col + out_j * 64u + out_e < 11u) {
          const float result = acc[out_i * 8u + out_j * 4u + out_e];
          y[(out_row + out_i) * 11u + out_col + out_j * 64u + out_e] = result;
        }
      }
    }
  }
}

// kernels/drank_0.cu
#include "matrix_units.cuh"

// dP = s dy B^T.
// M x 3, inner 11; tiles 64x32x16, 4x4 each, 4 stages.
// Predicted by the plan: 4.22 kFLOP, 3.72 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128, 2)
drank_0(const float* __restrict__ dy, const float* __restrict__ B, float* __restrict__ dP, unsigned M) {
  __shared__ __align__(16) float tile_a[4096];
  __shared__ __align__(16) float tile_b[2048];
  float acc[16] = {};
  float col_a[4] = {};
  float row_b[16] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 32u;
  const unsigned tile_row = lane / 8u * 4u;
  const unsigned tile_col = lane % 8u * 4u;
  // dy B: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 1024u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 16u;
        const unsigned col_a_first_0 = t0_0 * 16u + e_a_first_0 % 16u;
        tile_a[stage_first_0 * 1024u + e_a_first_0 / 16u * 16u + e_a_first_0 % 16u] = (row_a_first_0 < M && col_a_first_0 < 11u ? dy[row_a_first_0 * 11u + col_a_first_0] : 0.0f);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 512u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 16u + e_b_first_0 % 16u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 / 16u % 8u * 4u + e_b_first_0 / 16u / 8u;
        tile_b[stage_first_0 * 512u + e_b_first_0 / 16u * 16u + (e_b_first_0 % 16u / 4u + e_b_first_0 / 16u / 2u) % 4u * 4u + e_b_first_0 % 16u % 4u] = (row_b_first_0 < 11u && col_b_first_0 < 3u ? B[col_b_first_0 * 11u + row_b_first_0] : 0.0f);
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
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 1024u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 16u;
        const unsigned col_a_next_0 = next_0 * 16u + e_a_next_0 % 16u;
        tile_a[stage_next_0 * 1024u + e_a_next_0 / 16u * 16u + e_a_next_0 % 16u] = (row_a_next_0 < M && col_a_next_0 < 11u ? dy[row_a_next_0 * 11u + col_a_next_0] : 0.0f);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 512u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 16u + e_b_next_0 % 16u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 / 16u % 8u * 4u + e_b_next_0 / 16u / 8u;
        tile_b[stage_next_0 * 512u + e_b_next_0 / 16u * 16u + (e_b_next_0 % 16u / 4u + e_b_next_0 / 16u / 2u) % 4u * 4u + e_b_next_0 % 16u % 4u] = (row_b_next_0 < 11u && col_b_next_0 < 3u ? B[col_b_next_0 * 11u + row_b_next_0] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[jb_0 * 4u * 4u], &tile_b[stage_0 * 512u + (jb_0 * 8u + tile_col / 4u) * 16u + (k_0 + (jb_0 * 8u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_0 * 4u + 1u) * 4u], &tile_b[stage_0 * 512u + (8u + jb_0 * 8u + tile_col / 4u) * 16u + (k_0 + (8u + jb_0 * 8u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_0 * 4u + 2u) * 4u], &tile_b[stage_0 * 512u + (16u + jb_0 * 8u + tile_col / 4u) * 16u + (k_0 + (16u + jb_0 * 8u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_0 * 4u + 3u) * 4u], &tile_b[stage_0 * 512u + (24u + jb_0 * 8u + tile_col / 4u) * 16u + (k_0 + (24u + jb_0 * 8u + tile_col / 4u) / 2u) % 4u * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_0 * 1024u + (tile_row + i_0) * 16u + k_0 * 4u]);
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[0u], row_b[j_0 * 4u], acc[i_0 * 4u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[1u], row_b[j_0 * 4u + 1u], acc[i_0 * 4u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[2u], row_b[j_0 * 4u + 2u], acc[i_0 * 4u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[3u], row_b[j_0 * 4u + 3u], acc[i_0 * 4u + j_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 1u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i < M && out_col + out_j * 32u + out_e < 3u) {
          const float result = 0.33333334f * acc[out_i * 4u + out_j * 4u + out_e];
          dP[(out_row + out_i) * 3u + out_col + out_j * 32u + out_e] = result;
        }
      }
    }
  }
}

// kernels/sum_0.cu
#include "matrix_units.cuh"

// dB = P^T dy.
// 3 x 11, inner M; tiles 16x64x16, 4x4 each, 4 stages.
// Predicted by the plan: 4.22 kFLOP, 3.85 kB to and from memory.
extern "C" __global__ void __launch_bounds__(64, 2)
sum_0(const float* __restrict__ P, const float* __restrict__ dy, float* __restrict__ dB, unsigned M) {
  __shared__ __align__(16) float tile_a[1024];
  __shared__ __align__(16) float tile_b[4096];
  float acc[16] = {};
  float col_a[4] = {};
  float row_b[16] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // P dy: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = (M + 15u) / 16u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 256u; e_a_first_0 += 64u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 % 16u;
        const unsigned col_a_first_0 = t0_0 * 16u + e_a_first_0 / 16u;
        tile_a[stage_first_0 * 256u + e_a_first_0 / 16u * 16u + e_a_first_0 % 16u] = (row_a_first_0 < 3u && col_a_first_0 < M ? P[col_a_first_0 * 3u + row_a_first_0] : 0.0f);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 1024u; e_b_first_0 += 64u) {
        const unsigned row_b_first_0 = t0_0 * 16u + e_b_first_0 / 64u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 64u;
        tile_b[stage_first_0 * 1024u + e_b_first_0 / 64u * 64u + e_b_first_0 % 64u] = (row_b_first_0 < M && col_b_first_0 < 11u ? dy[row_b_first_0 * 11u + col_b_first_0] : 0.0f);
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
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 256u; e_a_next_0 += 64u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 % 16u;
        const unsigned col_a_next_0 = next_0 * 16u + e_a_next_0 / 16u;
        tile_a[stage_next_0 * 256u + e_a_next_0 / 16u * 16u + e_a_next_0 % 16u] = (row_a_next_0 < 3u && col_a_next_0 < M ? P[col_a_next_0 * 3u + row_a_next_0] : 0.0f);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 1024u; e_b_next_0 += 64u) {
        const unsigned row_b_next_0 = next_0 * 16u + e_b_next_0 / 64u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 64u;
        tile_b[stage_next_0 * 1024u + e_b_next_0 / 64u * 64u + e_b_next_0 % 64u] = (row_b_next_0 < M && col_b_next_0 < 11u ? dy[row_b_next_0 * 11u + col_b_next_0] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[jb_0 * 4u], &tile_b[stage_0 * 1024u + k_0 * 4u * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[4u + jb_0 * 4u], &tile_b[stage_0 * 1024u + (k_0 * 4u + 1u) * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[8u + jb_0 * 4u], &tile_b[stage_0 * 1024u + (k_0 * 4u + 2u) * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[12u + jb_0 * 4u], &tile_b[stage_0 * 1024u + (k_0 * 4u + 3u) * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned ia_0_0 = 0u; ia_0_0 < 1u; ia_0_0 += 1u) {
        take_4(&col_a[ia_0_0 * 4u], &tile_a[stage_0 * 256u + k_0 * 4u * 16u + tile_row + ia_0_0 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[j_0], acc[i_0 * 4u + j_0]);
        }
      }
      #pragma unroll
      for (unsigned ia_0_1 = 0u; ia_0_1 < 1u; ia_0_1 += 1u) {
        take_4(&col_a[ia_0_1 * 4u], &tile_a[stage_0 * 256u + (k_0 * 4u + 1u) * 16u + tile_row + ia_0_1 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[4u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
      #pragma unroll
      for (unsigned ia_0_2 = 0u; ia_0_2 < 1u; ia_0_2 += 1u) {
        take_4(&col_a[ia_0_2 * 4u], &tile_a[stage_0 * 256u + (k_0 * 4u + 2u) * 16u + tile_row + ia_0_2 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[8u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
      #pragma unroll
      for (unsigned ia_0_3 = 0u; ia_0_3 < 1u; ia_0_3 += 1u) {
        take_4(&col_a[ia_0_3 * 4u], &tile_a[stage_0 * 256u + (k_0 * 4u + 3u) * 16u + tile_row + ia_0_3 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[12u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 1u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i < 3u && out_col + out_j * 64u + out_e < 11u) {
          const float result = acc[out_i * 4u + out_j * 4u + out_e];
          dB[(out_row + out_i) * 11u + out_col + out_j * 64u + out_e] = dB[(out_row + out_i) * 11u + out_col + out_j * 64u + out_e] + result;
        }
      }
    }
  }
}

// kernels/dfirst_0.cu
#include "matrix_units.cuh"

// dA = x^T dP.
// 17 x 3, inner M; tiles 16x64x16, 4x4 each, 4 stages.
// Predicted by the plan: 6.53 kFLOP, 5.53 kB to and from memory.
extern "C" __global__ void __launch_bounds__(64, 2)
dfirst_0(const float* __restrict__ x, const float* __restrict__ dP, float* __restrict__ dA, unsigned M) {
  __shared__ __align__(16) float tile_a[1024];
  __shared__ __align__(16) float tile_b[4096];
  float acc[16] = {};
  float col_a[4] = {};
  float row_b[16] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // x dP: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = (M + 15u) / 16u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 256u; e_a_first_0 += 64u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 % 16u;
        const unsigned col_a_first_0 = t0_0 * 16u + e_a_first_0 / 16u;
        tile_a[stage_first_0 * 256u + e_a_first_0 / 16u * 16u + e_a_first_0 % 16u] = (row_a_first_0 < 17u && col_a_first_0 < M ? x[col_a_first_0 * 17u + row_a_first_0] : 0.0f);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 1024u; e_b_first_0 += 64u) {
        const unsigned row_b_first_0 = t0_0 * 16u + e_b_first_0 / 64u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 64u;
        tile_b[stage_first_0 * 1024u + e_b_first_0 / 64u * 64u + e_b_first_0 % 64u] = (row_b_first_0 < M && col_b_first_0 < 3u ? dP[row_b_first_0 * 3u + col_b_first_0] : 0.0f);
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
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 256u; e_a_next_0 += 64u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 % 16u;
        const unsigned col_a_next_0 = next_0 * 16u + e_a_next_0 / 16u;
        tile_a[stage_next_0 * 256u + e_a_next_0 / 16u * 16u + e_a_next_0 % 16u] = (row_a_next_0 < 17u && col_a_next_0 < M ? x[col_a_next_0 * 17u + row_a_next_0] : 0.0f);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 1024u; e_b_next_0 += 64u) {
        const unsigned row_b_next_0 = next_0 * 16u + e_b_next_0 / 64u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 64u;
        tile_b[stage_next_0 * 1024u + e_b_next_0 / 64u * 64u + e_b_next_0 % 64u] = (row_b_next_0 < M && col_b_next_0 < 3u ? dP[row_b_next_0 * 3u + col_b_next_0] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[jb_0 * 4u], &tile_b[stage_0 * 1024u + k_0 * 4u * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[4u + jb_0 * 4u], &tile_b[stage_0 * 1024u + (k_0 * 4u + 1u) * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[8u + jb_0 * 4u], &tile_b[stage_0 * 1024u + (k_0 * 4u + 2u) * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 1u; jb_0 += 1u) {
        take_4(&row_b[12u + jb_0 * 4u], &tile_b[stage_0 * 1024u + (k_0 * 4u + 3u) * 64u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned ia_0_0 = 0u; ia_0_0 < 1u; ia_0_0 += 1u) {
        take_4(&col_a[ia_0_0 * 4u], &tile_a[stage_0 * 256u + k_0 * 4u * 16u + tile_row + ia_0_0 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[j_0], acc[i_0 * 4u + j_0]);
        }
      }
      #pragma unroll
      for (unsigned ia_0_1 = 0u; ia_0_1 < 1u; ia_0_1 += 1u) {
        take_4(&col_a[ia_0_1 * 4u], &tile_a[stage_0 * 256u + (k_0 * 4u + 1u) * 16u + tile_row + ia_0_1 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[4u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
      #pragma unroll
      for (unsigned ia_0_2 = 0u; ia_0_2 < 1u; ia_0_2 += 1u) {
        take_4(&col_a[ia_0_2 * 4u], &tile_a[stage_0 * 256u + (k_0 * 4u + 2u) * 16u + tile_row + ia_0_2 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[8u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
      #pragma unroll
      for (unsigned ia_0_3 = 0u; ia_0_3 < 1u; ia_0_3 += 1u) {
        take_4(&col_a[ia_0_3 * 4u], &tile_a[stage_0 * 256u + (k_0 * 4u + 3u) * 16u + tile_row + ia_0_3 * 4u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 4u; j_0 += 1u) {
          acc[i_0 * 4u + j_0] = fmaf(col_a[i_0], row_b[12u + j_0], acc[i_0 * 4u + j_0]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 1u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i < 17u && out_col + out_j * 64u + out_e < 3u) {
          const float result = acc[out_i * 4u + out_j * 4u + out_e];
          dA[(out_row + out_i) * 3u + out_col + out_j * 64u + out_e] = dA[(out_row + out_i) * 3u + out_col + out_j * 64u + out_e] + result;
        }
      }
    }
  }
}

// kernels/dx_0.cu
#include "matrix_units.cuh"

// dx = dy W^T + dP A^T.
// M x 17, inner 11 + 3; tiles 32x128x16, 4x8 each, 4 stages.
// Predicted by the plan: 30.5 kFLOP, 8.89 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128, 2)
dx_0(const float* __restrict__ dy, const float* __restrict__ W, const float* __restrict__ dP, const float* __restrict__ A, float* __restrict__ dx, unsigned M) {
  __shared__ __align__(16) float tile_a[2048];
  __shared__ __align__(16) float tile_b[8192];
  float acc[32] = {};
  float col_a[4] = {};
  float row_b[32] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 32u;
  const unsigned col0 = blockIdx.x * 128u;
  const unsigned tile_row = lane / 16u * 4u;
  const unsigned tile_col = lane % 16u * 4u;
  // dy W: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_0 = 1u;
  for (unsigned t0_0 = 0u; t0_0 < 3u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      const unsigned stage_first_0 = t0_0 % 4u;
      for (unsigned e_a_first_0 = lane; e_a_first_0 < 512u; e_a_first_0 += 128u) {
        const unsigned row_a_first_0 = row0 + e_a_first_0 / 16u;
        const unsigned col_a_first_0 = t0_0 * 16u + e_a_first_0 % 16u;
        tile_a[stage_first_0 * 512u + e_a_first_0 / 16u * 16u + e_a_first_0 % 16u] = (row_a_first_0 < M && col_a_first_0 < 11u ? dy[row_a_first_0 * 11u + col_a_first_0] : 0.0f);
      }
      for (unsigned e_b_first_0 = lane; e_b_first_0 < 2048u; e_b_first_0 += 128u) {
        const unsigned row_b_first_0 = t0_0 * 16u + e_b_first_0 / 128u;
        const unsigned col_b_first_0 = col0 + e_b_first_0 % 128u;
        tile_b[stage_first_0 * 2048u + e_b_first_0 / 128u * 128u + e_b_first_0 % 128u] = (row_b_first_0 < 11u && col_b_first_0 < 17u ? W[row_b_first_0 * 17u + col_b_first_0] : 0.0f);
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
      for (unsigned e_a_next_0 = lane; e_a_next_0 < 512u; e_a_next_0 += 128u) {
        const unsigned row_a_next_0 = row0 + e_a_next_0 / 16u;
        const unsigned col_a_next_0 = next_0 * 16u + e_a_next_0 % 16u;
        tile_a[stage_next_0 * 512u + e_a_next_0 / 16u * 16u + e_a_next_0 % 16u] = (row_a_next_0 < M && col_a_next_0 < 11u ? dy[row_a_next_0 * 11u + col_a_next_0] : 0.0f);
      }
      for (unsigned e_b_next_0 = lane; e_b_next_0 < 2048u; e_b_next_0 += 128u) {
        const unsigned row_b_next_0 = next_0 * 16u + e_b_next_0 / 128u;
        const unsigned col_b_next_0 = col0 + e_b_next_0 % 128u;
        tile_b[stage_next_0 * 2048u + e_b_next_0 / 128u * 128u + e_b_next_0 % 128u] = (row_b_next_0 < 11u && col_b_next_0 < 17u ? W[row_b_next_0 * 17u + col_b_next_0] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_0 = t_0 % 4u;
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 2u; jb_0 += 1u) {
        take_4(&row_b[jb_0 * 4u], &tile_b[stage_0 * 2048u + k_0 * 4u * 128u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 2u; jb_0 += 1u) {
        take_4(&row_b[8u + jb_0 * 4u], &tile_b[stage_0 * 2048u + (k_0 * 4u + 1u) * 128u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 2u; jb_0 += 1u) {
        take_4(&row_b[16u + jb_0 * 4u], &tile_b[stage_0 * 2048u + (k_0 * 4u + 2u) * 128u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned jb_0 = 0u; jb_0 < 2u; jb_0 += 1u) {
        take_4(&row_b[24u + jb_0 * 4u], &tile_b[stage_0 * 2048u + (k_0 * 4u + 3u) * 128u + tile_col + jb_0 * 64u]);
      }
      #pragma unroll
      for (unsigned i_0 = 0u; i_0 < 4u; i_0 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_0 * 512u + (tile_row + i_0) * 16u + k_0 * 4u]);
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[0u], row_b[j_0], acc[i_0 * 8u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[1u], row_b[8u + j_0], acc[i_0 * 8u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[2u], row_b[16u + j_0], acc[i_0 * 8u + j_0]);
        }
        #pragma unroll
        for (unsigned j_0 = 0u; j_0 < 8u; j_0 += 1u) {
          acc[i_0 * 8u + j_0] = fmaf(col_a[3u], row_b[24u + j_0], acc[i_0 * 8u + j_0]);
        }
      }
    }
  }
  wait_copies<0>();
  __syncthreads();
  // dP A: 16 of the inner dimension in a tile, 4 tiles in the ring
  const unsigned tiles_1 = 1u;
  for (unsigned t0_1 = 0u; t0_1 < 3u; t0_1 += 1u) {
    if (t0_1 < tiles_1) {
      const unsigned stage_first_1 = t0_1 % 4u;
      for (unsigned e_a_first_1 = lane; e_a_first_1 < 512u; e_a_first_1 += 128u) {
        const unsigned row_a_first_1 = row0 + e_a_first_1 / 16u;
        const unsigned col_a_first_1 = t0_1 * 16u + e_a_first_1 % 16u;
        tile_a[stage_first_1 * 512u + e_a_first_1 / 16u * 16u + e_a_first_1 % 16u] = (row_a_first_1 < M && col_a_first_1 < 3u ? dP[row_a_first_1 * 3u + col_a_first_1] : 0.0f);
      }
      for (unsigned e_b_first_1 = lane; e_b_first_1 < 2048u; e_b_first_1 += 128u) {
        const unsigned row_b_first_1 = t0_1 * 16u + e_b_first_1 % 16u;
        const unsigned col_b_first_1 = col0 + e_b_first_1 / 16u % 32u * 4u + e_b_first_1 / 16u / 32u;
        tile_b[stage_first_1 * 2048u + e_b_first_1 / 16u * 16u + (e_b_first_1 % 16u / 4u + e_b_first_1 / 16u / 2u) % 4u * 4u + e_b_first_1 % 16u % 4u] = (row_b_first_1 < 3u && col_b_first_1 < 17u ? A[col_b_first_1 * 3u + row_b_first_1] : 0.0f);
      }
    }
    commit_copies();
  }
  for (unsigned t_1 = 0u; t_1 < tiles_1; t_1 += 1u) {
    wait_copies<2>();
    __syncthreads();
    const unsigned next_1 = t_1 + 3u;
    if (next_1 < tiles_1) {
      const unsigned stage_next_1 = next_1 % 4u;
      for (unsigned e_a_next_1 = lane; e_a_next_1 < 512u; e_a_next_1 += 128u) {
        const unsigned row_a_next_1 = row0 + e_a_next_1 / 16u;
        const unsigned col_a_next_1 = next_1 * 16u + e_a_next_1 % 16u;
        tile_a[stage_next_1 * 512u + e_a_next_1 / 16u * 16u + e_a_next_1 % 16u] = (row_a_next_1 < M && col_a_next_1 < 3u ? dP[row_a_next_1 * 3u + col_a_next_1] : 0.0f);
      }
      for (unsigned e_b_next_1 = lane; e_b_next_1 < 2048u; e_b_next_1 += 128u) {
        const unsigned row_b_next_1 = next_1 * 16u + e_b_next_1 % 16u;
        const unsigned col_b_next_1 = col0 + e_b_next_1 / 16u % 32u * 4u + e_b_next_1 / 16u / 32u;
        tile_b[stage_next_1 * 2048u + e_b_next_1 / 16u * 16u + (e_b_next_1 % 16u / 4u + e_b_next_1 / 16u / 2u) % 4u * 4u + e_b_next_1 % 16u % 4u] = (row_b_next_1 < 3u && col_b_next_1 < 17u ? A[col_b_next_1 * 3u + row_b_next_1] : 0.0f);
      }
    }
    commit_copies();
    const unsigned stage_1 = t_1 % 4u;
    for (unsigned k_1 = 0u; k_1 < 4u; k_1 += 1u) {
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 2u; jb_1 += 1u) {
        take_4(&row_b[jb_1 * 4u * 4u], &tile_b[stage_1 * 2048u + (jb_1 * 16u + tile_col / 4u) * 16u + (k_1 + (jb_1 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_1 * 4u + 1u) * 4u], &tile_b[stage_1 * 2048u + (32u + jb_1 * 16u + tile_col / 4u) * 16u + (k_1 + (32u + jb_1 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_1 * 4u + 2u) * 4u], &tile_b[stage_1 * 2048u + (64u + jb_1 * 16u + tile_col / 4u) * 16u + (k_1 + (64u + jb_1 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
        take_4(&row_b[(jb_1 * 4u + 3u) * 4u], &tile_b[stage_1 * 2048u + (96u + jb_1 * 16u + tile_col / 4u) * 16u + (k_1 + (96u + jb_1 * 16u + tile_col / 4u) / 2u) % 4u * 4u]);
      }
      #pragma unroll
      for (unsigned i_1 = 0u; i_1 < 4u; i_1 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_1 * 512u + (tile_row + i_1) * 16u + k_1 * 4u]);
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[0u], row_b[j_1 * 4u], acc[i_1 * 8u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[1u], row_b[j_1 * 4u + 1u], acc[i_1 * 8u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[2u], row_b[j_1 * 4u + 2u], acc[i_1 * 8u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 8u; j_1 += 1u) {
          acc[i_1 * 8u + j_1] = fmaf(col_a[3u], row_b[j_1 * 4u + 3u], acc[i_1 * 8u + j_1]);
        }
      }
    }
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  #pragma unroll
  for (unsigned out_i = 0u; out_i < 4u; out_i += 1u) {
    #pragma unroll
    for (unsigned out_j = 0u; out_j < 2u; out_j += 1u) {
      #pragma unroll
      for (unsigned out_e = 0u; out_e < 4u; out_e += 1u) {
        if (out_row + out_i < M && out_col + out_j * 64u + out_e < 17u) {
          const float result = acc[out_i * 8u + out_j * 4u + out_e];
          dx[(out_row + out_i) * 17u + out_col + out_j * 64u + out_e] = result;
        }
      }
    }
  }
}

// kernels/step_B_0.cu
// One AdamW step on 33 numbers.
extern "C" __global__ void __launch_bounds__(64)
step_B_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 33u) {
    const float g = gradient[element];
    const float m = moment1[element] * beta1 + g * (1.0f - beta1);
    const float v = moment2[element] * beta2 + g * g * (1.0f - beta2);
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0f - learning_rate * weight_decay) - m / correction1 / (sqrtf(v / correction2) + epsilon) * learning_rate;
  }
}

// kernels/step_A_0_0.cu
// One AdamW step on 51 numbers.
extern "C" __global__ void __launch_bounds__(64)
step_A_0_0(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 51u) {
    const float g = gradient[element];
    const float m = moment1[element] * beta1 + g * (1.0f - beta1);
    const float v = moment2[element] * beta2 + g * g * (1.0f - beta2);
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0f - learning_rate * weight_decay) - m / correction1 / (sqrtf(v / correction2) + epsilon) * learning_rate;
  }
}
