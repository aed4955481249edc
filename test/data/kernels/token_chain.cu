// token chain.
// M x 5, inner 19; tiles 8x8x4, 2x2 each.
extern "C" __global__ void __launch_bounds__(16)
token_chain(const float* __restrict__ x, const float* __restrict__ r, const float* __restrict__ m, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[32];
  __shared__ float tile_b[32];
  __shared__ float tile_sum[64];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float acc2_0 = 0.0f;
  float acc2_1 = 0.0f;
  float acc2_2 = 0.0f;
  float acc2_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 8u;
  const unsigned col0 = blockIdx.x * 8u;
  const unsigned tile_row = lane / 4u * 2u;
  const unsigned tile_col = lane % 4u * 2u;
  // inner dimension of x and r, 4 at a time
  for (unsigned k0_0 = 0u; k0_0 < 19u; k0_0 += 4u) {
    for (unsigned e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      const unsigned row_a0 = row0 + e_a0 / 4u;
      const unsigned col_a0 = k0_0 + e_a0 % 4u;
      tile_a[e_a0 % 4u * 8u + e_a0 / 4u] = (row_a0 < M && col_a0 < 19u ? x[row_a0 * 19u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      const unsigned row_b0 = k0_0 + e_b0 / 8u;
      const unsigned col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = (row_b0 < 19u && col_b0 < 5u ? r[row_b0 * 5u + col_b0] : 0.0f);
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
  // the sum, once more multiplied while it is in workgroup memory
  tile_sum[tile_row * 8u + tile_col] = acc_0;
  tile_sum[tile_row * 8u + tile_col + 1u] = acc_1;
  tile_sum[(tile_row + 1u) * 8u + tile_col] = acc_2;
  tile_sum[(tile_row + 1u) * 8u + tile_col + 1u] = acc_3;
  __syncthreads();
  for (unsigned k_s = 0u; k_s < 5u; k_s += 1u) {
    row_b_0 = (col0 + tile_col < 7u ? m[k_s * 7u + col0 + tile_col] : 0.0f);
    row_b_1 = (col0 + tile_col + 1u < 7u ? m[k_s * 7u + col0 + tile_col + 1u] : 0.0f);
    acc2_0 = fmaf(tile_sum[tile_row * 8u + k_s], row_b_0, acc2_0);
    acc2_1 = fmaf(tile_sum[tile_row * 8u + k_s], row_b_1, acc2_1);
    acc2_2 = fmaf(tile_sum[(tile_row + 1u) * 8u + k_s], row_b_0, acc2_2);
    acc2_3 = fmaf(tile_sum[(tile_row + 1u) * 8u + k_s], row_b_1, acc2_3);
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 7u) {
    const float result = acc2_0;
    y[3u + out_row * 9u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 7u) {
    const float result = acc2_1;
    y[3u + out_row * 9u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col < 7u) {
    const float result = acc2_2;
    y[3u + (out_row + 1u) * 9u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 7u) {
    const float result = acc2_3;
    y[3u + (out_row + 1u) * 9u + out_col + 1u] = result;
  }
}
