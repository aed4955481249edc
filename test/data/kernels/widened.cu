// widened.
// M x 17, inner 13; tiles 8x8x4, 2x2 each.
extern "C" __global__ void __launch_bounds__(16)
widened(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ r, const float* __restrict__ l, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[32];
  __shared__ float tile_b[32];
  __shared__ float tile_d[12];
  __shared__ float tile_p[24];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float col_a_1 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float down_0 = 0.0f;
  float down_1 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 8u;
  const unsigned col0 = blockIdx.x * 8u;
  const unsigned tile_row = lane / 4u * 2u;
  const unsigned tile_col = lane % 4u * 2u;
  // inner dimension of x and w, 4 at a time
  for (unsigned k0_0 = 0u; k0_0 < 13u; k0_0 += 4u) {
    for (unsigned e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      const unsigned row_a0 = row0 + e_a0 / 4u;
      const unsigned col_a0 = k0_0 + e_a0 % 4u;
      tile_a[e_a0 % 4u * 8u + e_a0 / 4u] = (row_a0 < M && col_a0 < 13u ? x[row_a0 * 13u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      const unsigned row_b0 = k0_0 + e_b0 / 8u;
      const unsigned col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = (row_b0 < 13u && col_b0 < 17u ? w[row_b0 * 17u + col_b0] : 0.0f);
    }
    for (unsigned e_d0 = lane; e_d0 < 12u; e_d0 += 16u) {
      const unsigned row_d0 = k0_0 + e_d0 / 3u;
      const unsigned col_d0 = e_d0 % 3u;
      tile_d[e_d0 / 3u * 3u + e_d0 % 3u] = (row_d0 < 13u && col_d0 < 3u ? r[row_d0 * 3u + col_d0] : 0.0f);
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
    for (unsigned kd_0 = 0u; kd_0 < 4u; kd_0 += 1u) {
      down_0 = fmaf(tile_a[kd_0 * 8u + min(lane, 23u) / 3u], tile_d[kd_0 * 3u + min(lane, 23u) % 3u], down_0);
      down_1 = fmaf(tile_a[kd_0 * 8u + min(lane + 16u, 23u) / 3u], tile_d[kd_0 * 3u + min(lane + 16u, 23u) % 3u], down_1);
    }
    __syncthreads();
  }
  // P, computed with the base product, times the second factor
  if (lane < 24u) {
    tile_p[lane] = 0.5f * down_0;
  }
  if (lane + 16u < 24u) {
    tile_p[lane + 16u] = 0.5f * down_1;
  }
  __syncthreads();
  for (unsigned k_p = 0u; k_p < 3u; k_p += 1u) {
    row_b_0 = (col0 + tile_col < 17u ? l[k_p * 17u + col0 + tile_col] : 0.0f);
    row_b_1 = (col0 + tile_col + 1u < 17u ? l[k_p * 17u + col0 + tile_col + 1u] : 0.0f);
    acc_0 = fmaf(tile_p[tile_row * 3u + k_p], row_b_0, acc_0);
    acc_1 = fmaf(tile_p[tile_row * 3u + k_p], row_b_1, acc_1);
    acc_2 = fmaf(tile_p[(tile_row + 1u) * 3u + k_p], row_b_0, acc_2);
    acc_3 = fmaf(tile_p[(tile_row + 1u) * 3u + k_p], row_b_1, acc_3);
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 17u) {
    const float result = acc_0;
    y[3u + out_row * 19u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 17u) {
    const float result = acc_1;
    y[3u + out_row * 19u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col < 17u) {
    const float result = acc_2;
    y[3u + (out_row + 1u) * 19u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 17u) {
    const float result = acc_3;
    y[3u + (out_row + 1u) * 19u + out_col + 1u] = result;
  }
}
