// kernels/down_0.cu
// P = s x A.
// M x 3, inner 17; tiles 64x32x16, 4x4 each.
// Predicted by the plan: 6.53 kFLOP, 5.32 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
down_0(const float* __restrict__ x, const float* __restrict__ A, float* __restrict__ P, unsigned M) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[512];
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
  const unsigned col0 = blockIdx.x * 32u;
  const unsigned tile_row = lane / 8u * 4u;
  const unsigned tile_col = lane % 8u * 4u;
  // inner dimension of x and A, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 128u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < M && col_a0 < 17u ? x[row_a0 * 17u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 512u; e_b0 += 128u) {
      const unsigned row_b0 = k0_0 + e_b0 / 32u;
      const unsigned col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 32u + e_b0 % 32u] = (row_b0 < 17u && col_b0 < 3u ? A[row_b0 * 3u + col_b0] : 0.0f);
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
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 3u) {
    const float result = 0.33333334f * acc_0;
    P[out_row * 3u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_1;
    P[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_2;
    P[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_3;
    P[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < M && out_col < 3u) {
    const float result = 0.33333334f * acc_4;
    P[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_5;
    P[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_6;
    P[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_7;
    P[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < M && out_col < 3u) {
    const float result = 0.33333334f * acc_8;
    P[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_9;
    P[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_10;
    P[(out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_11;
    P[(out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < M && out_col < 3u) {
    const float result = 0.33333334f * acc_12;
    P[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_13;
    P[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_14;
    P[(out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_15;
    P[(out_row + 3u) * 3u + out_col + 3u] = result;
  }
}

// kernels/layer_0.cu
// y = x W + P B.
// M x 11, inner 17 + 3; tiles 16x64x16, 1x4 each.
// Predicted by the plan: 28.2 kFLOP, 8.82 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
layer_0(const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ P, const float* __restrict__ B, float* __restrict__ y, unsigned M) {
  __shared__ float tile_a[256];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
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
      const unsigned row_b0 = k0_0 + e_b0 % 16u;
      const unsigned col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 64u + e_b0 / 16u] = (row_b0 < 17u && col_b0 < 11u ? W[col_b0 * 17u + row_b0] : 0.0f);
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
    __syncthreads();
  }
  // inner dimension of P and B, 16 at a time
  for (unsigned k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (unsigned e_a1 = lane; e_a1 < 256u; e_a1 += 256u) {
      const unsigned row_a1 = row0 + e_a1 / 16u;
      const unsigned col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 16u + e_a1 / 16u] = (row_a1 < M && col_a1 < 3u ? P[row_a1 * 3u + col_a1] : 0.0f);
    }
    for (unsigned e_b1 = lane; e_b1 < 1024u; e_b1 += 256u) {
      const unsigned row_b1 = k0_1 + e_b1 / 64u;
      const unsigned col_b1 = col0 + e_b1 % 64u;
      tile_b[e_b1 / 64u * 64u + e_b1 % 64u] = (row_b1 < 3u && col_b1 < 11u ? B[row_b1 * 11u + col_b1] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 16u + tile_row];
      row_b_0 = tile_b[k_1 * 64u + tile_col];
      row_b_1 = tile_b[k_1 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
    }
    __syncthreads();
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

// kernels/drank_0.cu
// dP = s dy B^T.
// M x 3, inner 11; tiles 64x32x16, 4x4 each.
// Predicted by the plan: 4.22 kFLOP, 3.72 kB to and from memory.
extern "C" __global__ void __launch_bounds__(128)
drank_0(const float* __restrict__ dy, const float* __restrict__ B, float* __restrict__ dP, unsigned M) {
  __shared__ float tile_a[1024];
  __shared__ float tile_b[512];
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
  const unsigned col0 = blockIdx.x * 32u;
  const unsigned tile_row = lane / 8u * 4u;
  const unsigned tile_col = lane % 8u * 4u;
  // inner dimension of dy and B, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 1024u; e_a0 += 128u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = (row_a0 < M && col_a0 < 11u ? dy[row_a0 * 11u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 512u; e_b0 += 128u) {
      const unsigned row_b0 = k0_0 + e_b0 % 16u;
      const unsigned col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 32u + e_b0 / 16u] = (row_b0 < 11u && col_b0 < 3u ? B[col_b0 * 11u + row_b0] : 0.0f);
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
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 3u) {
    const float result = 0.33333334f * acc_0;
    dP[out_row * 3u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_1;
    dP[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_2;
    dP[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_3;
    dP[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < M && out_col < 3u) {
    const float result = 0.33333334f * acc_4;
    dP[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_5;
    dP[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_6;
    dP[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_7;
    dP[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < M && out_col < 3u) {
    const float result = 0.33333334f * acc_8;
    dP[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_9;
    dP[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_10;
    dP[(out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_11;
    dP[(out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < M && out_col < 3u) {
    const float result = 0.33333334f * acc_12;
    dP[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < M && out_col + 1u < 3u) {
    const float result = 0.33333334f * acc_13;
    dP[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < M && out_col + 2u < 3u) {
    const float result = 0.33333334f * acc_14;
    dP[(out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < M && out_col + 3u < 3u) {
    const float result = 0.33333334f * acc_15;
    dP[(out_row + 3u) * 3u + out_col + 3u] = result;
  }
}

// kernels/sum_0_parts.cu
// dB = P^T dy, in parts.
// 3 x 11, inner M; tiles 16x64x16, 1x4 each, in 2 parts.
// Predicted by the plan: 4.22 kFLOP, 3.85 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
sum_0_parts(const float* __restrict__ P, const float* __restrict__ dy, float* __restrict__ parts_of_factors, unsigned M) {
  __shared__ float tile_a[256];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of P and dy, 16 at a time
  const unsigned part_from = blockIdx.z * ((M + 1u) / 2u);
  const unsigned part_to = min(part_from + (M + 1u) / 2u, M);
  for (unsigned k0_0 = part_from; k0_0 < part_to; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 256u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 % 16u;
      const unsigned col_a0 = k0_0 + e_a0 / 16u;
      tile_a[e_a0 / 16u * 16u + e_a0 % 16u] = (row_a0 < 3u && col_a0 < part_to ? P[col_a0 * 3u + row_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < part_to && col_b0 < 11u ? dy[row_b0 * 11u + col_b0] : 0.0f);
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
    __syncthreads();
  }
  // this part of the sum
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 3u && out_col < 11u) {
    const float result = acc_0;
    parts_of_factors[blockIdx.z * 33u + out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    const float result = acc_1;
    parts_of_factors[blockIdx.z * 33u + out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    const float result = acc_2;
    parts_of_factors[blockIdx.z * 33u + out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    const float result = acc_3;
    parts_of_factors[blockIdx.z * 33u + out_row * 11u + out_col + 3u] = result;
  }
}

// kernels/sum_0.cu
// adds the parts of dB = P^T dy.
// 3 x 11, 2 parts; 16x16 results per workgroup.
// Predicted by the plan: 66 FLOP, 396 B to and from memory.
extern "C" __global__ void __launch_bounds__(256)
sum_0(const float* __restrict__ parts_of_factors, float* __restrict__ dB) {
  float acc_0 = 0.0f;
  const unsigned row = blockIdx.y * 16u + threadIdx.x / 16u;
  const unsigned col = blockIdx.x * 16u + threadIdx.x % 16u;
  float sum = 0.0f;
  sum = sum + (row < 3u && col < 11u ? parts_of_factors[row * 11u + col] : 0.0f);
  sum = sum + (row < 3u && col < 11u ? parts_of_factors[33u + row * 11u + col] : 0.0f);
  acc_0 = sum;
  // results
  const unsigned out_row = row;
  const unsigned out_col = col;
  if (out_row < 3u && out_col < 11u) {
    const float result = acc_0;
    dB[out_row * 11u + out_col] = dB[out_row * 11u + out_col] + result;
  }
}

// kernels/dfirst_0_parts.cu
// dA = x^T dP, in parts.
// 17 x 3, inner M; tiles 16x64x16, 1x4 each, in 2 parts.
// Predicted by the plan: 6.53 kFLOP, 5.53 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
dfirst_0_parts(const float* __restrict__ x, const float* __restrict__ dP, float* __restrict__ parts_of_factors, unsigned M) {
  __shared__ float tile_a[256];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of x and dP, 16 at a time
  const unsigned part_from = blockIdx.z * ((M + 1u) / 2u);
  const unsigned part_to = min(part_from + (M + 1u) / 2u, M);
  for (unsigned k0_0 = part_from; k0_0 < part_to; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 256u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 % 16u;
      const unsigned col_a0 = k0_0 + e_a0 / 16u;
      tile_a[e_a0 / 16u * 16u + e_a0 % 16u] = (row_a0 < 17u && col_a0 < part_to ? x[col_a0 * 17u + row_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < part_to && col_b0 < 3u ? dP[row_b0 * 3u + col_b0] : 0.0f);
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
    __syncthreads();
  }
  // this part of the sum
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < 17u && out_col < 3u) {
    const float result = acc_0;
    parts_of_factors[blockIdx.z * 51u + out_row * 3u + out_col] = result;
  }
  if (out_row < 17u && out_col + 1u < 3u) {
    const float result = acc_1;
    parts_of_factors[blockIdx.z * 51u + out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < 17u && out_col + 2u < 3u) {
    const float result = acc_2;
    parts_of_factors[blockIdx.z * 51u + out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < 17u && out_col + 3u < 3u) {
    const float result = acc_3;
    parts_of_factors[blockIdx.z * 51u + out_row * 3u + out_col + 3u] = result;
  }
}

// kernels/dfirst_0.cu
// adds the parts of dA = x^T dP.
// 17 x 3, 2 parts; 64x4 results per workgroup.
// Predicted by the plan: 102 FLOP, 612 B to and from memory.
extern "C" __global__ void __launch_bounds__(256)
dfirst_0(const float* __restrict__ parts_of_factors, float* __restrict__ dA) {
  float acc_0 = 0.0f;
  const unsigned row = blockIdx.y * 64u + threadIdx.x / 4u;
  const unsigned col = blockIdx.x * 4u + threadIdx.x % 4u;
  float sum = 0.0f;
  sum = sum + (row < 17u && col < 3u ? parts_of_factors[row * 3u + col] : 0.0f);
  sum = sum + (row < 17u && col < 3u ? parts_of_factors[51u + row * 3u + col] : 0.0f);
  acc_0 = sum;
  // results
  const unsigned out_row = row;
  const unsigned out_col = col;
  if (out_row < 17u && out_col < 3u) {
    const float result = acc_0;
    dA[out_row * 3u + out_col] = dA[out_row * 3u + out_col] + result;
  }
}

// kernels/dx_0.cu
// dx = dy W^T + dP A^T.
// M x 17, inner 11 + 3; tiles 16x64x16, 1x4 each.
// Predicted by the plan: 30.5 kFLOP, 8.89 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
dx_0(const float* __restrict__ dy, const float* __restrict__ W, const float* __restrict__ dP, const float* __restrict__ A, float* __restrict__ dx, unsigned M) {
  __shared__ float tile_a[256];
  __shared__ float tile_b[1024];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y * 16u;
  const unsigned col0 = blockIdx.x * 64u;
  const unsigned tile_row = lane / 16u;
  const unsigned tile_col = lane % 16u * 4u;
  // inner dimension of dy and W, 16 at a time
  for (unsigned k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (unsigned e_a0 = lane; e_a0 < 256u; e_a0 += 256u) {
      const unsigned row_a0 = row0 + e_a0 / 16u;
      const unsigned col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 16u + e_a0 / 16u] = (row_a0 < M && col_a0 < 11u ? dy[row_a0 * 11u + col_a0] : 0.0f);
    }
    for (unsigned e_b0 = lane; e_b0 < 1024u; e_b0 += 256u) {
      const unsigned row_b0 = k0_0 + e_b0 / 64u;
      const unsigned col_b0 = col0 + e_b0 % 64u;
      tile_b[e_b0 / 64u * 64u + e_b0 % 64u] = (row_b0 < 11u && col_b0 < 17u ? W[row_b0 * 17u + col_b0] : 0.0f);
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
    __syncthreads();
  }
  // inner dimension of dP and A, 16 at a time
  for (unsigned k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (unsigned e_a1 = lane; e_a1 < 256u; e_a1 += 256u) {
      const unsigned row_a1 = row0 + e_a1 / 16u;
      const unsigned col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 16u + e_a1 / 16u] = (row_a1 < M && col_a1 < 3u ? dP[row_a1 * 3u + col_a1] : 0.0f);
    }
    for (unsigned e_b1 = lane; e_b1 < 1024u; e_b1 += 256u) {
      const unsigned row_b1 = k0_1 + e_b1 % 16u;
      const unsigned col_b1 = col0 + e_b1 / 16u;
      tile_b[e_b1 % 16u * 64u + e_b1 / 16u] = (row_b1 < 3u && col_b1 < 17u ? A[col_b1 * 3u + row_b1] : 0.0f);
    }
    __syncthreads();
    for (unsigned k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 16u + tile_row];
      row_b_0 = tile_b[k_1 * 64u + tile_col];
      row_b_1 = tile_b[k_1 * 64u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 64u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 64u + tile_col + 3u];
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
    }
    __syncthreads();
  }
  // results
  const unsigned out_row = row0 + tile_row;
  const unsigned out_col = col0 + tile_col;
  if (out_row < M && out_col < 17u) {
    const float result = acc_0;
    dx[out_row * 17u + out_col] = result;
  }
  if (out_row < M && out_col + 1u < 17u) {
    const float result = acc_1;
    dx[out_row * 17u + out_col + 1u] = result;
  }
  if (out_row < M && out_col + 2u < 17u) {
    const float result = acc_2;
    dx[out_row * 17u + out_col + 2u] = result;
  }
  if (out_row < M && out_col + 3u < 17u) {
    const float result = acc_3;
    dx[out_row * 17u + out_col + 3u] = result;
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
