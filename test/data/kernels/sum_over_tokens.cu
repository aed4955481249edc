// sum over tokens.
// 5 x 11, inner M; tiles 8x8x4, 2x2 each, in 3 parts.
extern "C" __global__ void __launch_bounds__(16)
sum_over_tokens(const float* __restrict__ p, const float* __restrict__ dy, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[32];
  __shared__ float tile_b[32];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 8u;
  const unsigned col0 = blockIdx.x * 8u;
  const unsigned tile_row = lane / 4u * 2u;
  const unsigned tile_col = lane % 4u * 2u;
  // inner dimension of p and dy, 4 at a time
  const unsigned part_from = blockIdx.z * ((M + 2u) / 3u);
  const unsigned part_to = min(part_from + (M + 2u) / 3u, M);
  for (unsigned k0_0 = part_from; k0_0 < part_to; k0_0 += 4u) {
    for (unsigned e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      const unsigned row_a0 = row0 + e_a0 % 8u;
      const unsigned col_a0 = k0_0 + e_a0 / 8u;
      tile_a[e_a0 / 8u * 8u + e_a0 % 8u] = (row_a0 < 5u && col_a0 < part_to ? p[col_a0 * 5u + row_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      const unsigned row_b0 = k0_0 + e_b0 / 8u;
      const unsigned col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = (row_b0 < part_to && col_b0 < 11u ? dy[row_b0 * 11u + col_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 8u + tile_row];
      col_a_1 = tile_a[k_0 * 8u + tile_row + 1u];
      row_b_0 = tile_b[k_0 * 8u + tile_col];
      row_b_1 = tile_b[k_0 * 8u + tile_col + 1u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_1, row_b_0, acc_2);
      acc_3 = fmaf(col_a_1, row_b_1, acc_3);
    }
    __syncthreads();
  }
  // this part of the sum
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 5u && out_col < 11u) {
    const float result = acc_0;
    y[3u + blockIdx.z * 55u + out_row * 11u + out_col] = result;
  }
  if (out_row < 5u && out_col + 1u < 11u) {
    const float result = acc_1;
    y[3u + blockIdx.z * 55u + out_row * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 5u && out_col < 11u) {
    const float result = acc_2;
    y[3u + blockIdx.z * 55u + (out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 5u && out_col + 1u < 11u) {
    const float result = acc_3;
    y[3u + blockIdx.z * 55u + (out_row + 1u) * 11u + out_col + 1u] = result;
  }
}
