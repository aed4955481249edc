// T = s (x R) M.
// M x 3, inner 17; tiles 64x32x16, 4x4 each.
// Predicted by the plan: 36.0 kFLOP, 24.2 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
ort_down_1(const float* __restrict__ x, const float* __restrict__ first, const float* __restrict__ core, float* __restrict__ t, unsigned M) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[512];
  __shared__ float tile_sum[2048];
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
  float acc2_0 = 0.0f;
  float acc2_1 = 0.0f;
  float acc2_2 = 0.0f;
  float acc2_3 = 0.0f;
  float acc2_4 = 0.0f;
  float acc2_5 = 0.0f;
  float acc2_6 = 0.0f;
  float acc2_7 = 0.0f;
  float acc2_8 = 0.0f;
  float acc2_9 = 0.0f;
  float acc2_10 = 0.0f;
  float acc2_11 = 0.0f;
  float acc2_12 = 0.0f;
  float acc2_13 = 0.0f;
  float acc2_14 = 0.0f;
  float acc2_15 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 64u;
  const unsigned col0 = blockIdx.x * 32u;
  const unsigned tile_row = lane / 8u * 4u;
  const unsigned tile_col = lane % 8u * 4u;
  // inner dimension of x and first, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 128u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < M && col_a0 < 17u ? x[row_a0 * 17u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 512u; e_b0 += 128u) {
      const unsigned row_b0 = k0_0 + e_b0 / 32u;
      const unsigned col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 32u + e_b0 % 32u] = (row_b0 < 17u && col_b0 < 3u ? first[row_b0 * 3u + col_b0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 32u + tile_col];
      row_b_1 = tile_b[k_0 * 32u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 32u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 32u + tile_col + 3u];
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
  // the sum, once more multiplied while it is in workgroup memory
  tile_sum[tile_row * 32u + tile_col] = acc_0;
  tile_sum[tile_row * 32u + tile_col + 1u] = acc_1;
  tile_sum[tile_row * 32u + tile_col + 2u] = acc_2;
  tile_sum[tile_row * 32u + tile_col + 3u] = acc_3;
  tile_sum[(tile_row + 1u) * 32u + tile_col] = acc_4;
  tile_sum[(tile_row + 1u) * 32u + tile_col + 1u] = acc_5;
  tile_sum[(tile_row + 1u) * 32u + tile_col + 2u] = acc_6;
  tile_sum[(tile_row + 1u) * 32u + tile_col + 3u] = acc_7;
  tile_sum[(tile_row + 2u) * 32u + tile_col] = acc_8;
  tile_sum[(tile_row + 2u) * 32u + tile_col + 1u] = acc_9;
  tile_sum[(tile_row + 2u) * 32u + tile_col + 2u] = acc_10;
  tile_sum[(tile_row + 2u) * 32u + tile_col + 3u] = acc_11;
  tile_sum[(tile_row + 3u) * 32u + tile_col] = acc_12;
  tile_sum[(tile_row + 3u) * 32u + tile_col + 1u] = acc_13;
  tile_sum[(tile_row + 3u) * 32u + tile_col + 2u] = acc_14;
  tile_sum[(tile_row + 3u) * 32u + tile_col + 3u] = acc_15;
  __syncthreads();
  for (unsigned k_s = 0u; k_s < 3u; k_s += 1u) {
    row_b_0 = (col0 + tile_col < 3u ? core[k_s * 3u + col0 + tile_col] : 0.0f);
    row_b_1 = (col0 + tile_col + 1u < 3u ? core[k_s * 3u + col0 + tile_col + 1u] : 0.0f);
    row_b_2 = (col0 + tile_col + 2u < 3u ? core[k_s * 3u + col0 + tile_col + 2u] : 0.0f);
    row_b_3 = (col0 + tile_col + 3u < 3u ? core[k_s * 3u + col0 + tile_col + 3u] : 0.0f);
    acc2_0 = fmaf(tile_sum[tile_row * 32u + k_s], row_b_0, acc2_0);
    acc2_1 = fmaf(tile_sum[tile_row * 32u + k_s], row_b_1, acc2_1);
    acc2_2 = fmaf(tile_sum[tile_row * 32u + k_s], row_b_2, acc2_2);
    acc2_3 = fmaf(tile_sum[tile_row * 32u + k_s], row_b_3, acc2_3);
    acc2_4 = fmaf(tile_sum[(tile_row + 1u) * 32u + k_s], row_b_0, acc2_4);
    acc2_5 = fmaf(tile_sum[(tile_row + 1u) * 32u + k_s], row_b_1, acc2_5);
    acc2_6 = fmaf(tile_sum[(tile_row + 1u) * 32u + k_s], row_b_2, acc2_6);
    acc2_7 = fmaf(tile_sum[(tile_row + 1u) * 32u + k_s], row_b_3, acc2_7);
    acc2_8 = fmaf(tile_sum[(tile_row + 2u) * 32u + k_s], row_b_0, acc2_8);
    acc2_9 = fmaf(tile_sum[(tile_row + 2u) * 32u + k_s], row_b_1, acc2_9);
    acc2_10 = fmaf(tile_sum[(tile_row + 2u) * 32u + k_s], row_b_2, acc2_10);
    acc2_11 = fmaf(tile_sum[(tile_row + 2u) * 32u + k_s], row_b_3, acc2_11);
    acc2_12 = fmaf(tile_sum[(tile_row + 3u) * 32u + k_s], row_b_0, acc2_12);
    acc2_13 = fmaf(tile_sum[(tile_row + 3u) * 32u + k_s], row_b_1, acc2_13);
    acc2_14 = fmaf(tile_sum[(tile_row + 3u) * 32u + k_s], row_b_2, acc2_14);
    acc2_15 = fmaf(tile_sum[(tile_row + 3u) * 32u + k_s], row_b_3, acc2_15);
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 3u) {
    const float result = 0.33333334f * acc2_0;
    t[out_row * 3u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc2_1;
    t[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc2_2;
    t[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc2_3;
    t[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < M && out_col < 3u) {
    const float result = 0.33333334f * acc2_4;
    t[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc2_5;
    t[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc2_6;
    t[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc2_7;
    t[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < M && out_col < 3u) {
    const float result = 0.33333334f * acc2_8;
    t[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc2_9;
    t[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc2_10;
    t[(out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc2_11;
    t[(out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < M && out_col < 3u) {
    const float result = 0.33333334f * acc2_12;
    t[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc2_13;
    t[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc2_14;
    t[(out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc2_15;
    t[(out_row + 3u) * 3u + out_col + 3u] = result;
  }
}
