// sum over tokens.
// 5 x 11, inner M; tiles 8x8x4, 2x2 each, in 3 parts.

@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 32>;
var<workgroup> tile_b: array<f32, 32>;

@compute @workgroup_size(16, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var acc_0 = 0.0;
  var acc_1 = 0.0;
  var acc_2 = 0.0;
  var acc_3 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  let lane = local.x;
  let row0 = group.y * 8u;
  let col0 = group.x * 8u;
  let tile_row = lane / 4u * 2u;
  let tile_col = lane % 4u * 2u;
  // inner dimension of p and dy, 4 at a time
  let part_from = group.z * ((uniforms.M + 2u) / 3u);
  let part_to = min(part_from + (uniforms.M + 2u) / 3u, uniforms.M);
  for (var k0_0 = part_from; k0_0 < part_to; k0_0 += 4u) {
    for (var e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      let row_a0 = row0 + e_a0 % 8u;
      let col_a0 = k0_0 + e_a0 / 8u;
      tile_a[e_a0 / 8u * 8u + e_a0 % 8u] = select(0.0, p[col_a0 * 5u + row_a0], row_a0 < 5u && col_a0 < part_to);
    }
    for (var e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = select(0.0, dy[row_b0 * 11u + col_b0], row_b0 < part_to && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 8u + tile_row];
      col_a_1 = tile_a[k_0 * 8u + tile_row + 1u];
      row_b_0 = tile_b[k_0 * 8u + tile_col];
      row_b_1 = tile_b[k_0 * 8u + tile_col + 1u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_1, row_b_0, acc_2);
      acc_3 = fma(col_a_1, row_b_1, acc_3);
    }
    workgroupBarrier();
  }
  // this part of the sum
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < 5u && out_col < 11u) {
    let result = acc_0;
    y[3u + group.z * 55u + out_row * 11u + out_col] = result;
  }
  if (out_row < 5u && out_col + 1u < 11u) {
    let result = acc_1;
    y[3u + group.z * 55u + out_row * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 5u && out_col < 11u) {
    let result = acc_2;
    y[3u + group.z * 55u + (out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 5u && out_col + 1u < 11u) {
    let result = acc_3;
    y[3u + group.z * 55u + (out_row + 1u) * 11u + out_col + 1u] = result;
  }
}
