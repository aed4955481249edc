// kernels/fold_Lp_0.wgsl
// L' = s M L, 1 site.
// 3 x 11, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.

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
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, M[row_a0 * 3u + col_a0], row_a0 < 3u && col_a0 < 3u);
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
  if (out_row < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_0;
    Lp[out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_1;
    Lp[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_2;
    Lp[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_3;
    Lp[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_4;
    Lp[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_5;
    Lp[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_6;
    Lp[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_7;
    Lp[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_8;
    Lp[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_9;
    Lp[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_10;
    Lp[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_11;
    Lp[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_12;
    Lp[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_13;
    Lp[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_14;
    Lp[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
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

// kernels/drank_0.wgsl
// dP = dy L'^T.
// M x 3, inner 11; tiles 64x8x16, 4x2 each.
// Predicted by the plan: 19.8 kFLOP, 16.9 kB to and from memory.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> Lp: array<f32>;
@group(0) @binding(2) var<storage, read_write> dP: array<f32>;

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
  // inner dimension of dy and Lp, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 1024u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 65u + e_a0 / 16u] = select(0.0, dy[row_a0 * 11u + col_a0], row_a0 < uniforms.M && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 9u + e_b0 / 16u] = select(0.0, Lp[col_b0 * 11u + row_b0], row_b0 < 11u && col_b0 < 3u);
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
    dP[out_row * 3u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 3u) {
    let result = acc_1;
    dP[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 3u) {
    let result = acc_2;
    dP[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_3;
    dP[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 3u) {
    let result = acc_4;
    dP[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_5;
    dP[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 3u) {
    let result = acc_6;
    dP[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_7;
    dP[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
}

// kernels/sum_0.wgsl
// Z = P^T dy.
// 3 x 11, inner M; tiles 8x128x16, 4x4 each, in 8 parts.
// Predicted by the plan: 19.8 kFLOP, 17.9 kB to and from memory.

@group(0) @binding(0) var<storage, read> P: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 144>;
var<workgroup> tile_b: array<f32, 2064>;

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
  let row0 = group.y * 8u;
  let col0 = group.x * 128u;
  let tile_row = lane / 32u * 4u;
  let tile_col = lane % 32u * 4u;
  // inner dimension of P and dy, 16 at a time
  let part_from = group.z * ((uniforms.M + 7u) / 8u);
  let part_to = min(part_from + (uniforms.M + 7u) / 8u, uniforms.M);
  for (var k0_0 = part_from; k0_0 < part_to; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 128u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 8u;
      let col_a0 = k0_0 + e_a0 / 8u;
      tile_a[e_a0 / 8u * 9u + e_a0 % 8u] = select(0.0, P[col_a0 * 3u + row_a0], row_a0 < 3u && col_a0 < part_to);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 129u + e_b0 % 128u] = select(0.0, dy[row_b0 * 11u + col_b0], row_b0 < part_to && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 9u + tile_row];
      col_a_1 = tile_a[k_0 * 9u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 9u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 9u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 129u + tile_col];
      row_b_1 = tile_b[k_0 * 129u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 129u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 129u + tile_col + 3u];
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
  // this part of the sum
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < 3u && out_col < 11u) {
    let result = acc_0;
    partials[group.z * 33u + out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = acc_1;
    partials[group.z * 33u + out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = acc_2;
    partials[group.z * 33u + out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = acc_3;
    partials[group.z * 33u + out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = acc_4;
    partials[group.z * 33u + (out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = acc_5;
    partials[group.z * 33u + (out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = acc_6;
    partials[group.z * 33u + (out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = acc_7;
    partials[group.z * 33u + (out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = acc_8;
    partials[group.z * 33u + (out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = acc_9;
    partials[group.z * 33u + (out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = acc_10;
    partials[group.z * 33u + (out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = acc_11;
    partials[group.z * 33u + (out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = acc_12;
    partials[group.z * 33u + (out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = acc_13;
    partials[group.z * 33u + (out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = acc_14;
    partials[group.z * 33u + (out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    let result = acc_15;
    partials[group.z * 33u + (out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/dfirst_0.wgsl
// dR = x^T dP.
// 17 x 3, inner M; tiles 128x8x16, 4x4 each, in 8 parts.
// Predicted by the plan: 30.6 kFLOP, 25.6 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dP: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 2064>;
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
  let row0 = group.y * 128u;
  let col0 = group.x * 8u;
  let tile_row = lane / 2u * 4u;
  let tile_col = lane % 2u * 4u;
  // inner dimension of x and dP, 16 at a time
  let part_from = group.z * ((uniforms.M + 7u) / 8u);
  let part_to = min(part_from + (uniforms.M + 7u) / 8u, uniforms.M);
  for (var k0_0 = part_from; k0_0 < part_to; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 2048u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 128u;
      let col_a0 = k0_0 + e_a0 / 128u;
      tile_a[e_a0 / 128u * 129u + e_a0 % 128u] = select(0.0, x[col_a0 * 17u + row_a0], row_a0 < 17u && col_a0 < part_to);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 9u + e_b0 % 8u] = select(0.0, dP[row_b0 * 3u + col_b0], row_b0 < part_to && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 129u + tile_row];
      col_a_1 = tile_a[k_0 * 129u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 129u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 129u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 9u + tile_col];
      row_b_1 = tile_b[k_0 * 9u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 9u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 9u + tile_col + 3u];
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
  // this part of the sum
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < 17u && out_col < 3u) {
    let result = acc_0;
    partials[264u + group.z * 51u + out_row * 3u + out_col] = result;
  }
  if (out_row < 17u && out_col + 1u < 3u) {
    let result = acc_1;
    partials[264u + group.z * 51u + out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < 17u && out_col + 2u < 3u) {
    let result = acc_2;
    partials[264u + group.z * 51u + out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < 17u && out_col + 3u < 3u) {
    let result = acc_3;
    partials[264u + group.z * 51u + out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < 17u && out_col < 3u) {
    let result = acc_4;
    partials[264u + group.z * 51u + (out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < 17u && out_col + 1u < 3u) {
    let result = acc_5;
    partials[264u + group.z * 51u + (out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < 17u && out_col + 2u < 3u) {
    let result = acc_6;
    partials[264u + group.z * 51u + (out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < 17u && out_col + 3u < 3u) {
    let result = acc_7;
    partials[264u + group.z * 51u + (out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < 17u && out_col < 3u) {
    let result = acc_8;
    partials[264u + group.z * 51u + (out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < 17u && out_col + 1u < 3u) {
    let result = acc_9;
    partials[264u + group.z * 51u + (out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < 17u && out_col + 2u < 3u) {
    let result = acc_10;
    partials[264u + group.z * 51u + (out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < 17u && out_col + 3u < 3u) {
    let result = acc_11;
    partials[264u + group.z * 51u + (out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < 17u && out_col < 3u) {
    let result = acc_12;
    partials[264u + group.z * 51u + (out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < 17u && out_col + 1u < 3u) {
    let result = acc_13;
    partials[264u + group.z * 51u + (out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < 17u && out_col + 2u < 3u) {
    let result = acc_14;
    partials[264u + group.z * 51u + (out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < 17u && out_col + 3u < 3u) {
    let result = acc_15;
    partials[264u + group.z * 51u + (out_row + 3u) * 3u + out_col + 3u] = result;
  }
}

// kernels/reduce_0.wgsl
// adds the parts of each sum, in order.
// 2 sums, 256 elements per workgroup.
// Predicted by the plan: 672 FLOP, 3.36 kB to and from memory.

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> Z: array<f32>;
@group(0) @binding(2) var<storage, read_write> dR: array<f32>;

@compute @workgroup_size(256, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  // Z += the 8 parts
  if (group.x < 1u) {
    let element_0 = group.x * 256u + local.x;
    if (element_0 < 33u) {
      var sum_0 = Z[element_0];
      for (var part_0 = 0u; part_0 < 8u; part_0 += 1u) {
        sum_0 = sum_0 + partials[part_0 * 33u + element_0];
      }
      Z[element_0] = sum_0;
    }
  }
  // dR += the 8 parts
  if (0u < group.x && group.x < 2u) {
    let element_1 = (group.x - 1u) * 256u + local.x;
    if (element_1 < 51u) {
      var sum_1 = dR[element_1];
      for (var part_1 = 0u; part_1 < 8u; part_1 += 1u) {
        sum_1 = sum_1 + partials[264u + part_1 * 51u + element_1];
      }
      dR[element_1] = sum_1;
    }
  }
}

// kernels/dx_0.wgsl
// dx = dy W^T + dP R^T.
// M x 17, inner 11 + 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 143 kFLOP, 38.2 kB to and from memory.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> dP: array<f32>;
@group(0) @binding(3) var<storage, read> R: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

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
  // inner dimension of dy and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, dy[row_a0 * 11u + col_a0], row_a0 < uniforms.M && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 33u + e_b0 % 32u] = select(0.0, W[row_b0 * 17u + col_b0], row_b0 < 11u && col_b0 < 17u);
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
  // inner dimension of dP and R, 16 at a time
  for (var k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (var e_a1 = lane; e_a1 < 512u; e_a1 += 64u) {
      let row_a1 = row0 + e_a1 / 16u;
      let col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 33u + e_a1 / 16u] = select(0.0, dP[row_a1 * 3u + col_a1], row_a1 < uniforms.M && col_a1 < 3u);
    }
    for (var e_b1 = lane; e_b1 < 512u; e_b1 += 64u) {
      let row_b1 = k0_1 + e_b1 % 16u;
      let col_b1 = col0 + e_b1 / 16u;
      tile_b[e_b1 % 16u * 33u + e_b1 / 16u] = select(0.0, R[col_b1 * 3u + row_b1], row_b1 < 3u && col_b1 < 17u);
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
  if (out_row < uniforms.M && out_col < 17u) {
    let result = acc_0;
    dx[out_row * 17u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 17u) {
    let result = acc_1;
    dx[out_row * 17u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 17u) {
    let result = acc_2;
    dx[out_row * 17u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 17u) {
    let result = acc_3;
    dx[out_row * 17u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 17u) {
    let result = acc_4;
    dx[(out_row + 1u) * 17u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_5;
    dx[(out_row + 1u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_6;
    dx[(out_row + 1u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_7;
    dx[(out_row + 1u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 17u) {
    let result = acc_8;
    dx[(out_row + 2u) * 17u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_9;
    dx[(out_row + 2u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_10;
    dx[(out_row + 2u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_11;
    dx[(out_row + 2u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 17u) {
    let result = acc_12;
    dx[(out_row + 3u) * 17u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_13;
    dx[(out_row + 3u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_14;
    dx[(out_row + 3u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_15;
    dx[(out_row + 3u) * 17u + out_col + 3u] = result;
  }
}

// kernels/gradient_dM_0.wgsl
// dM = s Z L^T, 1 site.
// 3 x 3, inner 11; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.

@group(0) @binding(0) var<storage, read> Z: array<f32>;
@group(0) @binding(1) var<storage, read> L: array<f32>;
@group(0) @binding(2) var<storage, read_write> dM: array<f32>;

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
  // inner dimension of Z and L, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 33u + e_a0 / 16u] = select(0.0, Z[row_a0 * 11u + col_a0], row_a0 < 3u && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 33u + e_b0 / 16u] = select(0.0, L[col_b0 * 11u + row_b0], row_b0 < 11u && col_b0 < 3u);
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
  if (out_row < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_0;
    dM[out_row * 3u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_1;
    dM[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_2;
    dM[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_3;
    dM[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_4;
    dM[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_5;
    dM[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_6;
    dM[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_7;
    dM[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_8;
    dM[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_9;
    dM[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_10;
    dM[(out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_11;
    dM[(out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_12;
    dM[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_13;
    dM[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_14;
    dM[(out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_15;
    dM[(out_row + 3u) * 3u + out_col + 3u] = result;
  }
}

// kernels/gradient_dL_0.wgsl
// dL = s sum of M^T Z, 1 site.
// 3 x 11, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.

@group(0) @binding(0) var<storage, read> M: array<f32>;
@group(0) @binding(1) var<storage, read> Z: array<f32>;
@group(0) @binding(2) var<storage, read_write> dL: array<f32>;

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
  // inner dimension of M and Z, 16 at a time
  for (var k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 32u;
      let col_a0 = k0_0 + e_a0 / 32u;
      tile_a[e_a0 / 32u * 33u + e_a0 % 32u] = select(0.0, M[col_a0 * 3u + row_a0], row_a0 < 3u && col_a0 < 3u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 33u + e_b0 % 32u] = select(0.0, Z[row_b0 * 11u + col_b0], row_b0 < 3u && col_b0 < 11u);
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
  if (out_row < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_0;
    dL[out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_1;
    dL[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_2;
    dL[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_3;
    dL[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_4;
    dL[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_5;
    dL[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_6;
    dL[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_7;
    dL[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_8;
    dL[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_9;
    dL[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_10;
    dL[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_11;
    dL[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_12;
    dL[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_13;
    dL[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_14;
    dL[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_15;
    dL[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/step_R_0.wgsl
// One AdamW step on 51 numbers.

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;

struct Uniforms {
  learning_rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  correction1: f32,
  correction2: f32,
}
@group(0) @binding(4) var<uniform> uniforms: Uniforms;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let element = group.x * 64u + local.x;
  if (element < 51u) {
    let g = gradient[element];
    let m = uniforms.beta1 * moment1[element] + (1.0 - uniforms.beta1) * g;
    let v = uniforms.beta2 * moment2[element] + (1.0 - uniforms.beta2) * g * g;
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0 - uniforms.learning_rate * uniforms.weight_decay) - uniforms.learning_rate * (m / uniforms.correction1 / (sqrt(v / uniforms.correction2) + uniforms.epsilon));
  }
}

// kernels/step_M_0.wgsl
// One AdamW step on 9 numbers.

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;

struct Uniforms {
  learning_rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  correction1: f32,
  correction2: f32,
}
@group(0) @binding(4) var<uniform> uniforms: Uniforms;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let element = group.x * 64u + local.x;
  if (element < 9u) {
    let g = gradient[element];
    let m = uniforms.beta1 * moment1[element] + (1.0 - uniforms.beta1) * g;
    let v = uniforms.beta2 * moment2[element] + (1.0 - uniforms.beta2) * g * g;
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0 - uniforms.learning_rate * uniforms.weight_decay) - uniforms.learning_rate * (m / uniforms.correction1 / (sqrt(v / uniforms.correction2) + uniforms.epsilon));
  }
}

// kernels/step_L_0.wgsl
// One AdamW step on 33 numbers.

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;

struct Uniforms {
  learning_rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  correction1: f32,
  correction2: f32,
}
@group(0) @binding(4) var<uniform> uniforms: Uniforms;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let element = group.x * 64u + local.x;
  if (element < 33u) {
    let g = gradient[element];
    let m = uniforms.beta1 * moment1[element] + (1.0 - uniforms.beta1) * g;
    let v = uniforms.beta2 * moment2[element] + (1.0 - uniforms.beta2) * g * g;
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0 - uniforms.learning_rate * uniforms.weight_decay) - uniforms.learning_rate * (m / uniforms.correction1 / (sqrt(v / uniforms.correction2) + uniforms.epsilon));
  }
}
