// kernels/fold_Lp_0.wgsl
// L' = s M L, 1 site.
// 3 x 11, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.

@group(0) @binding(0) var<storage, read> M_0: array<f32>;
@group(0) @binding(1) var<storage, read> L_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> Lp_0: array<f32>;

var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

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
  // inner dimension of M_0 and L_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 32u + e_a0 / 16u] = select(0.0, M_0[row_a0 * 3u + col_a0], row_a0 < 3u && col_a0 < 3u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 32u + e_b0 % 32u] = select(0.0, L_0[row_b0 * 11u + col_b0], row_b0 < 3u && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 32u + tile_row];
      col_a_1 = tile_a[k_0 * 32u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 32u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 32u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 32u + tile_col];
      row_b_1 = tile_b[k_0 * 32u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 32u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 32u + tile_col + 3u];
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
    Lp_0[out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_1;
    Lp_0[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_2;
    Lp_0[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_3;
    Lp_0[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_4;
    Lp_0[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_5;
    Lp_0[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_6;
    Lp_0[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_7;
    Lp_0[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_8;
    Lp_0[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_9;
    Lp_0[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_10;
    Lp_0[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_11;
    Lp_0[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_12;
    Lp_0[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_13;
    Lp_0[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_14;
    Lp_0[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_15;
    Lp_0[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
}

// kernels/merge_Wm_0.wgsl
// W' = W + R L'.
// 11 x 17, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 1.12 kFLOP, 1.83 kB to and from memory.

@group(0) @binding(0) var<storage, read> Lp_0: array<f32>;
@group(0) @binding(1) var<storage, read> R_0: array<f32>;
@group(0) @binding(2) var<storage, read> W_0: array<f32>;
@group(0) @binding(3) var<storage, read_write> Wm_0: array<f32>;

var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

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
  // inner dimension of Lp_0 and R_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 32u;
      let col_a0 = k0_0 + e_a0 / 32u;
      tile_a[e_a0 / 32u * 32u + e_a0 % 32u] = select(0.0, Lp_0[col_a0 * 11u + row_a0], row_a0 < 11u && col_a0 < 3u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 32u + e_b0 / 16u] = select(0.0, R_0[col_b0 * 3u + row_b0], row_b0 < 3u && col_b0 < 17u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 32u + tile_row];
      col_a_1 = tile_a[k_0 * 32u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 32u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 32u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 32u + tile_col];
      row_b_1 = tile_b[k_0 * 32u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 32u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 32u + tile_col + 3u];
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
  if (out_row < 11u && out_col < 17u) {
    let result = acc_0 + W_0[out_row * 17u + out_col];
    Wm_0[out_row * 17u + out_col] = result;
  }
  if (out_row < 11u && out_col + 1u < 17u) {
    let result = acc_1 + W_0[out_row * 17u + out_col + 1u];
    Wm_0[out_row * 17u + out_col + 1u] = result;
  }
  if (out_row < 11u && out_col + 2u < 17u) {
    let result = acc_2 + W_0[out_row * 17u + out_col + 2u];
    Wm_0[out_row * 17u + out_col + 2u] = result;
  }
  if (out_row < 11u && out_col + 3u < 17u) {
    let result = acc_3 + W_0[out_row * 17u + out_col + 3u];
    Wm_0[out_row * 17u + out_col + 3u] = result;
  }
  if (out_row + 1u < 11u && out_col < 17u) {
    let result = acc_4 + W_0[(out_row + 1u) * 17u + out_col];
    Wm_0[(out_row + 1u) * 17u + out_col] = result;
  }
  if (out_row + 1u < 11u && out_col + 1u < 17u) {
    let result = acc_5 + W_0[(out_row + 1u) * 17u + out_col + 1u];
    Wm_0[(out_row + 1u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 1u < 11u && out_col + 2u < 17u) {
    let result = acc_6 + W_0[(out_row + 1u) * 17u + out_col + 2u];
    Wm_0[(out_row + 1u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 1u < 11u && out_col + 3u < 17u) {
    let result = acc_7 + W_0[(out_row + 1u) * 17u + out_col + 3u];
    Wm_0[(out_row + 1u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 2u < 11u && out_col < 17u) {
    let result = acc_8 + W_0[(out_row + 2u) * 17u + out_col];
    Wm_0[(out_row + 2u) * 17u + out_col] = result;
  }
  if (out_row + 2u < 11u && out_col + 1u < 17u) {
    let result = acc_9 + W_0[(out_row + 2u) * 17u + out_col + 1u];
    Wm_0[(out_row + 2u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 2u < 11u && out_col + 2u < 17u) {
    let result = acc_10 + W_0[(out_row + 2u) * 17u + out_col + 2u];
    Wm_0[(out_row + 2u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 2u < 11u && out_col + 3u < 17u) {
    let result = acc_11 + W_0[(out_row + 2u) * 17u + out_col + 3u];
    Wm_0[(out_row + 2u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 3u < 11u && out_col < 17u) {
    let result = acc_12 + W_0[(out_row + 3u) * 17u + out_col];
    Wm_0[(out_row + 3u) * 17u + out_col] = result;
  }
  if (out_row + 3u < 11u && out_col + 1u < 17u) {
    let result = acc_13 + W_0[(out_row + 3u) * 17u + out_col + 1u];
    Wm_0[(out_row + 3u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 3u < 11u && out_col + 2u < 17u) {
    let result = acc_14 + W_0[(out_row + 3u) * 17u + out_col + 2u];
    Wm_0[(out_row + 3u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 3u < 11u && out_col + 3u < 17u) {
    let result = acc_15 + W_0[(out_row + 3u) * 17u + out_col + 3u];
    Wm_0[(out_row + 3u) * 17u + out_col + 3u] = result;
  }
}

// kernels/layer_0.wgsl
// y = x W'.
// M x 11, inner 17; tiles 16x128x16, 4x8 each.
// Predicted by the plan: 23.9 kFLOP, 7.92 kB to and from memory.

@group(0) @binding(0) var<storage, read> x_0: array<f32>;
@group(0) @binding(1) var<storage, read> Wm_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> y_0: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 256>;
var<workgroup> tile_b: array<f32, 2048>;

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
  var acc_16 = 0.0;
  var acc_17 = 0.0;
  var acc_18 = 0.0;
  var acc_19 = 0.0;
  var acc_20 = 0.0;
  var acc_21 = 0.0;
  var acc_22 = 0.0;
  var acc_23 = 0.0;
  var acc_24 = 0.0;
  var acc_25 = 0.0;
  var acc_26 = 0.0;
  var acc_27 = 0.0;
  var acc_28 = 0.0;
  var acc_29 = 0.0;
  var acc_30 = 0.0;
  var acc_31 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var col_a_2 = 0.0;
  var col_a_3 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  var row_b_4 = 0.0;
  var row_b_5 = 0.0;
  var row_b_6 = 0.0;
  var row_b_7 = 0.0;
  let lane = local.x;
  let row0 = group.y * 16u;
  let col0 = group.x * 128u;
  let tile_row = lane / 16u * 4u;
  let tile_col = lane % 16u * 8u;
  // inner dimension of x_0 and Wm_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 256u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 16u + e_a0 / 16u] = select(0.0, x_0[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 128u + e_b0 / 16u] = select(0.0, Wm_0[col_b0 * 17u + row_b0], row_b0 < 17u && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 16u + tile_row];
      col_a_1 = tile_a[k_0 * 16u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 16u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 16u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 128u + tile_col];
      row_b_1 = tile_b[k_0 * 128u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 128u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 128u + tile_col + 3u];
      row_b_4 = tile_b[k_0 * 128u + tile_col + 4u];
      row_b_5 = tile_b[k_0 * 128u + tile_col + 5u];
      row_b_6 = tile_b[k_0 * 128u + tile_col + 6u];
      row_b_7 = tile_b[k_0 * 128u + tile_col + 7u];
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
      acc_16 = fma(col_a_2, row_b_0, acc_16);
      acc_17 = fma(col_a_2, row_b_1, acc_17);
      acc_18 = fma(col_a_2, row_b_2, acc_18);
      acc_19 = fma(col_a_2, row_b_3, acc_19);
      acc_20 = fma(col_a_2, row_b_4, acc_20);
      acc_21 = fma(col_a_2, row_b_5, acc_21);
      acc_22 = fma(col_a_2, row_b_6, acc_22);
      acc_23 = fma(col_a_2, row_b_7, acc_23);
      acc_24 = fma(col_a_3, row_b_0, acc_24);
      acc_25 = fma(col_a_3, row_b_1, acc_25);
      acc_26 = fma(col_a_3, row_b_2, acc_26);
      acc_27 = fma(col_a_3, row_b_3, acc_27);
      acc_28 = fma(col_a_3, row_b_4, acc_28);
      acc_29 = fma(col_a_3, row_b_5, acc_29);
      acc_30 = fma(col_a_3, row_b_6, acc_30);
      acc_31 = fma(col_a_3, row_b_7, acc_31);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 11u) {
    let result = acc_0;
    y_0[out_row * 11u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 11u) {
    let result = acc_1;
    y_0[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 11u) {
    let result = acc_2;
    y_0[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 11u) {
    let result = acc_3;
    y_0[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row < uniforms.M && out_col + 4u < 11u) {
    let result = acc_4;
    y_0[out_row * 11u + out_col + 4u] = result;
  }
  if (out_row < uniforms.M && out_col + 5u < 11u) {
    let result = acc_5;
    y_0[out_row * 11u + out_col + 5u] = result;
  }
  if (out_row < uniforms.M && out_col + 6u < 11u) {
    let result = acc_6;
    y_0[out_row * 11u + out_col + 6u] = result;
  }
  if (out_row < uniforms.M && out_col + 7u < 11u) {
    let result = acc_7;
    y_0[out_row * 11u + out_col + 7u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 11u) {
    let result = acc_8;
    y_0[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_9;
    y_0[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_10;
    y_0[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_11;
    y_0[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_12;
    y_0[(out_row + 1u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_13;
    y_0[(out_row + 1u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_14;
    y_0[(out_row + 1u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_15;
    y_0[(out_row + 1u) * 11u + out_col + 7u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 11u) {
    let result = acc_16;
    y_0[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_17;
    y_0[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_18;
    y_0[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_19;
    y_0[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_20;
    y_0[(out_row + 2u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_21;
    y_0[(out_row + 2u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_22;
    y_0[(out_row + 2u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_23;
    y_0[(out_row + 2u) * 11u + out_col + 7u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 11u) {
    let result = acc_24;
    y_0[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_25;
    y_0[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_26;
    y_0[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_27;
    y_0[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_28;
    y_0[(out_row + 3u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_29;
    y_0[(out_row + 3u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_30;
    y_0[(out_row + 3u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_31;
    y_0[(out_row + 3u) * 11u + out_col + 7u] = result;
  }
}

// kernels/down_0.wgsl
// P = x R.
// M x 3, inner 17; tiles 64x8x16, 4x2 each.
// Predicted by the plan: 6.53 kFLOP, 5.32 kB to and from memory.

@group(0) @binding(0) var<storage, read> x_0: array<f32>;
@group(0) @binding(1) var<storage, read> R_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> P_0: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 1024>;
var<workgroup> tile_b: array<f32, 128>;

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
  // inner dimension of x_0 and R_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 1024u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = select(0.0, x_0[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = select(0.0, R_0[row_b0 * 3u + col_b0], row_b0 < 17u && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
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
  if (out_row < uniforms.M && out_col < 3u) {
    let result = acc_0;
    P_0[out_row * 3u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 3u) {
    let result = acc_1;
    P_0[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 3u) {
    let result = acc_2;
    P_0[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_3;
    P_0[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 3u) {
    let result = acc_4;
    P_0[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_5;
    P_0[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 3u) {
    let result = acc_6;
    P_0[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_7;
    P_0[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
}

// kernels/drank_0.wgsl
// dP = dy L'^T.
// M x 3, inner 11; tiles 64x8x16, 4x2 each.
// Predicted by the plan: 4.22 kFLOP, 3.72 kB to and from memory.

@group(0) @binding(0) var<storage, read> dy_0: array<f32>;
@group(0) @binding(1) var<storage, read> Lp_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> dP_0: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 1024>;
var<workgroup> tile_b: array<f32, 128>;

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
  // inner dimension of dy_0 and Lp_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 1024u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 64u + e_a0 / 16u] = select(0.0, dy_0[row_a0 * 11u + col_a0], row_a0 < uniforms.M && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 8u + e_b0 / 16u] = select(0.0, Lp_0[col_b0 * 11u + row_b0], row_b0 < 11u && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 64u + tile_row];
      col_a_1 = tile_a[k_0 * 64u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 64u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 64u + tile_row + 3u];
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
  if (out_row < uniforms.M && out_col < 3u) {
    let result = acc_0;
    dP_0[out_row * 3u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 3u) {
    let result = acc_1;
    dP_0[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 3u) {
    let result = acc_2;
    dP_0[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_3;
    dP_0[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 3u) {
    let result = acc_4;
    dP_0[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_5;
    dP_0[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 3u) {
    let result = acc_6;
    dP_0[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 3u) {
    let result = acc_7;
    dP_0[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
}

// kernels/sum_0.wgsl
// Z = P^T dy.
// 3 x 11, inner M; tiles 8x128x16, 4x4 each.
// Predicted by the plan: 4.22 kFLOP, 3.85 kB to and from memory.

@group(0) @binding(0) var<storage, read> P_0: array<f32>;
@group(0) @binding(1) var<storage, read> dy_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> Z_0: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 128>;
var<workgroup> tile_b: array<f32, 2048>;

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
  // inner dimension of P_0 and dy_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < uniforms.M; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 128u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 8u;
      let col_a0 = k0_0 + e_a0 / 8u;
      tile_a[e_a0 / 8u * 8u + e_a0 % 8u] = select(0.0, P_0[col_a0 * 3u + row_a0], row_a0 < 3u && col_a0 < uniforms.M);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 128u + e_b0 % 128u] = select(0.0, dy_0[row_b0 * 11u + col_b0], row_b0 < uniforms.M && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 8u + tile_row];
      col_a_1 = tile_a[k_0 * 8u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 8u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 8u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 128u + tile_col];
      row_b_1 = tile_b[k_0 * 128u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 128u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 128u + tile_col + 3u];
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
    let result = acc_0;
    Z_0[out_row * 11u + out_col] = Z_0[out_row * 11u + out_col] + result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = acc_1;
    Z_0[out_row * 11u + out_col + 1u] = Z_0[out_row * 11u + out_col + 1u] + result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = acc_2;
    Z_0[out_row * 11u + out_col + 2u] = Z_0[out_row * 11u + out_col + 2u] + result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = acc_3;
    Z_0[out_row * 11u + out_col + 3u] = Z_0[out_row * 11u + out_col + 3u] + result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = acc_4;
    Z_0[(out_row + 1u) * 11u + out_col] = Z_0[(out_row + 1u) * 11u + out_col] + result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = acc_5;
    Z_0[(out_row + 1u) * 11u + out_col + 1u] = Z_0[(out_row + 1u) * 11u + out_col + 1u] + result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = acc_6;
    Z_0[(out_row + 1u) * 11u + out_col + 2u] = Z_0[(out_row + 1u) * 11u + out_col + 2u] + result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = acc_7;
    Z_0[(out_row + 1u) * 11u + out_col + 3u] = Z_0[(out_row + 1u) * 11u + out_col + 3u] + result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = acc_8;
    Z_0[(out_row + 2u) * 11u + out_col] = Z_0[(out_row + 2u) * 11u + out_col] + result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = acc_9;
    Z_0[(out_row + 2u) * 11u + out_col + 1u] = Z_0[(out_row + 2u) * 11u + out_col + 1u] + result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = acc_10;
    Z_0[(out_row + 2u) * 11u + out_col + 2u] = Z_0[(out_row + 2u) * 11u + out_col + 2u] + result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = acc_11;
    Z_0[(out_row + 2u) * 11u + out_col + 3u] = Z_0[(out_row + 2u) * 11u + out_col + 3u] + result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = acc_12;
    Z_0[(out_row + 3u) * 11u + out_col] = Z_0[(out_row + 3u) * 11u + out_col] + result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = acc_13;
    Z_0[(out_row + 3u) * 11u + out_col + 1u] = Z_0[(out_row + 3u) * 11u + out_col + 1u] + result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = acc_14;
    Z_0[(out_row + 3u) * 11u + out_col + 2u] = Z_0[(out_row + 3u) * 11u + out_col + 2u] + result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    let result = acc_15;
    Z_0[(out_row + 3u) * 11u + out_col + 3u] = Z_0[(out_row + 3u) * 11u + out_col + 3u] + result;
  }
}

// kernels/dfirst_0.wgsl
// dR = x^T dP.
// 17 x 3, inner M; tiles 128x8x16, 4x4 each.
// Predicted by the plan: 6.53 kFLOP, 5.53 kB to and from memory.

@group(0) @binding(0) var<storage, read> x_0: array<f32>;
@group(0) @binding(1) var<storage, read> dP_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> dR_0: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 2048>;
var<workgroup> tile_b: array<f32, 128>;

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
  // inner dimension of x_0 and dP_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < uniforms.M; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 2048u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 128u;
      let col_a0 = k0_0 + e_a0 / 128u;
      tile_a[e_a0 / 128u * 128u + e_a0 % 128u] = select(0.0, x_0[col_a0 * 17u + row_a0], row_a0 < 17u && col_a0 < uniforms.M);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 8u + e_b0 % 8u] = select(0.0, dP_0[row_b0 * 3u + col_b0], row_b0 < uniforms.M && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 128u + tile_row];
      col_a_1 = tile_a[k_0 * 128u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 128u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 128u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 8u + tile_col];
      row_b_1 = tile_b[k_0 * 8u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 8u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 8u + tile_col + 3u];
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
  if (out_row < 17u && out_col < 3u) {
    let result = acc_0;
    dR_0[out_row * 3u + out_col] = dR_0[out_row * 3u + out_col] + result;
  }
  if (out_row < 17u && out_col + 1u < 3u) {
    let result = acc_1;
    dR_0[out_row * 3u + out_col + 1u] = dR_0[out_row * 3u + out_col + 1u] + result;
  }
  if (out_row < 17u && out_col + 2u < 3u) {
    let result = acc_2;
    dR_0[out_row * 3u + out_col + 2u] = dR_0[out_row * 3u + out_col + 2u] + result;
  }
  if (out_row < 17u && out_col + 3u < 3u) {
    let result = acc_3;
    dR_0[out_row * 3u + out_col + 3u] = dR_0[out_row * 3u + out_col + 3u] + result;
  }
  if (out_row + 1u < 17u && out_col < 3u) {
    let result = acc_4;
    dR_0[(out_row + 1u) * 3u + out_col] = dR_0[(out_row + 1u) * 3u + out_col] + result;
  }
  if (out_row + 1u < 17u && out_col + 1u < 3u) {
    let result = acc_5;
    dR_0[(out_row + 1u) * 3u + out_col + 1u] = dR_0[(out_row + 1u) * 3u + out_col + 1u] + result;
  }
  if (out_row + 1u < 17u && out_col + 2u < 3u) {
    let result = acc_6;
    dR_0[(out_row + 1u) * 3u + out_col + 2u] = dR_0[(out_row + 1u) * 3u + out_col + 2u] + result;
  }
  if (out_row + 1u < 17u && out_col + 3u < 3u) {
    let result = acc_7;
    dR_0[(out_row + 1u) * 3u + out_col + 3u] = dR_0[(out_row + 1u) * 3u + out_col + 3u] + result;
  }
  if (out_row + 2u < 17u && out_col < 3u) {
    let result = acc_8;
    dR_0[(out_row + 2u) * 3u + out_col] = dR_0[(out_row + 2u) * 3u + out_col] + result;
  }
  if (out_row + 2u < 17u && out_col + 1u < 3u) {
    let result = acc_9;
    dR_0[(out_row + 2u) * 3u + out_col + 1u] = dR_0[(out_row + 2u) * 3u + out_col + 1u] + result;
  }
  if (out_row + 2u < 17u && out_col + 2u < 3u) {
    let result = acc_10;
    dR_0[(out_row + 2u) * 3u + out_col + 2u] = dR_0[(out_row + 2u) * 3u + out_col + 2u] + result;
  }
  if (out_row + 2u < 17u && out_col + 3u < 3u) {
    let result = acc_11;
    dR_0[(out_row + 2u) * 3u + out_col + 3u] = dR_0[(out_row + 2u) * 3u + out_col + 3u] + result;
  }
  if (out_row + 3u < 17u && out_col < 3u) {
    let result = acc_12;
    dR_0[(out_row + 3u) * 3u + out_col] = dR_0[(out_row + 3u) * 3u + out_col] + result;
  }
  if (out_row + 3u < 17u && out_col + 1u < 3u) {
    let result = acc_13;
    dR_0[(out_row + 3u) * 3u + out_col + 1u] = dR_0[(out_row + 3u) * 3u + out_col + 1u] + result;
  }
  if (out_row + 3u < 17u && out_col + 2u < 3u) {
    let result = acc_14;
    dR_0[(out_row + 3u) * 3u + out_col + 2u] = dR_0[(out_row + 3u) * 3u + out_col + 2u] + result;
  }
  if (out_row + 3u < 17u && out_col + 3u < 3u) {
    let result = acc_15;
    dR_0[(out_row + 3u) * 3u + out_col + 3u] = dR_0[(out_row + 3u) * 3u + out_col + 3u] + result;
  }
}

// kernels/dx_0.wgsl
// dx = dy W'^T.
// M x 17, inner 11; tiles 16x128x16, 4x8 each.
// Predicted by the plan: 23.9 kFLOP, 7.92 kB to and from memory.

@group(0) @binding(0) var<storage, read> dy_0: array<f32>;
@group(0) @binding(1) var<storage, read> Wm_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx_0: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 256>;
var<workgroup> tile_b: array<f32, 2048>;

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
  var acc_16 = 0.0;
  var acc_17 = 0.0;
  var acc_18 = 0.0;
  var acc_19 = 0.0;
  var acc_20 = 0.0;
  var acc_21 = 0.0;
  var acc_22 = 0.0;
  var acc_23 = 0.0;
  var acc_24 = 0.0;
  var acc_25 = 0.0;
  var acc_26 = 0.0;
  var acc_27 = 0.0;
  var acc_28 = 0.0;
  var acc_29 = 0.0;
  var acc_30 = 0.0;
  var acc_31 = 0.0;
  var col_a_0 = 0.0;
  var col_a_1 = 0.0;
  var col_a_2 = 0.0;
  var col_a_3 = 0.0;
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  var row_b_4 = 0.0;
  var row_b_5 = 0.0;
  var row_b_6 = 0.0;
  var row_b_7 = 0.0;
  let lane = local.x;
  let row0 = group.y * 16u;
  let col0 = group.x * 128u;
  let tile_row = lane / 16u * 4u;
  let tile_col = lane % 16u * 8u;
  // inner dimension of dy_0 and Wm_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 256u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 16u + e_a0 / 16u] = select(0.0, dy_0[row_a0 * 11u + col_a0], row_a0 < uniforms.M && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 128u + e_b0 % 128u] = select(0.0, Wm_0[row_b0 * 17u + col_b0], row_b0 < 11u && col_b0 < 17u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 16u + tile_row];
      col_a_1 = tile_a[k_0 * 16u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 16u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 16u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 128u + tile_col];
      row_b_1 = tile_b[k_0 * 128u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 128u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 128u + tile_col + 3u];
      row_b_4 = tile_b[k_0 * 128u + tile_col + 4u];
      row_b_5 = tile_b[k_0 * 128u + tile_col + 5u];
      row_b_6 = tile_b[k_0 * 128u + tile_col + 6u];
      row_b_7 = tile_b[k_0 * 128u + tile_col + 7u];
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
      acc_16 = fma(col_a_2, row_b_0, acc_16);
      acc_17 = fma(col_a_2, row_b_1, acc_17);
      acc_18 = fma(col_a_2, row_b_2, acc_18);
      acc_19 = fma(col_a_2, row_b_3, acc_19);
      acc_20 = fma(col_a_2, row_b_4, acc_20);
      acc_21 = fma(col_a_2, row_b_5, acc_21);
      acc_22 = fma(col_a_2, row_b_6, acc_22);
      acc_23 = fma(col_a_2, row_b_7, acc_23);
      acc_24 = fma(col_a_3, row_b_0, acc_24);
      acc_25 = fma(col_a_3, row_b_1, acc_25);
      acc_26 = fma(col_a_3, row_b_2, acc_26);
      acc_27 = fma(col_a_3, row_b_3, acc_27);
      acc_28 = fma(col_a_3, row_b_4, acc_28);
      acc_29 = fma(col_a_3, row_b_5, acc_29);
      acc_30 = fma(col_a_3, row_b_6, acc_30);
      acc_31 = fma(col_a_3, row_b_7, acc_31);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 17u) {
    let result = acc_0;
    dx_0[out_row * 17u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 17u) {
    let result = acc_1;
    dx_0[out_row * 17u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 17u) {
    let result = acc_2;
    dx_0[out_row * 17u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 17u) {
    let result = acc_3;
    dx_0[out_row * 17u + out_col + 3u] = result;
  }
  if (out_row < uniforms.M && out_col + 4u < 17u) {
    let result = acc_4;
    dx_0[out_row * 17u + out_col + 4u] = result;
  }
  if (out_row < uniforms.M && out_col + 5u < 17u) {
    let result = acc_5;
    dx_0[out_row * 17u + out_col + 5u] = result;
  }
  if (out_row < uniforms.M && out_col + 6u < 17u) {
    let result = acc_6;
    dx_0[out_row * 17u + out_col + 6u] = result;
  }
  if (out_row < uniforms.M && out_col + 7u < 17u) {
    let result = acc_7;
    dx_0[out_row * 17u + out_col + 7u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 17u) {
    let result = acc_8;
    dx_0[(out_row + 1u) * 17u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_9;
    dx_0[(out_row + 1u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_10;
    dx_0[(out_row + 1u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_11;
    dx_0[(out_row + 1u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 4u < 17u) {
    let result = acc_12;
    dx_0[(out_row + 1u) * 17u + out_col + 4u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 5u < 17u) {
    let result = acc_13;
    dx_0[(out_row + 1u) * 17u + out_col + 5u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 6u < 17u) {
    let result = acc_14;
    dx_0[(out_row + 1u) * 17u + out_col + 6u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 7u < 17u) {
    let result = acc_15;
    dx_0[(out_row + 1u) * 17u + out_col + 7u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 17u) {
    let result = acc_16;
    dx_0[(out_row + 2u) * 17u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_17;
    dx_0[(out_row + 2u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_18;
    dx_0[(out_row + 2u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_19;
    dx_0[(out_row + 2u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 4u < 17u) {
    let result = acc_20;
    dx_0[(out_row + 2u) * 17u + out_col + 4u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 5u < 17u) {
    let result = acc_21;
    dx_0[(out_row + 2u) * 17u + out_col + 5u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 6u < 17u) {
    let result = acc_22;
    dx_0[(out_row + 2u) * 17u + out_col + 6u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 7u < 17u) {
    let result = acc_23;
    dx_0[(out_row + 2u) * 17u + out_col + 7u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 17u) {
    let result = acc_24;
    dx_0[(out_row + 3u) * 17u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_25;
    dx_0[(out_row + 3u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_26;
    dx_0[(out_row + 3u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_27;
    dx_0[(out_row + 3u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 4u < 17u) {
    let result = acc_28;
    dx_0[(out_row + 3u) * 17u + out_col + 4u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 5u < 17u) {
    let result = acc_29;
    dx_0[(out_row + 3u) * 17u + out_col + 5u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 6u < 17u) {
    let result = acc_30;
    dx_0[(out_row + 3u) * 17u + out_col + 6u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 7u < 17u) {
    let result = acc_31;
    dx_0[(out_row + 3u) * 17u + out_col + 7u] = result;
  }
}

// kernels/gradient_dM_0.wgsl
// dM = s Z L^T, 1 site.
// 3 x 3, inner 11; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.

@group(0) @binding(0) var<storage, read> Z_0: array<f32>;
@group(0) @binding(1) var<storage, read> L_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> dM_0: array<f32>;

var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

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
  // inner dimension of Z_0 and L_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 32u + e_a0 / 16u] = select(0.0, Z_0[row_a0 * 11u + col_a0], row_a0 < 3u && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 32u + e_b0 / 16u] = select(0.0, L_0[col_b0 * 11u + row_b0], row_b0 < 11u && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 32u + tile_row];
      col_a_1 = tile_a[k_0 * 32u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 32u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 32u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 32u + tile_col];
      row_b_1 = tile_b[k_0 * 32u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 32u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 32u + tile_col + 3u];
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
    dM_0[out_row * 3u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_1;
    dM_0[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_2;
    dM_0[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_3;
    dM_0[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_4;
    dM_0[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_5;
    dM_0[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_6;
    dM_0[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_7;
    dM_0[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_8;
    dM_0[(out_row + 2u) * 3u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_9;
    dM_0[(out_row + 2u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_10;
    dM_0[(out_row + 2u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_11;
    dM_0[(out_row + 2u) * 3u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 3u) {
    let result = 0.33333334 * acc_12;
    dM_0[(out_row + 3u) * 3u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_13;
    dM_0[(out_row + 3u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_14;
    dM_0[(out_row + 3u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_15;
    dM_0[(out_row + 3u) * 3u + out_col + 3u] = result;
  }
}

// kernels/gradient_dL_0.wgsl
// dL = s sum of M^T Z, 1 site.
// 3 x 11, inner 3; tiles 32x32x16, 4x4 each.
// Predicted by the plan: 198 FLOP, 300 B to and from memory.

@group(0) @binding(0) var<storage, read> M_0: array<f32>;
@group(0) @binding(1) var<storage, read> Z_0: array<f32>;
@group(0) @binding(2) var<storage, read_write> dL_0: array<f32>;

var<workgroup> tile_a: array<f32, 512>;
var<workgroup> tile_b: array<f32, 512>;

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
  // inner dimension of M_0 and Z_0, 16 at a time
  for (var k0_0 = 0u; k0_0 < 3u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 512u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 32u;
      let col_a0 = k0_0 + e_a0 / 32u;
      tile_a[e_a0 / 32u * 32u + e_a0 % 32u] = select(0.0, M_0[col_a0 * 3u + row_a0], row_a0 < 3u && col_a0 < 3u);
    }
    for (var e_b0 = lane; e_b0 < 512u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 32u;
      let col_b0 = col0 + e_b0 % 32u;
      tile_b[e_b0 / 32u * 32u + e_b0 % 32u] = select(0.0, Z_0[row_b0 * 11u + col_b0], row_b0 < 3u && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 32u + tile_row];
      col_a_1 = tile_a[k_0 * 32u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 32u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 32u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 32u + tile_col];
      row_b_1 = tile_b[k_0 * 32u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 32u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 32u + tile_col + 3u];
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
    dL_0[out_row * 11u + out_col] = result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_1;
    dL_0[out_row * 11u + out_col + 1u] = result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_2;
    dL_0[out_row * 11u + out_col + 2u] = result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_3;
    dL_0[out_row * 11u + out_col + 3u] = result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_4;
    dL_0[(out_row + 1u) * 11u + out_col] = result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_5;
    dL_0[(out_row + 1u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_6;
    dL_0[(out_row + 1u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_7;
    dL_0[(out_row + 1u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_8;
    dL_0[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_9;
    dL_0[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_10;
    dL_0[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_11;
    dL_0[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = 0.33333334 * acc_12;
    dL_0[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = 0.33333334 * acc_13;
    dL_0[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = 0.33333334 * acc_14;
    dL_0[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    let result = 0.33333334 * acc_15;
    dL_0[(out_row + 3u) * 11u + out_col + 3u] = result;
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
