// bias residual relu.
// M x 11, inner 5 + 2; tiles 8x8x4, 2x2 each.
extern "C" __global__ void __launch_bounds__(16)
bias_residual_relu(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ p, const float* __restrict__ l, const float* __restrict__ b, const float* __restrict__ before, float* __restrict__ y, unsigned M) {
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
  // inner dimension of x and w, 4 at a time
  for (unsigned k0_0 = 0u; k0_0 < 5u; k0_0 += 4u) {
    for (unsigned e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      const unsigned row_a0 = row0 + e_a0 / 4u;
      const unsigned col_a0 = k0_0 + e_a0 % 4u;
      tile_a[e_a0 % 4u * 8u + e_a0 / 4u] = (row_a0 < M && col_a0 < 5u ? x[row_a0 * 5u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      const unsigned row_b0 = k0_0 + e_b0 / 8u;
      const unsigned col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = (row_b0 < 5u && col_b0 < 11u ? w[row_b0 * 11u + col_b0] : 0.0f);
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
  // inner dimension of p and l, 4 at a time
  for (unsigned k0_1 = 0u; k0_1 < 2u; k0_1 += 4u) {
    for (unsigned e_a1 = lane; e_a1 < 32u; e_a1 += 16u) {
      const unsigned row_a1 = row0 + e_a1 / 4u;
      const unsigned col_a1 = k0_1 + e_a1 % 4u;
      tile_a[e_a1 % 4u * 8u + e_a1 / 4u] = (row_a1 < M && col_a1 < 2u ? p[row_a1 * 2u + col_a1] : 0.0f);
    }
    for (unsigned e_b1 = lane; e_b1 < 32u; e_b1 += 16u) {
      const unsigned row_b1 = k0_1 + e_b1 / 8u;
      const unsigned col_b1 = col0 + e_b1 % 8u;
      tile_b[e_b1 / 8u * 8u + e_b1 % 8u] = (row_b1 < 2u && col_b1 < 11u ? l[row_b1 * 11u + col_b1] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_1 = 0u; k_1 < 4u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 8u + tile_row];
      col_a_1 = tile_a[k_1 * 8u + tile_row + 1u];
      row_b_0 = tile_b[k_1 * 8u + tile_col];
      row_b_1 = tile_b[k_1 * 8u + tile_col + 1u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_1, row_b_0, acc_2);
      acc_3 = fmaf(col_a_1, row_b_1, acc_3);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 11u) {
    const float preactivation = 0.75f * acc_0 + b[2u + out_col] + before[1u + out_row * 11u + out_col];
    const float result = fmaxf(preactivation, 0.0f);
    y[3u + out_row * 13u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 11u) {
    const float preactivation = 0.75f * acc_1 + b[2u + out_col + 1u] + before[1u + out_row * 11u + out_col + 1u];
    const float result = fmaxf(preactivation, 0.0f);
    y[3u + out_row * 13u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col < 11u) {
    const float preactivation = 0.75f * acc_2 + b[2u + out_col] + before[1u + (out_row + 1u) * 11u + out_col];
    const float result = fmaxf(preactivation, 0.0f);
    y[3u + (out_row + 1u) * 13u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 11u) {
    const float preactivation = 0.75f * acc_3 + b[2u + out_col + 1u] + before[1u + (out_row + 1u) * 11u + out_col + 1u];
    const float result = fmaxf(preactivation, 0.0f);
    y[3u + (out_row + 1u) * 13u + out_col + 1u] = result;
  }
}
