// kernels/fold_Lp_0.wgsl
// L' = s M L, 3 sites.
// 9 x 11, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 594 FLOP, 636 B to and from memory.

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
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, M[row_a0 * 3u + col_a0], row_a0 < 9u && col_a0 < 3u);
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
  if (out_row < 9u && out_col < 11u) {
    let result = 0.33333334 * acc_0;
    Lp[out_row * 11u + out_col] = result;
  }
  if (out_row < 9u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_1;
    Lp[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 9u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_2;
    Lp[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 9u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_3;
    Lp[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 9u && out_col < 11u) {
    let result = 0.33333334 * acc_4;
    Lp[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 9u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_5;
    Lp[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 9u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_6;
    Lp[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 9u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_7;
    Lp[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 9u && out_col < 11u) {
    let result = 0.33333334 * acc_8;
    Lp[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 9u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_9;
    Lp[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 9u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_10;
    Lp[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 9u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_11;
    Lp[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 9u && out_col < 11u) {
    let result = 0.33333334 * acc_12;
    Lp[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 9u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_13;
    Lp[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 9u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_14;
    Lp[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 9u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_15;
    Lp[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/down_0.wgsl
// P = x R.
// M x 3, inner 17; tiles 64x8x16, 4x2 each.
// Predicted by the plan: 30.6 kFLOP, 24.2 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> R: array<f32>;
@group(0) @binding(2) var<storage, read_write> P: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 1040>;
var<workgroup> tile_b: array<f32, 144>;

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
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var col_a_2 = 0.0;
  var col_a_3 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  let lane = local.x;
  let row0 = group.y * 64u;
  let col0 = group.x * 8u;
  let tile_row = lane / 4u * 4u;
  let tile_col = lane % 4u * 2u;
  // inner dimension of x and R, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 1024u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 65u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 9u + e_b0 % 8u] = select(0.0, R[row_b0 * 3u + col_b0], row_b0 < 17u && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 65u + tile_row];
      col_a_1 = tile_a[k_0 * 65u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 65u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 65u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 9u + tile_col];
      row_b_1 = tile_b[k_0 * 9u + tile_col + 1u];
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
  if (out_row < uniforms.M && out_col < 3u) {
    let result = acc_0;
    P[out_row * 3u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 3u) {
    let result = acc_1;
    P[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 3u) {
    let result = acc_2;
    P[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_3;
    P[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 3u) {
    let result = acc_4;
    P[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_5;
    P[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 3u) {
    let result = acc_6;
    P[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_7;
    P[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
}

// kernels/layer_0.wgsl
// y = x W + P L' + b.
// M x 11, inner 17 + 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 132 kFLOP, 38.1 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> P: array<f32>;
@group(0) @binding(3) var<storage, read> Lp: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(6) var<uniform> uniforms: Uniforms;

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
  // inner dimension of x and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 33u + e_b0 % 32u] = select(0.0, W[row_b0 * 11u + col_b0], row_b0 < 17u && col_b0 < 11u);
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
  // inner dimension of P and Lp, 16 at a time
  for (var k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (var e_a1 = lane; e_a1 < 512u; e_a1 += 64u) {
      let row_a1 = row0 + e_a1 / 16u;
      let col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 33u + e_a1 / 16u] = select(0.0, P[row_a1 * 3u + col_a1], row_a1 < uniforms.M && col_a1 < 3u);
    }
    for (var e_b1 = lane; e_b1 < 512u; e_b1 += 64u) {
      let row_b1 = k0_1 + e_b1 / 32u;
      let col_b1 = col0 + e_b1 % 32u;
      tile_b[e_b1 / 32u * 33u + e_b1 % 32u] = select(0.0, Lp[row_b1 * 11u + col_b1], row_b1 < 3u && col_b1 < 11u);
    }
    workgroupBarrier();
    for (var k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 33u + tile_row];
      col_a_1 = tile_a[k_1 * 33u + tile_row + 1u];
      col_a_2 = tile_a[k_1 * 33u + tile_row + 2u];
      col_a_3 = tile_a[k_1 * 33u + tile_row + 3u];
      row_b_0 = tile_b[k_1 * 33u + tile_col];
      row_b_1 = tile_b[k_1 * 33u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 33u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 33u + tile_col + 3u];
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
  if (out_row + 1u < uniforms.M && out_col < 11u) {
    let result = acc_4 + b[out_col];
    y[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_5 + b[out_col + 1u];
    y[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_6 + b[out_col + 2u];
    y[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_7 + b[out_col + 3u];
    y[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 11u) {
    let result = acc_8 + b[out_col];
    y[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_9 + b[out_col + 1u];
    y[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_10 + b[out_col + 2u];
    y[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_11 + b[out_col + 3u];
    y[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 11u) {
    let result = acc_12 + b[out_col];
    y[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_13 + b[out_col + 1u];
    y[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_14 + b[out_col + 2u];
    y[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_15 + b[out_col + 3u];
    y[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/layer_1.wgsl
// y = x W + P L'.
// M x 11, inner 17 + 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 132 kFLOP, 38.1 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> P: array<f32>;
@group(0) @binding(3) var<storage, read> Lp: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

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
  // inner dimension of x and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 33u + e_b0 % 32u] = select(0.0, W[row_b0 * 11u + col_b0], row_b0 < 17u && col_b0 < 11u);
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
  // inner dimension of P and Lp, 16 at a time
  for (var k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (var e_a1 = lane; e_a1 < 512u; e_a1 += 64u) {
      let row_a1 = row0 + e_a1 / 16u;
      let col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 33u + e_a1 / 16u] = select(0.0, P[row_a1 * 3u + col_a1], row_a1 < uniforms.M && col_a1 < 3u);
    }
    for (var e_b1 = lane; e_b1 < 512u; e_b1 += 64u) {
      let row_b1 = k0_1 + e_b1 / 32u;
      let col_b1 = col0 + e_b1 % 32u;
      tile_b[e_b1 / 32u * 33u + e_b1 % 32u] = select(0.0, Lp[33u + row_b1 * 11u + col_b1], row_b1 < 3u && col_b1 < 11u);
    }
    workgroupBarrier();
    for (var k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 33u + tile_row];
      col_a_1 = tile_a[k_1 * 33u + tile_row + 1u];
      col_a_2 = tile_a[k_1 * 33u + tile_row + 2u];
      col_a_3 = tile_a[k_1 * 33u + tile_row + 3u];
      row_b_0 = tile_b[k_1 * 33u + tile_col];
      row_b_1 = tile_b[k_1 * 33u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 33u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 33u + tile_col + 3u];
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
  if (out_row + 1u < uniforms.M && out_col < 11u) {
    let result = acc_4;
    y[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_5;
    y[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_6;
    y[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_7;
    y[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 11u) {
    let result = acc_8;
    y[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_9;
    y[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_10;
    y[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_11;
    y[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 11u) {
    let result = acc_12;
    y[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_13;
    y[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_14;
    y[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_15;
    y[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/layer_2.wgsl
// y = x W + P L'.
// M x 11, inner 17 + 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 132 kFLOP, 38.1 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> P: array<f32>;
@group(0) @binding(3) var<storage, read> Lp: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

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
  // inner dimension of x and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 33u + e_b0 / 16u] = select(0.0, W[col_b0 * 17u + row_b0], row_b0 < 17u && col_b0 < 11u);
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
  // inner dimension of P and Lp, 16 at a time
  for (var k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (var e_a1 = lane; e_a1 < 512u; e_a1 += 64u) {
      let row_a1 = row0 + e_a1 / 16u;
      let col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 33u + e_a1 / 16u] = select(0.0, P[row_a1 * 3u + col_a1], row_a1 < uniforms.M && col_a1 < 3u);
    }
    for (var e_b1 = lane; e_b1 < 512u; e_b1 += 64u) {
      let row_b1 = k0_1 + e_b1 / 32u;
      let col_b1 = col0 + e_b1 % 32u;
      tile_b[e_b1 / 32u * 33u + e_b1 % 32u] = select(0.0, Lp[66u + row_b1 * 11u + col_b1], row_b1 < 3u && col_b1 < 11u);
    }
    workgroupBarrier();
    for (var k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 33u + tile_row];
      col_a_1 = tile_a[k_1 * 33u + tile_row + 1u];
      col_a_2 = tile_a[k_1 * 33u + tile_row + 2u];
      col_a_3 = tile_a[k_1 * 33u + tile_row + 3u];
      row_b_0 = tile_b[k_1 * 33u + tile_col];
      row_b_1 = tile_b[k_1 * 33u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 33u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 33u + tile_col + 3u];
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
  if (out_row + 1u < uniforms.M && out_col < 11u) {
    let result = acc_4;
    y[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_5;
    y[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_6;
    y[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_7;
    y[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 11u) {
    let result = acc_8;
    y[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_9;
    y[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_10;
    y[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_11;
    y[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 11u) {
    let result = acc_12;
    y[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_13;
    y[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_14;
    y[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_15;
    y[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}
