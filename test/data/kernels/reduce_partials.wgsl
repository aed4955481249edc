// adds the parts of each sum, in order.
// 4 sums, 256 elements per workgroup.
// Predicted by the plan: 400 FLOP, 2 kB to and from memory.

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> Z_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> dR_0: array<f32>;

@compute @workgroup_size(256, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  // Z_0 += the 8 parts
  if (group.x < 1u) {
    let element_0 = group.x * 256u + local.x;
    if (element_0 < 11u) {
      var sum_0 = Z_0[element_0];
      for (var part_0 = 0u; part_0 < 8u; part_0 += 1u) {
        sum_0 = sum_0 + partials[part_0 * 11u + element_0];
      }
      Z_0[element_0] = sum_0;
    }
  }
  // Z_0 += the 8 parts
  if (0u < group.x && group.x < 2u) {
    let element_1 = (group.x - 1u) * 256u + local.x;
    if (element_1 < 11u) {
      var sum_1 = Z_0[11u + element_1];
      for (var part_1 = 0u; part_1 < 8u; part_1 += 1u) {
        sum_1 = sum_1 + partials[88u + part_1 * 11u + element_1];
      }
      Z_0[11u + element_1] = sum_1;
    }
  }
  // Z_0 += the 8 parts
  if (1u < group.x && group.x < 3u) {
    let element_2 = (group.x - 2u) * 256u + local.x;
    if (element_2 < 11u) {
      var sum_2 = Z_0[22u + element_2];
      for (var part_2 = 0u; part_2 < 8u; part_2 += 1u) {
        sum_2 = sum_2 + partials[176u + part_2 * 11u + element_2];
      }
      Z_0[22u + element_2] = sum_2;
    }
  }
  // dR_0 += the 8 parts
  if (2u < group.x && group.x < 4u) {
    let element_3 = (group.x - 3u) * 256u + local.x;
    if (element_3 < 17u) {
      var sum_3 = dR_0[element_3];
      for (var part_3 = 0u; part_3 < 8u; part_3 += 1u) {
        sum_3 = sum_3 + partials[264u + part_3 * 17u + element_3];
      }
      dR_0[element_3] = sum_3;
    }
  }
}
