// kernels/fold_Lp_0.wgsl
// L' = s M L, 2 sites.
// 6 x 11, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 396 FLOP, 468 B to and from memory.

@group(0) @binding(0) var<storage, read> M: array<f32>;
@group(0) @binding(1) var<storage, read> L: array<f32>;
@group(0) @binding(2) var<storage, read_write> Lp: array<f32>;

var<workgroup> tile_a: array<f32, 528>;
var<workgroup> tile_b: array<f32, 528>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var acc_0 = 0.0;
  var acc_1 = 0.0;
  var acc_2 = 0.0;
  var acc_3 = 0.0;
  var acc_4 = 0.0;
  var acc_5 = 0.0;
  var acc_6 = 0.0;
  var acc_7 = 0.0;
  var acc_8 = 0.0;
  var acc_9 = 0.0;
  var acc_10 = 0.0;
  var acc_11 = 0.0;
  var acc_12 = 0.0;
  var acc_13 = 0.0;
  var acc_14 = 0.0;
  var acc_15 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var col_a_2 = 0.0;
  var col_a_3 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  let lane = local.x;
  let row0 = group.y * 32u;
  let col0 = group.x * 32u;
  let tile_row = lane / 8u * 4u;
  let tile_col = lane % 8u * 4u;
  // inner dimension of M and L, 16 at a time
  for (var k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, M[row_a0 * 3u + col_a0], row_a0 < 6u && col_a0 < 3u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 33u + e_b0 % 32u] = select(0.0, L[row_b0 * 11u + col_b0], row_b0 < 3u && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 33u + tile_row];
      col_a_1 = tile_a[k_0 * 33u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 33u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 33u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 33u + tile_col];
      row_b_1 = tile_b[k_0 * 33u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 33u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 33u + tile_col + 3u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_1, row_b_0, acc_4);
      acc_5 = fma(col_a_1, row_b_1, acc_5);
      acc_6 = fma(col_a_1, row_b_2, acc_6);
      acc_7 = fma(col_a_1, row_b_3, acc_7);
      acc_8 = fma(col_a_2, row_b_0, acc_8);
      acc_9 = fma(col_a_2, row_b_1, acc_9);
      acc_10 = fma(col_a_2, row_b_2, acc_10);
      acc_11 = fma(col_a_2, row_b_3, acc_11);
      acc_12 = fma(col_a_3, row_b_0, acc_12);
      acc_13 = fma(col_a_3, row_b_1, acc_13);
      acc_14 = fma(col_a_3, row_b_2, acc_14);
      acc_15 = fma(col_a_3, row_b_3, acc_15);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < 6u && out_col < 11u) {
    let result = 0.33333334 * acc_0;
    Lp[out_row * 11u + out_col] = result;
  }
  if (out_row < 6u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_1;
    Lp[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 6u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_2;
    Lp[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 6u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_3;
    Lp[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 6u && out_col < 11u) {
    let result = 0.33333334 * acc_4;
    Lp[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 6u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_5;
    Lp[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 6u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_6;
    Lp[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 6u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_7;
    Lp[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 6u && out_col < 11u) {
    let result = 0.33333334 * acc_8;
    Lp[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 6u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_9;
    Lp[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 6u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_10;
    Lp[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 6u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_11;
    Lp[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 6u && out_col < 11u) {
    let result = 0.33333334 * acc_12;
    Lp[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 6u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_13;
    Lp[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 6u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_14;
    Lp[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 6u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_15;
    Lp[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/layer_0.wgsl
// y = x W + (x R) L' + b.
// M x 11, inner 17; tiles 8x128x16, 2x8 each.
// Predicted by the plan: 3.79 kFLOP, 1.91 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> R: array<f32>;
@group(0) @binding(3) var<storage, read> Lp: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(6) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 144>;
var<workgroup> tile_b: array<f32, 2064>;
var<workgroup> tile_d: array<f32, 48>;
var<workgroup> tile_p: array<f32, 24>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var acc_0 = 0.0;
  var acc_1 = 0.0;
  var acc_2 = 0.0;
  var acc_3 = 0.0;
  var acc_4 = 0.0;
  var acc_5 = 0.0;
  var acc_6 = 0.0;
  var acc_7 = 0.0;
  var acc_8 = 0.0;
  var acc_9 = 0.0;
  var acc_10 = 0.0;
  var acc_11 = 0.0;
  var acc_12 = 0.0;
  var acc_13 = 0.0;
  var acc_14 = 0.0;
  var acc_15 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  var row_b_4 = 0.0;
  var row_b_5 = 0.0;
  var row_b_6 = 0.0;
  var row_b_7 = 0.0;
  var down_0 = 0.0;
  let lane = local.x;
  let row0 = group.y * 8u;
  let col0 = group.x * 128u;
  let tile_row = lane / 16u * 2u;
  let tile_col = lane % 16u * 8u;
  // inner dimension of x and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 128u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 9u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 129u + e_b0 % 128u] = select(0.0, W[row_b0 * 11u + col_b0], row_b0 < 17u && col_b0 < 11u);
    }
    for (var e_d0 = lane; e_d0 < 48u; e_d0 += 64u) {
      let row_d0 = k0_0 + e_d0 / 3u;
      let col_d0 = e_d0 % 3u;
      tile_d[e_d0 / 3u * 3u + e_d0 % 3u] = select(0.0, R[row_d0 * 3u + col_d0], row_d0 < 17u && col_d0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 9u + tile_row];
      col_a_1 = tile_a[k_0 * 9u + tile_row + 1u];
      row_b_0 = tile_b[k_0 * 129u + tile_col];
      row_b_1 = tile_b[k_0 * 129u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 129u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 129u + tile_col + 3u];
      row_b_4 = tile_b[k_0 * 129u + tile_col + 4u];
      row_b_5 = tile_b[k_0 * 129u + tile_col + 5u];
      row_b_6 = tile_b[k_0 * 129u + tile_col + 6u];
      row_b_7 = tile_b[k_0 * 129u + tile_col + 7u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_0, row_b_4, acc_4);
      acc_5 = fma(col_a_0, row_b_5, acc_5);
      acc_6 = fma(col_a_0, row_b_6, acc_6);
      acc_7 = fma(col_a_0, row_b_7, acc_7);
      acc_8 = fma(col_a_1, row_b_0, acc_8);
      acc_9 = fma(col_a_1, row_b_1, acc_9);
      acc_10 = fma(col_a_1, row_b_2, acc_10);
      acc_11 = fma(col_a_1, row_b_3, acc_11);
      acc_12 = fma(col_a_1, row_b_4, acc_12);
      acc_13 = fma(col_a_1, row_b_5, acc_13);
      acc_14 = fma(col_a_1, row_b_6, acc_14);
      acc_15 = fma(col_a_1, row_b_7, acc_15);
    }
    for (var kd_0 = 0u; kd_0 < 16u; kd_0 += 1u) {
      down_0 = fma(tile_a[kd_0 * 9u + min(lane, 23u) / 3u], tile_d[kd_0 * 3u + min(lane, 23u) % 3u], down_0);
    }
    workgroupBarrier();
  }
  // P, computed with the base product, times the second factor
  if (lane < 24u) {
    tile_p[lane] = 1.0 * down_0;
  }
  workgroupBarrier();
  for (var k_p = 0u; k_p < 3u; k_p += 1u) {
    row_b_0 = select(0.0, Lp[k_p * 11u + col0 + tile_col], col0 + tile_col < 11u);
    row_b_1 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 1u], col0 + tile_col + 1u < 11u);
    row_b_2 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 2u], col0 + tile_col + 2u < 11u);
    row_b_3 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 3u], col0 + tile_col + 3u < 11u);
    row_b_4 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 4u], col0 + tile_col + 4u < 11u);
    row_b_5 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 5u], col0 + tile_col + 5u < 11u);
    row_b_6 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 6u], col0 + tile_col + 6u < 11u);
    row_b_7 = select(0.0, Lp[k_p * 11u + col0 + tile_col + 7u], col0 + tile_col + 7u < 11u);
    acc_0 = fma(tile_p[tile_row * 3u + k_p], row_b_0, acc_0);
    acc_1 = fma(tile_p[tile_row * 3u + k_p], row_b_1, acc_1);
    acc_2 = fma(tile_p[tile_row * 3u + k_p], row_b_2, acc_2);
    acc_3 = fma(tile_p[tile_row * 3u + k_p], row_b_3, acc_3);
    acc_4 = fma(tile_p[tile_row * 3u + k_p], row_b_4, acc_4);
    acc_5 = fma(tile_p[tile_row * 3u + k_p], row_b_5, acc_5);
    acc_6 = fma(tile_p[tile_row * 3u + k_p], row_b_6, acc_6);
    acc_7 = fma(tile_p[tile_row * 3u + k_p], row_b_7, acc_7);
    acc_8 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_0, acc_8);
    acc_9 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_1, acc_9);
    acc_10 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_2, acc_10);
    acc_11 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_3, acc_11);
    acc_12 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_4, acc_12);
    acc_13 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_5, acc_13);
    acc_14 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_6, acc_14);
    acc_15 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_7, acc_15);
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 11u) {
    let result = acc_0 + b[out_col];
    y[out_row * 11u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 11u) {
    let result = acc_1 + b[out_col + 1u];
    y[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 11u) {
    let result = acc_2 + b[out_col + 2u];
    y[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 11u) {
    let result = acc_3 + b[out_col + 3u];
    y[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row < uniforms.M && out_col + 4u < 11u) {
    let result = acc_4 + b[out_col + 4u];
    y[out_row * 11u + out_col + 4u] = result;
  }
  if (out_row < uniforms.M && out_col + 5u < 11u) {
    let result = acc_5 + b[out_col + 5u];
    y[out_row * 11u + out_col + 5u] = result;
  }
  if (out_row < uniforms.M && out_col + 6u < 11u) {
    let result = acc_6 + b[out_col + 6u];
    y[out_row * 11u + out_col + 6u] = result;
  }
  if (out_row < uniforms.M && out_col + 7u < 11u) {
    let result = acc_7 + b[out_col + 7u];
    y[out_row * 11u + out_col + 7u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 11u) {
    let result = acc_8 + b[out_col];
    y[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_9 + b[out_col + 1u];
    y[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_10 + b[out_col + 2u];
    y[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_11 + b[out_col + 3u];
    y[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_12 + b[out_col + 4u];
    y[(out_row + 1u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_13 + b[out_col + 5u];
    y[(out_row + 1u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_14 + b[out_col + 6u];
    y[(out_row + 1u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_15 + b[out_col + 7u];
    y[(out_row + 1u) * 11u + out_col + 7u] = result;
  }
}

// kernels/layer_1.wgsl
// y = x W + (x R) L'.
// M x 11, inner 17; tiles 8x128x16, 2x8 each.
// Predicted by the plan: 3.79 kFLOP, 1.87 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> R: array<f32>;
@group(0) @binding(3) var<storage, read> Lp: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 144>;
var<workgroup> tile_b: array<f32, 2064>;
var<workgroup> tile_d: array<f32, 48>;
var<workgroup> tile_p: array<f32, 24>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var acc_0 = 0.0;
  var acc_1 = 0.0;
  var acc_2 = 0.0;
  var acc_3 = 0.0;
  var acc_4 = 0.0;
  var acc_5 = 0.0;
  var acc_6 = 0.0;
  var acc_7 = 0.0;
  var acc_8 = 0.0;
  var acc_9 = 0.0;
  var acc_10 = 0.0;
  var acc_11 = 0.0;
  var acc_12 = 0.0;
  var acc_13 = 0.0;
  var acc_14 = 0.0;
  var acc_15 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  var row_b_4 = 0.0;
  var row_b_5 = 0.0;
  var row_b_6 = 0.0;
  var row_b_7 = 0.0;
  var down_0 = 0.0;
  let lane = local.x;
  let row0 = group.y * 8u;
  let col0 = group.x * 128u;
  let tile_row = lane / 16u * 2u;
  let tile_col = lane % 16u * 8u;
  // inner dimension of x and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 128u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 9u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 129u + e_b0 % 128u] = select(0.0, W[row_b0 * 11u + col_b0], row_b0 < 17u && col_b0 < 11u);
    }
    for (var e_d0 = lane; e_d0 < 48u; e_d0 += 64u) {
      let row_d0 = k0_0 + e_d0 / 3u;
      let col_d0 = e_d0 % 3u;
      tile_d[e_d0 / 3u * 3u + e_d0 % 3u] = select(0.0, R[row_d0 * 3u + col_d0], row_d0 < 17u && col_d0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 9u + tile_row];
      col_a_1 = tile_a[k_0 * 9u + tile_row + 1u];
      row_b_0 = tile_b[k_0 * 129u + tile_col];
      row_b_1 = tile_b[k_0 * 129u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 129u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 129u + tile_col + 3u];
      row_b_4 = tile_b[k_0 * 129u + tile_col + 4u];
      row_b_5 = tile_b[k_0 * 129u + tile_col + 5u];
      row_b_6 = tile_b[k_0 * 129u + tile_col + 6u];
      row_b_7 = tile_b[k_0 * 129u + tile_col + 7u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_0, row_b_4, acc_4);
      acc_5 = fma(col_a_0, row_b_5, acc_5);
      acc_6 = fma(col_a_0, row_b_6, acc_6);
      acc_7 = fma(col_a_0, row_b_7, acc_7);
      acc_8 = fma(col_a_1, row_b_0, acc_8);
      acc_9 = fma(col_a_1, row_b_1, acc_9);
      acc_10 = fma(col_a_1, row_b_2, acc_10);
      acc_11 = fma(col_a_1, row_b_3, acc_11);
      acc_12 = fma(col_a_1, row_b_4, acc_12);
      acc_13 = fma(col_a_1, row_b_5, acc_13);
      acc_14 = fma(col_a_1, row_b_6, acc_14);
      acc_15 = fma(col_a_1, row_b_7, acc_15);
    }
    for (var kd_0 = 0u; kd_0 < 16u; kd_0 += 1u) {
      down_0 = fma(tile_a[kd_0 * 9u + min(lane, 23u) / 3u], tile_d[kd_0 * 3u + min(lane, 23u) % 3u], down_0);
    }
    workgroupBarrier();
  }
  // P, computed with the base product, times the second factor
  if (lane < 24u) {
    tile_p[lane] = 1.0 * down_0;
  }
  workgroupBarrier();
  for (var k_p = 0u; k_p < 3u; k_p += 1u) {
    row_b_0 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col], col0 + tile_col < 11u);
    row_b_1 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 1u], col0 + tile_col + 1u < 11u);
    row_b_2 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 2u], col0 + tile_col + 2u < 11u);
    row_b_3 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 3u], col0 + tile_col + 3u < 11u);
    row_b_4 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 4u], col0 + tile_col + 4u < 11u);
    row_b_5 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 5u], col0 + tile_col + 5u < 11u);
    row_b_6 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 6u], col0 + tile_col + 6u < 11u);
    row_b_7 = select(0.0, Lp[33u + k_p * 11u + col0 + tile_col + 7u], col0 + tile_col + 7u < 11u);
    acc_0 = fma(tile_p[tile_row * 3u + k_p], row_b_0, acc_0);
    acc_1 = fma(tile_p[tile_row * 3u + k_p], row_b_1, acc_1);
    acc_2 = fma(tile_p[tile_row * 3u + k_p], row_b_2, acc_2);
    acc_3 = fma(tile_p[tile_row * 3u + k_p], row_b_3, acc_3);
    acc_4 = fma(tile_p[tile_row * 3u + k_p], row_b_4, acc_4);
    acc_5 = fma(tile_p[tile_row * 3u + k_p], row_b_5, acc_5);
    acc_6 = fma(tile_p[tile_row * 3u + k_p], row_b_6, acc_6);
    acc_7 = fma(tile_p[tile_row * 3u + k_p], row_b_7, acc_7);
    acc_8 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_0, acc_8);
    acc_9 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_1, acc_9);
    acc_10 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_2, acc_10);
    acc_11 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_3, acc_11);
    acc_12 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_4, acc_12);
    acc_13 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_5, acc_13);
    acc_14 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_6, acc_14);
    acc_15 = fma(tile_p[(tile_row + 1u) * 3u + k_p], row_b_7, acc_15);
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 11u) {
    let result = acc_0;
    y[out_row * 11u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 11u) {
    let result = acc_1;
    y[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 11u) {
    let result = acc_2;
    y[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 11u) {
    let result = acc_3;
    y[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row < uniforms.M && out_col + 4u < 11u) {
    let result = acc_4;
    y[out_row * 11u + out_col + 4u] = result;
  }
  if (out_row < uniforms.M && out_col + 5u < 11u) {
    let result = acc_5;
    y[out_row * 11u + out_col + 5u] = result;
  }
  if (out_row < uniforms.M && out_col + 6u < 11u) {
    let result = acc_6;
    y[out_row * 11u + out_col + 6u] = result;
  }
  if (out_row < uniforms.M && out_col + 7u < 11u) {
    let result = acc_7;
    y[out_row * 11u + out_col + 7u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 11u) {
    let result = acc_8;
    y[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_9;
    y[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_10;
    y[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_11;
    y[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_12;
    y[(out_row + 1u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_13;
    y[(out_row + 1u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_14;
    y[(out_row + 1u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_15;
    y[(out_row + 1u) * 11u + out_col + 7u] = result;
  }
}
