// The sum over a warp, the same in all of its threads.
static __device__ __forceinline__ float warp_sum(float value) {
  for (unsigned step = 16u; step > 0u; step /= 2u) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// lanes merged launch.
// M x 29, inner 79; 1x24, 8 columns at a time, inner over 64 invocations, subgroups.
extern "C" __global__ void __launch_bounds__(64)
lanes_merged_launch(const float* __restrict__ x, const float* __restrict__ r, const float* __restrict__ w, const float* __restrict__ l, float* __restrict__ y, unsigned M) {
  __shared__ float sums[512];
  __shared__ float kept[10];
  float acc_0 = 0.0f;
  float acc_1 = 0.0f;
  float acc_2 = 0.0f;
  float acc_3 = 0.0f;
  float acc_4 = 0.0f;
  float acc_5 = 0.0f;
  float acc_6 = 0.0f;
  float acc_7 = 0.0f;
  float col_a_0 = 0.0f;
  float row_b_0 = 0.0f;
  float row_b_1 = 0.0f;
  float row_b_2 = 0.0f;
  float row_b_3 = 0.0f;
  float row_b_4 = 0.0f;
  float row_b_5 = 0.0f;
  float row_b_6 = 0.0f;
  float row_b_7 = 0.0f;
  float total_0 = 0.0f;
  const unsigned lane = threadIdx.x;
  const unsigned row0 = blockIdx.y;
  const unsigned col0 = blockIdx.x * 24u;
  // number of this invocation in its subgroup, and how many there are
  const unsigned peer = threadIdx.x % 32u;
  const unsigned peers = 32u;
  // P, for all rows of this workgroup
  // inner dimension of x and r, 64 at a time
  for (unsigned k0_p = 0u; k0_p < 79u; k0_p += 64u) {
    const unsigned k_p = k0_p + lane;
    col_a_0 = (row0 < M && k_p < 79u ? x[row0 * 79u + k_p] : 0.0f);
    row_b_0 = (k_p < 79u ? r[k_p * 3u] : 0.0f);
    row_b_1 = (k_p < 79u ? r[k_p * 3u + 1u] : 0.0f);
    row_b_2 = (k_p < 79u ? r[k_p * 3u + 2u] : 0.0f);
    acc_0 = fmaf(col_a_0, row_b_0, acc_0);
    acc_1 = fmaf(col_a_0, row_b_1, acc_1);
    acc_2 = fmaf(col_a_0, row_b_2, acc_2);
  }
  // every subgroup adds what all invocations have: each of its own takes some of them
  sums[lane] = acc_0;
  acc_0 = 0.0f;
  sums[64u + lane] = acc_1;
  acc_1 = 0.0f;
  sums[128u + lane] = acc_2;
  acc_2 = 0.0f;
  __syncthreads();
  for (unsigned l_p = peer; l_p < 64u; l_p += peers) {
    acc_0 = acc_0 + sums[l_p];
    acc_1 = acc_1 + sums[64u + l_p];
    acc_2 = acc_2 + sums[128u + l_p];
  }
  acc_0 = warp_sum(acc_0);
  acc_1 = warp_sum(acc_1);
  acc_2 = warp_sum(acc_2);
  total_0 = (lane == 0u ? acc_0 : total_0);
  total_0 = (lane == 1u ? acc_1 : total_0);
  total_0 = (lane == 2u ? acc_2 : total_0);
  if (lane < 3u) {
    const unsigned own = min(lane, 2u);
    kept[own / 3u * 10u + own % 3u] = 0.5f * total_0;
  }
  __syncthreads();
  for (unsigned c0_y = 0u; c0_y < 24u; c0_y += 8u) {
    acc_0 = 0.0f;
    acc_1 = 0.0f;
    acc_2 = 0.0f;
    acc_3 = 0.0f;
    acc_4 = 0.0f;
    acc_5 = 0.0f;
    acc_6 = 0.0f;
    acc_7 = 0.0f;
    // inner dimension of x and w, 64 at a time
    for (unsigned k0_0 = 0u; k0_0 < 79u; k0_0 += 64u) {
      const unsigned k_0 = k0_0 + lane;
      col_a_0 = (row0 < M && k_0 < 79u ? x[row0 * 79u + k_0] : 0.0f);
      row_b_0 = (k_0 < 79u && col0 + c0_y < 29u ? w[k_0 * 29u + col0 + c0_y] : 0.0f);
      row_b_1 = (k_0 < 79u && col0 + c0_y + 1u < 29u ? w[k_0 * 29u + col0 + c0_y + 1u] : 0.0f);
      row_b_2 = (k_0 < 79u && col0 + c0_y + 2u < 29u ? w[k_0 * 29u + col0 + c0_y + 2u] : 0.0f);
      row_b_3 = (k_0 < 79u && col0 + c0_y + 3u < 29u ? w[k_0 * 29u + col0 + c0_y + 3u] : 0.0f);
      row_b_4 = (k_0 < 79u && col0 + c0_y + 4u < 29u ? w[k_0 * 29u + col0 + c0_y + 4u] : 0.0f);
      row_b_5 = (k_0 < 79u && col0 + c0_y + 5u < 29u ? w[k_0 * 29u + col0 + c0_y + 5u] : 0.0f);
      row_b_6 = (k_0 < 79u && col0 + c0_y + 6u < 29u ? w[k_0 * 29u + col0 + c0_y + 6u] : 0.0f);
      row_b_7 = (k_0 < 79u && col0 + c0_y + 7u < 29u ? w[k_0 * 29u + col0 + c0_y + 7u] : 0.0f);
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
      acc_4 = fmaf(col_a_0, row_b_4, acc_4);
      acc_5 = fmaf(col_a_0, row_b_5, acc_5);
      acc_6 = fmaf(col_a_0, row_b_6, acc_6);
      acc_7 = fmaf(col_a_0, row_b_7, acc_7);
    }
    // P times l
    for (unsigned k0_up = 0u; k0_up < 3u; k0_up += 64u) {
      const unsigned k_up = k0_up + lane;
      col_a_0 = kept[min(k_up, 2u)];
      row_b_0 = (k_up < 3u && col0 + c0_y < 29u ? l[k_up * 29u + col0 + c0_y] : 0.0f);
      row_b_1 = (k_up < 3u && col0 + c0_y + 1u < 29u ? l[k_up * 29u + col0 + c0_y + 1u] : 0.0f);
      row_b_2 = (k_up < 3u && col0 + c0_y + 2u < 29u ? l[k_up * 29u + col0 + c0_y + 2u] : 0.0f);
      row_b_3 = (k_up < 3u && col0 + c0_y + 3u < 29u ? l[k_up * 29u + col0 + c0_y + 3u] : 0.0f);
      row_b_4 = (k_up < 3u && col0 + c0_y + 4u < 29u ? l[k_up * 29u + col0 + c0_y + 4u] : 0.0f);
      row_b_5 = (k_up < 3u && col0 + c0_y + 5u < 29u ? l[k_up * 29u + col0 + c0_y + 5u] : 0.0f);
      row_b_6 = (k_up < 3u && col0 + c0_y + 6u < 29u ? l[k_up * 29u + col0 + c0_y + 6u] : 0.0f);
      row_b_7 = (k_up < 3u && col0 + c0_y + 7u < 29u ? l[k_up * 29u + col0 + c0_y + 7u] : 0.0f);
      acc_0 = fmaf(col_a_0, row_b_0, acc_0);
      acc_1 = fmaf(col_a_0, row_b_1, acc_1);
      acc_2 = fmaf(col_a_0, row_b_2, acc_2);
      acc_3 = fmaf(col_a_0, row_b_3, acc_3);
      acc_4 = fmaf(col_a_0, row_b_4, acc_4);
      acc_5 = fmaf(col_a_0, row_b_5, acc_5);
      acc_6 = fmaf(col_a_0, row_b_6, acc_6);
      acc_7 = fmaf(col_a_0, row_b_7, acc_7);
    }
    // every subgroup adds what all invocations have: each of its own takes some of them
    sums[lane] = acc_0;
    acc_0 = 0.0f;
    sums[64u + lane] = acc_1;
    acc_1 = 0.0f;
    sums[128u + lane] = acc_2;
    acc_2 = 0.0f;
    sums[192u + lane] = acc_3;
    acc_3 = 0.0f;
    sums[256u + lane] = acc_4;
    acc_4 = 0.0f;
    sums[320u + lane] = acc_5;
    acc_5 = 0.0f;
    sums[384u + lane] = acc_6;
    acc_6 = 0.0f;
    sums[448u + lane] = acc_7;
    acc_7 = 0.0f;
    __syncthreads();
    for (unsigned l_y = peer; l_y < 64u; l_y += peers) {
      acc_0 = acc_0 + sums[l_y];
      acc_1 = acc_1 + sums[64u + l_y];
      acc_2 = acc_2 + sums[128u + l_y];
      acc_3 = acc_3 + sums[192u + l_y];
      acc_4 = acc_4 + sums[256u + l_y];
      acc_5 = acc_5 + sums[320u + l_y];
      acc_6 = acc_6 + sums[384u + l_y];
      acc_7 = acc_7 + sums[448u + l_y];
    }
    acc_0 = warp_sum(acc_0);
    acc_1 = warp_sum(acc_1);
    acc_2 = warp_sum(acc_2);
    acc_3 = warp_sum(acc_3);
    acc_4 = warp_sum(acc_4);
    acc_5 = warp_sum(acc_5);
    acc_6 = warp_sum(acc_6);
    acc_7 = warp_sum(acc_7);
    total_0 = (lane == 0u ? acc_0 : total_0);
    total_0 = (lane == 1u ? acc_1 : total_0);
    total_0 = (lane == 2u ? acc_2 : total_0);
    total_0 = (lane == 3u ? acc_3 : total_0);
    total_0 = (lane == 4u ? acc_4 : total_0);
    total_0 = (lane == 5u ? acc_5 : total_0);
    total_0 = (lane == 6u ? acc_6 : total_0);
    total_0 = (lane == 7u ? acc_7 : total_0);
    // results
    const unsigned out_row = row0;
    const unsigned out_col = col0 + c0_y;
    if (lane < 8u) {
      const unsigned own = min(lane, 7u);
      if (out_row + own / 8u < M && out_col + own % 8u < 29u) {
        const float result = total_0;
        y[3u + (out_row + own / 8u) * 31u + out_col + own % 8u] = result;
      }
    }
    __syncthreads();
  }
}
