// widened.
// M x 17, inner 13; tiles 8x8x4, 2x2 each.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> r: array<f32>;
@group(0) @binding(3) var<storage, read> l: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 32>;
var<workgroup> tile_b: array<f32, 32>;
var<workgroup> tile_d: array<f32, 12>;
var<workgroup> tile_p: array<f32, 24>;

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
  var down_0 = 0.0;
  var down_1 = 0.0;
  let lane = local.x;
  let row0 = group.y * 8u;
  let col0 = group.x * 8u;
  let tile_row = lane / 4u * 2u;
  let tile_col = lane % 4u * 2u;
  // inner dimension of x and w, 4 at a time
  for (var k0_0 = 0u; k0_0 < 13u; k0_0 += 4u) {
    for (var e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      let row_a0 = row0 + e_a0 / 4u;
      let col_a0 = k0_0 + e_a0 % 4u;
      tile_a[e_a0 % 4u * 8u + e_a0 / 4u] = select(0.0, x[row_a0 * 13u + col_a0], row_a0 < uniforms.M && col_a0 < 13u);
    }
    for (var e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = select(0.0, w[row_b0 * 17u + col_b0], row_b0 < 13u && col_b0 < 17u);
    }
    for (var e_d0 = lane; e_d0 < 12u; e_d0 += 16u) {
      let row_d0 = k0_0 + e_d0 / 3u;
      let col_d0 = e_d0 % 3u;
      tile_d[e_d0 / 3u * 3u + e_d0 % 3u] = select(0.0, r[row_d0 * 3u + col_d0], row_d0 < 13u && col_d0 < 3u);
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
    for (var kd_0 = 0u; kd_0 < 4u; kd_0 += 1u) {
      down_0 = fma(tile_a[kd_0 * 8u + min(lane, 23u) / 3u], tile_d[kd_0 * 3u + min(lane, 23u) % 3u], down_0);
      down_1 = fma(tile_a[kd_0 * 8u + min(lane + 16u, 23u) / 3u], tile_d[kd_0 * 3u + min(lane + 16u, 23u) % 3u], down_1);
    }
    workgroupBarrier();
  }
  // P, computed with the base product, times the second factor
  if (lane < 24u) {
    tile_p[lane] = 0.5 * down_0;
  }
  if (lane + 16u < 24u) {
    tile_p[lane + 16u] = 0.5 * down_1;
  }
  workgroupBarrier();
  for (var k_p = 0u; k_p < 3u; k_p += 1u) {
    row_b_0 = select(0.0, l[k_p * 17u + col0 + tile_col], col0 + tile_col < 17u);
    row_b_1 = select(0.0, l[k_p * 17u + col0 + tile_col + 1u], col0 + tile_col + 1u < 17u);
    acc_0 = fma(tile_p[tile_row * 3u + k_p], row_b_0, acc_0);
    acc_1 = fma(tile_p[tile_row * 3u + k_p], row_b_1, acc_1);
    acc_2 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_0, acc_2);
    acc_3 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_1, acc_3);
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 17u) {
    let result = acc_0;
    y[3u + out_row * 19u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 17u) {
    let result = acc_1;
    y[3u + out_row * 19u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 17u) {
    let result = acc_2;
    y[3u + (out_row + 1u) * 19u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_3;
    y[3u + (out_row + 1u) * 19u + out_col + 1u] = result;
  }
}
