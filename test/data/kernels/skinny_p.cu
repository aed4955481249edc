// skinny p.
// M x 5, inner 29; tiles 16x8x4, 4x2 each.
extern "C" __global__ void __launch_bounds__(16)
skinny_p(const float* __restrict__ x, const float* __restrict__ r, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[64];
  __shared__ float tile_b[32];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float acc_4 = 0.0f;
  float acc_5 = 0.0f;
  float acc_6 = 0.0f;
  float acc_7 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float col_a_2 = 0.0f;
  float col_a_3 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 8u;
  const unsigned tile_row = lane / 4u * 4u;
  const unsigned tile_col = lane % 4u * 2u;
  // inner dimension of x and r, 4 at a time
  for (unsigned k0_0 = 0u; k0_0 < 29u; k0_0 += 4u) {
    for (unsigned e_a0 = lane; e_a0 < 64u; e_a0 += 16u) {
      const unsigned row_a0 = row0 + e_a0 / 4u;
      const unsigned col_a0 = k0_0 + e_a0 % 4u;
      tile_a[e_a0 % 4u * 16u + e_a0 / 4u] = (row_a0 < M && col_a0 < 29u ? x[row_a0 * 29u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      const unsigned row_b0 = k0_0 + e_b0 / 8u;
      const unsigned col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = (row_b0 < 29u && col_b0 < 5u ? r[row_b0 * 5u + col_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 16u + tile_row];
      col_a_1 = tile_a[k_0 * 16u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 16u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 16u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 8u + tile_col];
      row_b_1 = tile_b[k_0 * 8u + tile_col + 1u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_1, row_b_0, acc_2);
      acc_3 = fmaf(col_a_1, row_b_1, acc_3);
      acc_4 = fmaf(col_a_2, row_b_0, acc_4);
      acc_5 = fmaf(col_a_2, row_b_1, acc_5);
      acc_6 = fmaf(col_a_3, row_b_0, acc_6);
      acc_7 = fmaf(col_a_3, row_b_1, acc_7);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 5u) {
    const float result = acc_0;
    y[3u + out_row * 7u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 5u) {
    const float result = acc_1;
    y[3u + out_row * 7u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col < 5u) {
    const float result = acc_2;
    y[3u + (out_row + 1u) * 7u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 5u) {
    const float result = acc_3;
    y[3u + (out_row + 1u) * 7u + out_col + 1u] = result;
  }
  if (out_row + 2u < M && out_col < 5u) {
    const float result = acc_4;
    y[3u + (out_row + 2u) * 7u + out_col] = result;
  }
  if (out_row + 2u < M && out_col + 1u < 5u) {
    const float result = acc_5;
    y[3u + (out_row + 2u) * 7u + out_col + 1u] = result;
  }
  if (out_row + 3u < M && out_col < 5u) {
    const float result = acc_6;
    y[3u + (out_row + 3u) * 7u + out_col] = result;
  }
  if (out_row + 3u < M && out_col + 1u < 5u) {
    const float result = acc_7;
    y[3u + (out_row + 3u) * 7u + out_col + 1u] = result;
  }
}
