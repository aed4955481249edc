// vectors weights stored out in.
// M x 28, inner 20 + 8; tiles 16x16x8, 4x4 each, in vectors.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> p: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> l: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(7) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<vec4<f32>, 48>;
var<workgroup> tile_b: array<vec4<f32>, 40>;

@compute @workgroup_size(16, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var acc_0 = vec4f(0.0);
  var acc_1 = vec4f(0.0);
  var acc_2 = vec4f(0.0);
  var acc_3 = vec4f(0.0);
  var col_a_0 = vec4f(0.0);
  var row_b_0 = vec4f(0.0);
  var row_b_1 = vec4f(0.0);
  var row_b_2 = vec4f(0.0);
  var row_b_3 = vec4f(0.0);
  var quad_0 = vec4f(0.0);
  var quad_1 = vec4f(0.0);
  var quad_2 = vec4f(0.0);
  var quad_3 = vec4f(0.0);
  let lane = local.x;
  let row0 = group.y * 16u;
  let col0 = group.x * 16u;
  let tile_row = lane / 4u * 4u;
  let tile_col = lane % 4u;
  // inner dimension of x and w, 8 at a time
  for (var k0_0 = 0u; k0_0 < 20u; k0_0 += 8u) {
    for (var e_a0 = lane; e_a0 < 32u; e_a0 += 16u) {
      let row_a0 = row0 + e_a0 / 2u;
      let col_a0 = k0_0 / 4u + e_a0 % 2u;
      tile_a[e_a0 / 2u * 3u + e_a0 % 2u] = select(vec4f(0.0), x[row_a0 * 5u + col_a0], row_a0 < uniforms.M && col_a0 * 4u < 20u);
    }
    for (var e_b0 = lane; e_b0 < 8u; e_b0 += 16u) {
      let row_b0 = k0_0 / 4u + e_b0 % 2u;
      let col_b0 = col0 + e_b0 / 2u * 4u;
      quad_0 = select(vec4f(0.0), w[col_b0 * 5u + row_b0], col_b0 < 28u && row_b0 * 4u < 20u);
      quad_1 = select(vec4f(0.0), w[(col_b0 + 1u) * 5u + row_b0], col_b0 + 1u < 28u && row_b0 * 4u < 20u);
      quad_2 = select(vec4f(0.0), w[(col_b0 + 2u) * 5u + row_b0], col_b0 + 2u < 28u && row_b0 * 4u < 20u);
      quad_3 = select(vec4f(0.0), w[(col_b0 + 3u) * 5u + row_b0], col_b0 + 3u < 28u && row_b0 * 4u < 20u);
      tile_b[e_b0 % 2u * 4u * 5u + e_b0 / 2u] = vec4f(quad_0.x, quad_1.x, quad_2.x, quad_3.x);
      tile_b[(e_b0 % 2u * 4u + 1u) * 5u + e_b0 / 2u] = vec4f(quad_0.y, quad_1.y, quad_2.y, quad_3.y);
      tile_b[(e_b0 % 2u * 4u + 2u) * 5u + e_b0 / 2u] = vec4f(quad_0.z, quad_1.z, quad_2.z, quad_3.z);
      tile_b[(e_b0 % 2u * 4u + 3u) * 5u + e_b0 / 2u] = vec4f(quad_0.w, quad_1.w, quad_2.w, quad_3.w);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 2u; k_0 += 1u) {
      row_b_0 = tile_b[k_0 * 4u * 5u + tile_col];
      row_b_1 = tile_b[(k_0 * 4u + 1u) * 5u + tile_col];
      row_b_2 = tile_b[(k_0 * 4u + 2u) * 5u + tile_col];
      row_b_3 = tile_b[(k_0 * 4u + 3u) * 5u + tile_col];
      col_a_0 = tile_a[tile_row * 3u + k_0];
      acc_0 = fma(vec4f(col_a_0.x), row_b_0, acc_0);
      acc_0 = fma(vec4f(col_a_0.y), row_b_1, acc_0);
      acc_0 = fma(vec4f(col_a_0.z), row_b_2, acc_0);
      acc_0 = fma(vec4f(col_a_0.w), row_b_3, acc_0);
      col_a_0 = tile_a[(tile_row + 1u) * 3u + k_0];
      acc_1 = fma(vec4f(col_a_0.x), row_b_0, acc_1);
      acc_1 = fma(vec4f(col_a_0.y), row_b_1, acc_1);
      acc_1 = fma(vec4f(col_a_0.z), row_b_2, acc_1);
      acc_1 = fma(vec4f(col_a_0.w), row_b_3, acc_1);
      col_a_0 = tile_a[(tile_row + 2u) * 3u + k_0];
      acc_2 = fma(vec4f(col_a_0.x), row_b_0, acc_2);
      acc_2 = fma(vec4f(col_a_0.y), row_b_1, acc_2);
      acc_2 = fma(vec4f(col_a_0.z), row_b_2, acc_2);
      acc_2 = fma(vec4f(col_a_0.w), row_b_3, acc_2);
      col_a_0 = tile_a[(tile_row + 3u) * 3u + k_0];
      acc_3 = fma(vec4f(col_a_0.x), row_b_0, acc_3);
      acc_3 = fma(vec4f(col_a_0.y), row_b_1, acc_3);
      acc_3 = fma(vec4f(col_a_0.z), row_b_2, acc_3);
      acc_3 = fma(vec4f(col_a_0.w), row_b_3, acc_3);
    }
    workgroupBarrier();
  }
  // inner dimension of p and l, 8 at a time
  for (var k0_1 = 0u; k0_1 < 8u; k0_1 += 8u) {
    for (var e_a1 = lane; e_a1 < 32u; e_a1 += 16u) {
      let row_a1 = row0 + e_a1 / 2u;
      let col_a1 = k0_1 / 4u + e_a1 % 2u;
      tile_a[e_a1 / 2u * 3u + e_a1 % 2u] = select(vec4f(0.0), p[row_a1 * 2u + col_a1], row_a1 < uniforms.M && col_a1 * 4u < 8u);
    }
    for (var e_b1 = lane; e_b1 < 32u; e_b1 += 16u) {
      let row_b1 = k0_1 + e_b1 / 4u;
      let col_b1 = col0 / 4u + e_b1 % 4u;
      tile_b[e_b1 / 4u * 5u + e_b1 % 4u] = select(vec4f(0.0), l[row_b1 * 7u + col_b1], row_b1 < 8u && col_b1 * 4u < 28u);
    }
    workgroupBarrier();
    for (var k_1 = 0u; k_1 < 2u; k_1 += 1u) {
      row_b_0 = tile_b[k_1 * 4u * 5u + tile_col];
      row_b_1 = tile_b[(k_1 * 4u + 1u) * 5u + tile_col];
      row_b_2 = tile_b[(k_1 * 4u + 2u) * 5u + tile_col];
      row_b_3 = tile_b[(k_1 * 4u + 3u) * 5u + tile_col];
      col_a_0 = tile_a[tile_row * 3u + k_1];
      acc_0 = fma(vec4f(col_a_0.x), row_b_0, acc_0);
      acc_0 = fma(vec4f(col_a_0.y), row_b_1, acc_0);
      acc_0 = fma(vec4f(col_a_0.z), row_b_2, acc_0);
      acc_0 = fma(vec4f(col_a_0.w), row_b_3, acc_0);
      col_a_0 = tile_a[(tile_row + 1u) * 3u + k_1];
      acc_1 = fma(vec4f(col_a_0.x), row_b_0, acc_1);
      acc_1 = fma(vec4f(col_a_0.y), row_b_1, acc_1);
      acc_1 = fma(vec4f(col_a_0.z), row_b_2, acc_1);
      acc_1 = fma(vec4f(col_a_0.w), row_b_3, acc_1);
      col_a_0 = tile_a[(tile_row + 2u) * 3u + k_1];
      acc_2 = fma(vec4f(col_a_0.x), row_b_0, acc_2);
      acc_2 = fma(vec4f(col_a_0.y), row_b_1, acc_2);
      acc_2 = fma(vec4f(col_a_0.z), row_b_2, acc_2);
      acc_2 = fma(vec4f(col_a_0.w), row_b_3, acc_2);
      col_a_0 = tile_a[(tile_row + 3u) * 3u + k_1];
      acc_3 = fma(vec4f(col_a_0.x), row_b_0, acc_3);
      acc_3 = fma(vec4f(col_a_0.y), row_b_1, acc_3);
      acc_3 = fma(vec4f(col_a_0.z), row_b_2, acc_3);
      acc_3 = fma(vec4f(col_a_0.w), row_b_3, acc_3);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col * 4u;
  if (out_row < uniforms.M && out_col < 28u) {
    let preactivation = vec4f(0.75) * acc_0 + b[2u + out_col / 4u] + before[1u + out_row * 7u + out_col / 4u];
    let result = vec4f(max(preactivation.x, 0.0), max(preactivation.y, 0.0), max(preactivation.z, 0.0), max(preactivation.w, 0.0));
    y[1u + out_row * 8u + out_col / 4u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 28u) {
    let preactivation = vec4f(0.75) * acc_1 + b[2u + out_col / 4u] + before[1u + (out_row + 1u) * 7u + out_col / 4u];
    let result = vec4f(max(preactivation.x, 0.0), max(preactivation.y, 0.0), max(preactivation.z, 0.0), max(preactivation.w, 0.0));
    y[1u + (out_row + 1u) * 8u + out_col / 4u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 28u) {
    let preactivation = vec4f(0.75) * acc_2 + b[2u + out_col / 4u] + before[1u + (out_row + 2u) * 7u + out_col / 4u];
    let result = vec4f(max(preactivation.x, 0.0), max(preactivation.y, 0.0), max(preactivation.z, 0.0), max(preactivation.w, 0.0));
    y[1u + (out_row + 2u) * 8u + out_col / 4u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 28u) {
    let preactivation = vec4f(0.75) * acc_3 + b[2u + out_col / 4u] + before[1u + (out_row + 3u) * 7u + out_col / 4u];
    let result = vec4f(max(preactivation.x, 0.0), max(preactivation.y, 0.0), max(preactivation.z, 0.0), max(preactivation.w, 0.0));
    y[1u + (out_row + 3u) * 8u + out_col / 4u] = result;
  }
}
