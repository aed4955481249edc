// kernels/fold_Lp_0.cu
// L' = s M L, 2 sites.
// 6 x 11, inner 3; tiles 64x64x16, 4x4 each.
// Predicted by the plan: 396 FLOP, 468 B to and from memory.
extern "C" __global__ void __launch_bounds__(256)
fold_Lp_0(const float* __restrict__ M, const float* __restrict__ L, float* __restrict__ Lp) {
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
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < 6u && col_a0 < 3u ? M[row_a0 * 3u + col_a0] : 0.0f);
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
  if (out_row < 6u && out_col < 11u) {
    const float result = 0.33333334f * acc_0;
    Lp[out_row * 11u + out_col] = result;
  }
  if (out_row < 6u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_1;
    Lp[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 6u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_2;
    Lp[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 6u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_3;
    Lp[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 6u && out_col < 11u) {
    const float result = 0.33333334f * acc_4;
    Lp[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 6u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_5;
    Lp[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 6u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_6;
    Lp[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 6u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_7;
    Lp[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 6u && out_col < 11u) {
    const float result = 0.33333334f * acc_8;
    Lp[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 6u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_9;
    Lp[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 6u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_10;
    Lp[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 6u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_11;
    Lp[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 6u && out_col < 11u) {
    const float result = 0.33333334f * acc_12;
    Lp[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 6u && out_col + 1u < 11u) {
    const float result = 0.33333334f * acc_13;
    Lp[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 6u && out_col + 2u < 11u) {
    const float result = 0.33333334f * acc_14;
    Lp[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 6u && out_col + 3u < 11u) {
    const float result = 0.33333334f * acc_15;
    Lp[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/layer_0.cu
// y = x W + (x R) L' + b.
// M x 11, inner 17; tiles 16x64x16, 1x4 each.
// Predicted by the plan: 3.79 kFLOP, 1.91 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
layer_0(const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ R, const float* __restrict__ Lp, const float* __restrict__ b, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[256];
  __shared__ float tile_b[1024];
  __shared__ float tile_d[48];
  __shared__ float tile_p[48];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  float down_0 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of x and W, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 256u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 16u + e_a0 / 16u] = (row_a0 < M && col_a0 < 17u ? x[row_a0 * 17u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < 17u && col_b0 < 11u ? W[row_b0 * 11u + col_b0] : 0.0f);
    }
    for (unsigned e_d0 = lane; e_d0 < 48u; e_d0 += 256u) {
      const unsigned row_d0 = k0_0 + e_d0 / 3u;
      const unsigned col_d0 = e_d0 % 3u;
      tile_d[e_d0 / 3u * 3u + e_d0 % 3u] = (row_d0 < 17u && col_d0 < 3u ? R[row_d0 * 3u + col_d0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 16u + tile_row];
      row_b_0 = tile_b[k_0 * 64u + tile_col];
      row_b_1 = tile_b[k_0 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
    }
    for (unsigned kd_0 = 0u; kd_0 < 16u; kd_0 += 1u) {
      down_0 = fmaf(tile_a[kd_0 * 16u + min(lane, 47u) / 3u], tile_d[kd_0 * 3u + min(lane, 47u) % 3u], down_0);
    }
    __syncthreads();
  }
  // P, computed with the base product, times the second factor
  if (lane < 48u) {
    tile_p[lane] = 1.0f * down_0;
  }
  __syncthreads();
  for (unsigned k_p = 0u; k_p < 3u; k_p += 1u) {
    row_b_0 = (col0 + tile_col < 11u ? Lp[k_p * 11u + col0 + tile_col] : 0.0f);
    row_b_1 = (col0 + tile_col + 1u < 11u ? Lp[k_p * 11u + col0 + tile_col + 1u] : 0.0f);
    row_b_2 = (col0 + tile_col + 2u < 11u ? Lp[k_p * 11u + col0 + tile_col + 2u] : 0.0f);
    row_b_3 = (col0 + tile_col + 3u < 11u ? Lp[k_p * 11u + col0 + tile_col + 3u] : 0.0f);
    acc_0 = fmaf(tile_p[tile_row * 3u + k_p], row_b_0, acc_0);
    acc_1 = fmaf(tile_p[tile_row * 3u + k_p], row_b_1, acc_1);
    acc_2 = fmaf(tile_p[tile_row * 3u + k_p], row_b_2, acc_2);
    acc_3 = fmaf(tile_p[tile_row * 3u + k_p], row_b_3, acc_3);
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 11u) {
    const float result = acc_0 + b[out_col];
    y[out_row * 11u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 11u) {
    const float result = acc_1 + b[out_col + 1u];
    y[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < M && out_col + 2u < 11u) {
    const float result = acc_2 + b[out_col + 2u];
    y[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < M && out_col + 3u < 11u) {
    const float result = acc_3 + b[out_col + 3u];
    y[out_row * 11u + out_col + 3u] = result;
  }
}

// kernels/layer_1.cu
// y = x W + (x R) L'.
// M x 11, inner 17; tiles 16x64x16, 1x4 each.
// Predicted by the plan: 3.79 kFLOP, 1.87 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
layer_1(const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ R, const float* __restrict__ Lp, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[256];
  __shared__ float tile_b[1024];
  __shared__ float tile_d[48];
  __shared__ float tile_p[48];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  float down_0 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of x and W, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 256u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 16u + e_a0 / 16u] = (row_a0 < M && col_a0 < 17u ? x[row_a0 * 17u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < 17u && col_b0 < 11u ? W[row_b0 * 11u + col_b0] : 0.0f);
    }
    for (unsigned e_d0 = lane; e_d0 < 48u; e_d0 += 256u) {
      const unsigned row_d0 = k0_0 + e_d0 / 3u;
      const unsigned col_d0 = e_d0 % 3u;
      tile_d[e_d0 / 3u * 3u + e_d0 % 3u] = (row_d0 < 17u && col_d0 < 3u ? R[row_d0 * 3u + col_d0] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 16u + tile_row];
      row_b_0 = tile_b[k_0 * 64u + tile_col];
      row_b_1 = tile_b[k_0 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
    }
    for (unsigned kd_0 = 0u; kd_0 < 16u; kd_0 += 1u) {
      down_0 = fmaf(tile_a[kd_0 * 16u + min(lane, 47u) / 3u], tile_d[kd_0 * 3u + min(lane, 47u) % 3u], down_0);
    }
    __syncthreads();
  }
  // P, computed with the base product, times the second factor
  if (lane < 48u) {
    tile_p[lane] = 1.0f * down_0;
  }
  __syncthreads();
  for (unsigned k_p = 0u; k_p < 3u; k_p += 1u) {
    row_b_0 = (col0 + tile_col < 11u ? Lp[33u + k_p * 11u + col0 + tile_col] : 0.0f);
    row_b_1 = (col0 + tile_col + 1u < 11u ? Lp[33u + k_p * 11u + col0 + tile_col + 1u] : 0.0f);
    row_b_2 = (col0 + tile_col + 2u < 11u ? Lp[33u + k_p * 11u + col0 + tile_col + 2u] : 0.0f);
    row_b_3 = (col0 + tile_col + 3u < 11u ? Lp[33u + k_p * 11u + col0 + tile_col + 3u] : 0.0f);
    acc_0 = fmaf(tile_p[tile_row * 3u + k_p], row_b_0, acc_0);
    acc_1 = fmaf(tile_p[tile_row * 3u + k_p], row_b_1, acc_1);
    acc_2 = fmaf(tile_p[tile_row * 3u + k_p], row_b_2, acc_2);
    acc_3 = fmaf(tile_p[tile_row * 3u + k_p], row_b_3, acc_3);
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 11u) {
    const float result = acc_0;
    y[out_row * 11u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 11u) {
    const float result = acc_1;
    y[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < M && out_col + 2u < 11u) {
    const float result = acc_2;
    y[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < M && out_col + 3u < 11u) {
    const float result = acc_3;
    y[out_row * 11u + out_col + 3u] = result;
  }
}
