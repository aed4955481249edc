#include <hip/hip_runtime.h>
#include "bfloat16.h"
#include "eight_numbers.h"
#include "staged_tiles.h"

// weights stored out in staged bf16.
// M x 24, inner 40 + 16; tiles 32x32x16, 4x4 each, 2 stages through registers.
extern "C" __global__ void __launch_bounds__(64)
weights_stored_out_in_staged_bf16(const bfloat16* __restrict__ x, const bfloat16* __restrict__ w, const bfloat16* __restrict__ p, const bfloat16* __restrict__ l, float* __restrict__ y, unsigned M) {
  __shared__ __align__(16) float tile_a[1024];
  __shared__ __align__(16) float tile_b[1024];
  float acc[16] = {};
  float col_a[4] = {};
  float row_b[16] = {};
  float next_a[8] = {};
  float next_b[8] = {};
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 32u;
  const unsigned col0 = blockIdx.x * 32u;
  const unsigned tile_row = lane / 8u * 4u;
  const unsigned tile_col = lane % 8u * 4u;
  // x w: 16 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_0 = 3u;
  #pragma unroll 1
  for (unsigned t0_0 = 0u; t0_0 < 1u; t0_0 += 1u) {
    if (t0_0 < tiles_0) {
      #pragma unroll
      for (unsigned q_a_first_0 = 0u; q_a_first_0 < 1u; q_a_first_0 += 1u) {
        const unsigned part_a_first_0 = lane + q_a_first_0 * 64u;
        const unsigned row_a_first_0 = row0 + part_a_first_0 / 2u;
        const unsigned col_a_first_0 = t0_0 * 16u + part_a_first_0 % 2u * 8u;
        load8(&next_a[q_a_first_0 * 8u], x, row_a_first_0 * 40u + col_a_first_0, row_a_first_0 < M && col_a_first_0 < 40u);
      }
      #pragma unroll
      for (unsigned q_b_first_0 = 0u; q_b_first_0 < 1u; q_b_first_0 += 1u) {
        const unsigned part_b_first_0 = lane + q_b_first_0 * 64u;
        const unsigned row_b_first_0 = t0_0 * 16u + part_b_first_0 % 2u * 8u;
        const unsigned col_b_first_0 = col0 + part_b_first_0 / 2u % 8u * 4u + part_b_first_0 / 2u / 8u;
        load8(&next_b[q_b_first_0 * 8u], w, col_b_first_0 * 40u + row_b_first_0, row_b_first_0 < 40u && col_b_first_0 < 24u);
      }
    }
    if (t0_0 < tiles_0) {
      const unsigned stage_first_put_0 = t0_0 % 2u;
      #pragma unroll
      for (unsigned q_a_first_put_0 = 0u; q_a_first_put_0 < 1u; q_a_first_put_0 += 1u) {
        const unsigned part_a_first_put_0 = lane + q_a_first_put_0 * 64u;
        put_4(&tile_a[stage_first_put_0 * 512u + part_a_first_put_0 / 2u * 16u + part_a_first_put_0 % 2u * 8u], &next_a[q_a_first_put_0 * 8u]);
        put_4(&tile_a[stage_first_put_0 * 512u + part_a_first_put_0 / 2u * 16u + part_a_first_put_0 % 2u * 8u + 4u], &next_a[q_a_first_put_0 * 8u + 4u]);
      }
      #pragma unroll
      for (unsigned q_b_first_put_0 = 0u; q_b_first_put_0 < 1u; q_b_first_put_0 += 1u) {
        const unsigned part_b_first_put_0 = lane + q_b_first_put_0 * 64u;
        put_4(&tile_b[stage_first_put_0 * 512u + part_b_first_put_0 / 2u * 16u + (part_b_first_put_0 % 2u * 2u + part_b_first_put_0 / 2u / 2u) % 4u * 4u], &next_b[q_b_first_put_0 * 8u]);
        put_4(&tile_b[stage_first_put_0 * 512u + part_b_first_put_0 / 2u * 16u + (part_b_first_put_0 % 2u * 2u + 1u + part_b_first_put_0 / 2u / 2u) % 4u * 4u], &next_b[q_b_first_put_0 * 8u + 4u]);
      }
    }
  }
  #pragma unroll 1
  for (unsigned t_0 = 0u; t_0 < tiles_0; t_0 += 1u) {
    __syncthreads();
    const unsigned next_0 = t_0 + 1u;
    if (next_0 < tiles_0) {
      #pragma unroll
      for (unsigned q_a_next_0 = 0u; q_a_next_0 < 1u; q_a_next_0 += 1u) {
        const unsigned part_a_next_0 = lane + q_a_next_0 * 64u;
        const unsigned row_a_next_0 = row0 + part_a_next_0 / 2u;
        const unsigned col_a_next_0 = next_0 * 16u + part_a_next_0 % 2u * 8u;
        load8(&next_a[q_a_next_0 * 8u], x, row_a_next_0 * 40u + col_a_next_0, row_a_next_0 < M && col_a_next_0 < 40u);
      }
      #pragma unroll
      for (unsigned q_b_next_0 = 0u; q_b_next_0 < 1u; q_b_next_0 += 1u) {
        const unsigned part_b_next_0 = lane + q_b_next_0 * 64u;
        const unsigned row_b_next_0 = next_0 * 16u + part_b_next_0 % 2u * 8u;
        const unsigned col_b_next_0 = col0 + part_b_next_0 / 2u % 8u * 4u + part_b_next_0 / 2u / 8u;
        load8(&next_b[q_b_next_0 * 8u], w, col_b_next_0 * 40u + row_b_next_0, row_b_next_0 < 40u && col_b_next_0 < 24u);
      }
    }
    const unsigned stage_0 = t_0 % 2u;
    #pragma unroll 1
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
        take_4(&col_a[0u], &tile_a[stage_0 * 512u + (tile_row + i_0) * 16u + k_0 * 4u]);
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
    if (next_0 < tiles_0) {
      const unsigned stage_next_put_0 = next_0 % 2u;
      #pragma unroll
      for (unsigned q_a_next_put_0 = 0u; q_a_next_put_0 < 1u; q_a_next_put_0 += 1u) {
        const unsigned part_a_next_put_0 = lane + q_a_next_put_0 * 64u;
        put_4(&tile_a[stage_next_put_0 * 512u + part_a_next_put_0 / 2u * 16u + part_a_next_put_0 % 2u * 8u], &next_a[q_a_next_put_0 * 8u]);
        put_4(&tile_a[stage_next_put_0 * 512u + part_a_next_put_0 / 2u * 16u + part_a_next_put_0 % 2u * 8u + 4u], &next_a[q_a_next_put_0 * 8u + 4u]);
      }
      #pragma unroll
      for (unsigned q_b_next_put_0 = 0u; q_b_next_put_0 < 1u; q_b_next_put_0 += 1u) {
        const unsigned part_b_next_put_0 = lane + q_b_next_put_0 * 64u;
        put_4(&tile_b[stage_next_put_0 * 512u + part_b_next_put_0 / 2u * 16u + (part_b_next_put_0 % 2u * 2u + part_b_next_put_0 / 2u / 2u) % 4u * 4u], &next_b[q_b_next_put_0 * 8u]);
        put_4(&tile_b[stage_next_put_0 * 512u + part_b_next_put_0 / 2u * 16u + (part_b_next_put_0 % 2u * 2u + 1u + part_b_next_put_0 / 2u / 2u) % 4u * 4u], &next_b[q_b_next_put_0 * 8u + 4u]);
      }
    }
  }
  __syncthreads();
  // p l: 16 of the inner dimension in a tile, 2 tiles in the ring
  const unsigned tiles_1 = 1u;
  #pragma unroll 1
  for (unsigned t0_1 = 0u; t0_1 < 1u; t0_1 += 1u) {
    if (t0_1 < tiles_1) {
      #pragma unroll
      for (unsigned q_a_first_1 = 0u; q_a_first_1 < 1u; q_a_first_1 += 1u) {
        const unsigned part_a_first_1 = lane + q_a_first_1 * 64u;
        const unsigned row_a_first_1 = row0 + part_a_first_1 / 2u;
        const unsigned col_a_first_1 = t0_1 * 16u + part_a_first_1 % 2u * 8u;
        load8(&next_a[q_a_first_1 * 8u], p, row_a_first_1 * 16u + col_a_first_1, row_a_first_1 < M && col_a_first_1 < 16u);
      }
      #pragma unroll
      for (unsigned q_b_first_1 = 0u; q_b_first_1 < 1u; q_b_first_1 += 1u) {
        const unsigned part_b_first_1 = lane + q_b_first_1 * 64u;
        const unsigned row_b_first_1 = t0_1 * 16u + part_b_first_1 / 4u;
        const unsigned col_b_first_1 = col0 + part_b_first_1 % 4u * 8u;
        load8(&next_b[q_b_first_1 * 8u], l, row_b_first_1 * 24u + col_b_first_1, row_b_first_1 < 16u && col_b_first_1 < 24u);
      }
    }
    if (t0_1 < tiles_1) {
      const unsigned stage_first_put_1 = t0_1 % 2u;
      #pragma unroll
      for (unsigned q_a_first_put_1 = 0u; q_a_first_put_1 < 1u; q_a_first_put_1 += 1u) {
        const unsigned part_a_first_put_1 = lane + q_a_first_put_1 * 64u;
        put_4(&tile_a[stage_first_put_1 * 512u + part_a_first_put_1 / 2u * 16u + part_a_first_put_1 % 2u * 8u], &next_a[q_a_first_put_1 * 8u]);
        put_4(&tile_a[stage_first_put_1 * 512u + part_a_first_put_1 / 2u * 16u + part_a_first_put_1 % 2u * 8u + 4u], &next_a[q_a_first_put_1 * 8u + 4u]);
      }
      #pragma unroll
      for (unsigned q_b_first_put_1 = 0u; q_b_first_put_1 < 1u; q_b_first_put_1 += 1u) {
        const unsigned part_b_first_put_1 = lane + q_b_first_put_1 * 64u;
        put_4(&tile_b[stage_first_put_1 * 512u + part_b_first_put_1 / 4u * 32u + part_b_first_put_1 % 4u * 8u], &next_b[q_b_first_put_1 * 8u]);
        put_4(&tile_b[stage_first_put_1 * 512u + part_b_first_put_1 / 4u * 32u + part_b_first_put_1 % 4u * 8u + 4u], &next_b[q_b_first_put_1 * 8u + 4u]);
      }
    }
  }
  #pragma unroll 1
  for (unsigned t_1 = 0u; t_1 < tiles_1; t_1 += 1u) {
    __syncthreads();
    const unsigned next_1 = t_1 + 1u;
    if (next_1 < tiles_1) {
      #pragma unroll
      for (unsigned q_a_next_1 = 0u; q_a_next_1 < 1u; q_a_next_1 += 1u) {
        const unsigned part_a_next_1 = lane + q_a_next_1 * 64u;
        const unsigned row_a_next_1 = row0 + part_a_next_1 / 2u;
        const unsigned col_a_next_1 = next_1 * 16u + part_a_next_1 % 2u * 8u;
        load8(&next_a[q_a_next_1 * 8u], p, row_a_next_1 * 16u + col_a_next_1, row_a_next_1 < M && col_a_next_1 < 16u);
      }
      #pragma unroll
      for (unsigned q_b_next_1 = 0u; q_b_next_1 < 1u; q_b_next_1 += 1u) {
        const unsigned part_b_next_1 = lane + q_b_next_1 * 64u;
        const unsigned row_b_next_1 = next_1 * 16u + part_b_next_1 / 4u;
        const unsigned col_b_next_1 = col0 + part_b_next_1 % 4u * 8u;
        load8(&next_b[q_b_next_1 * 8u], l, row_b_next_1 * 24u + col_b_next_1, row_b_next_1 < 16u && col_b_next_1 < 24u);
      }
    }
    const unsigned stage_1 = t_1 % 2u;
    #pragma unroll 1
    for (unsigned k_1 = 0u; k_1 < 4u; k_1 += 1u) {
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 1u; jb_1 += 1u) {
        take_4(&row_b[jb_1 * 4u], &tile_b[stage_1 * 512u + k_1 * 4u * 32u + tile_col + jb_1 * 32u]);
      }
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 1u; jb_1 += 1u) {
        take_4(&row_b[4u + jb_1 * 4u], &tile_b[stage_1 * 512u + (k_1 * 4u + 1u) * 32u + tile_col + jb_1 * 32u]);
      }
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 1u; jb_1 += 1u) {
        take_4(&row_b[8u + jb_1 * 4u], &tile_b[stage_1 * 512u + (k_1 * 4u + 2u) * 32u + tile_col + jb_1 * 32u]);
      }
      #pragma unroll
      for (unsigned jb_1 = 0u; jb_1 < 1u; jb_1 += 1u) {
        take_4(&row_b[12u + jb_1 * 4u], &tile_b[stage_1 * 512u + (k_1 * 4u + 3u) * 32u + tile_col + jb_1 * 32u]);
      }
      #pragma unroll
      for (unsigned i_1 = 0u; i_1 < 4u; i_1 += 1u) {
        take_4(&col_a[0u], &tile_a[stage_1 * 512u + (tile_row + i_1) * 16u + k_1 * 4u]);
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 4u; j_1 += 1u) {
          acc[i_1 * 4u + j_1] = fmaf(col_a[0u], row_b[j_1], acc[i_1 * 4u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 4u; j_1 += 1u) {
          acc[i_1 * 4u + j_1] = fmaf(col_a[1u], row_b[4u + j_1], acc[i_1 * 4u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 4u; j_1 += 1u) {
          acc[i_1 * 4u + j_1] = fmaf(col_a[2u], row_b[8u + j_1], acc[i_1 * 4u + j_1]);
        }
        #pragma unroll
        for (unsigned j_1 = 0u; j_1 < 4u; j_1 += 1u) {
          acc[i_1 * 4u + j_1] = fmaf(col_a[3u], row_b[12u + j_1], acc[i_1 * 4u + j_1]);
        }
      }
    }
    if (next_1 < tiles_1) {
      const unsigned stage_next_put_1 = next_1 % 2u;
      #pragma unroll
      for (unsigned q_a_next_put_1 = 0u; q_a_next_put_1 < 1u; q_a_next_put_1 += 1u) {
        const unsigned part_a_next_put_1 = lane + q_a_next_put_1 * 64u;
        put_4(&tile_a[stage_next_put_1 * 512u + part_a_next_put_1 / 2u * 16u + part_a_next_put_1 % 2u * 8u], &next_a[q_a_next_put_1 * 8u]);
        put_4(&tile_a[stage_next_put_1 * 512u + part_a_next_put_1 / 2u * 16u + part_a_next_put_1 % 2u * 8u + 4u], &next_a[q_a_next_put_1 * 8u + 4u]);
      }
      #pragma unroll
      for (unsigned q_b_next_put_1 = 0u; q_b_next_put_1 < 1u; q_b_next_put_1 += 1u) {
        const unsigned part_b_next_put_1 = lane + q_b_next_put_1 * 64u;
        put_4(&tile_b[stage_next_put_1 * 512u + part_b_next_put_1 / 4u * 32u + part_b_next_put_1 % 4u * 8u], &next_b[q_b_next_put_1 * 8u]);
        put_4(&tile_b[stage_next_put_1 * 512u + part_b_next_put_1 / 4u * 32u + part_b_next_put_1 % 4u * 8u + 4u], &next_b[q_b_next_put_1 * 8u + 4u]);
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
      for (unsigned out_e = 0u; out_e < 2u; out_e += 1u) {
        if (out_row + out_i < M && out_col + out_j * 32u + out_e * 2u < 24u && out_col + out_j * 32u + out_e * 2u + 1u < 24u) {
          const float result = acc[out_i * 4u + out_j * 4u + out_e * 2u];
          const float next = acc[out_i * 4u + out_j * 4u + out_e * 2u + 1u];
          *reinterpret_cast<float2*>(&y[2u + (out_row + out_i) * 26u + out_col + out_j * 32u + out_e * 2u]) = make_float2(result, next);
        }
      }
    }
  }
}
