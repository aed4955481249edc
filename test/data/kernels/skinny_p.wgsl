// skinny p.
// M x 5, inner 29; tiles 16x8x4, 4x2 each.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> r: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 64>;
var<workgroup> tile_b: array<f32, 32>;

@compute @workgroup_size(16, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var acc_0 = 0.0;
  var acc_1 = 0.0;
  var acc_2 = 0.0;
  var acc_3 = 0.0;
  var acc_4 = 0.0;
  var acc_5 = 0.0;
  var acc_6 = 0.0;
  var acc_7 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var col_a_2 = 0.0;
  var col_a_3 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  let lane = local.x;
  let row0 = group.y * 16u;
  let col0 = group.x * 8u;
  let tile_row = lane / 4u * 4u;
  let tile_col = lane % 4u * 2u;
  // inner dimension of x and r, 4 at a time
  for (var k0_0 = 0u; k0_0 < 29u; k0_0 += 4u) {
    for (var e_a0 = lane; e_a0 < 64u; e_a0 += 16u) {
      let row_a0 = row0 + e_a0 / 4u;
      let col_a0 = k0_0 + e_a0 % 4u;
      tile_a[e_a0 % 4u * 16u + e_a0 / 4u] = select(0.0, x[row_a0 * 29u + col_a0], row_a0 < uniforms.M && col_a0 < 29u);
    }
    for (var e_b0 = lane; e_b0 < 32u; e_b0 += 16u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = select(0.0, r[row_b0 * 5u + col_b0], row_b0 < 29u && col_b0 < 5u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 4u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 16u + tile_row];
      col_a_1 = tile_a[k_0 * 16u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 16u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 16u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 8u + tile_col];
      row_b_1 = tile_b[k_0 * 8u + tile_col + 1u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_1, row_b_0, acc_2);
      acc_3 = fma(col_a_1, row_b_1, acc_3);
      acc_4 = fma(col_a_2, row_b_0, acc_4);
      acc_5 = fma(col_a_2, row_b_1, acc_5);
      acc_6 = fma(col_a_3, row_b_0, acc_6);
      acc_7 = fma(col_a_3, row_b_1, acc_7);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 5u) {
    let result = acc_0;
    y[3u + out_row * 7u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 5u) {
    let result = acc_1;
    y[3u + out_row * 7u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 5u) {
    let result = acc_2;
    y[3u + (out_row + 1u) * 7u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 5u) {
    let result = acc_3;
    y[3u + (out_row + 1u) * 7u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 5u) {
    let result = acc_4;
    y[3u + (out_row + 2u) * 7u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 5u) {
    let result = acc_5;
    y[3u + (out_row + 2u) * 7u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 5u) {
    let result = acc_6;
    y[3u + (out_row + 3u) * 7u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 5u) {
    let result = acc_7;
    y[3u + (out_row + 3u) * 7u + out_col + 1u] = result;
  }
}
