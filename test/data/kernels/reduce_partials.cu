// adds the parts of each sum, in order.
// 4 sums, 256 elements per workgroup.
// Predicted by the plan: 400 FLOP, 2 kB to and from memory.
extern "C" __global__ void __launch_bounds__(256)
reduce_partials(const float* __restrict__ partials, float* __restrict__ Z_0, float* __restrict__ dR_0) {
  // Z_0 += the 8 parts
  if (blockIdx.x < 1u) {
    const unsigned element_0 = blockIdx.x * 256u + threadIdx.x;
    if (element_0 < 11u) {
      float sum_0 = Z_0[element_0];
      for (unsigned part_0 = 0u; part_0 < 8u; part_0 += 1u) {
        sum_0 = sum_0 + partials[part_0 * 11u + element_0];
      }
      Z_0[element_0] = sum_0;
    }
  }
  // Z_0 += the 8 parts
  if (0u < blockIdx.x && blockIdx.x < 2u) {
    const unsigned element_1 = (blockIdx.x - 1u) * 256u + threadIdx.x;
    if (element_1 < 11u) {
      float sum_1 = Z_0[11u + element_1];
      for (unsigned part_1 = 0u; part_1 < 8u; part_1 += 1u) {
        sum_1 = sum_1 + partials[88u + part_1 * 11u + element_1];
      }
      Z_0[11u + element_1] = sum_1;
    }
  }
  // Z_0 += the 8 parts
  if (1u < blockIdx.x && blockIdx.x < 3u) {
    const unsigned element_2 = (blockIdx.x - 2u) * 256u + threadIdx.x;
    if (element_2 < 11u) {
      float sum_2 = Z_0[22u + element_2];
      for (unsigned part_2 = 0u; part_2 < 8u; part_2 += 1u) {
        sum_2 = sum_2 + partials[176u + part_2 * 11u + element_2];
      }
      Z_0[22u + element_2] = sum_2;
    }
  }
  // dR_0 += the 8 parts
  if (2u < blockIdx.x && blockIdx.x < 4u) {
    const unsigned element_3 = (blockIdx.x - 3u) * 256u + threadIdx.x;
    if (element_3 < 17u) {
      float sum_3 = dR_0[element_3];
      for (unsigned part_3 = 0u; part_3 < 8u; part_3 += 1u) {
        sum_3 = sum_3 + partials[264u + part_3 * 17u + element_3];
      }
      dR_0[element_3] = sum_3;
    }
  }
}
