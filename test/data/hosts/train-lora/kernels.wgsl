// kernels/down_0.wgsl
// P = s x A.
// M x 3, inner 17; tiles 64x8x16, 2x4 each.
// Predicted by the plan: 6.53 kFLOP, 5.32 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read_write> P: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 1088>;
var<workgroup> tile_b: array<f32, 192>;

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
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  let lane = local.x;
  let row0 = group.y * 64u;
  let col0 = group.x * 8u;
  let tile_row = lane / 2u * 2u;
  let tile_col = lane % 2u * 4u;
  // inner dimension of x and A, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 1024u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 68u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 12u + e_b0 % 8u] = select(0.0, A[row_b0 * 3u + col_b0], row_b0 < 17u && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 68u + tile_row];
      col_a_1 = tile_a[k_0 * 68u + tile_row + 1u];
      row_b_0 = tile_b[k_0 * 12u + tile_col];
      row_b_1 = tile_b[k_0 * 12u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 12u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 12u + tile_col + 3u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_1, row_b_0, acc_4);
      acc_5 = fma(col_a_1, row_b_1, acc_5);
      acc_6 = fma(col_a_1, row_b_2, acc_6);
      acc_7 = fma(col_a_1, row_b_3, acc_7);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 3u) {
    let result = 0.33333334 * acc_0;
    P[out_row * 3u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_1;
    P[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_2;
    P[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_3;
    P[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 3u) {
    let result = 0.33333334 * acc_4;
    P[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_5;
    P[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_6;
    P[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_7;
    P[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
}

// kernels/layer_0.wgsl
// y = x W + P B.
// M x 11, inner 17 + 3; tiles 16x128x16, 4x8 each.
// Predicted by the plan: 28.2 kFLOP, 8.82 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> P: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 320>;
var<workgroup> tile_b: array<f32, 2112>;

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
  // inner dimension of x and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 17u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 256u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 20u + e_a0 / 16u] = select(0.0, x[row_a0 * 17u + col_a0], row_a0 < uniforms.M && col_a0 < 17u);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 132u + e_b0 / 16u] = select(0.0, W[col_b0 * 17u + row_b0], row_b0 < 17u && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 20u + tile_row];
      col_a_1 = tile_a[k_0 * 20u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 20u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 20u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 132u + tile_col];
      row_b_1 = tile_b[k_0 * 132u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 132u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 132u + tile_col + 3u];
      row_b_4 = tile_b[k_0 * 132u + tile_col + 4u];
      row_b_5 = tile_b[k_0 * 132u + tile_col + 5u];
      row_b_6 = tile_b[k_0 * 132u + tile_col + 6u];
      row_b_7 = tile_b[k_0 * 132u + tile_col + 7u];
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
  // inner dimension of P and B, 16 at a time
  for (var k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (var e_a1 = lane; e_a1 < 256u; e_a1 += 64u) {
      let row_a1 = row0 + e_a1 / 16u;
      let col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 20u + e_a1 / 16u] = select(0.0, P[row_a1 * 3u + col_a1], row_a1 < uniforms.M && col_a1 < 3u);
    }
    for (var e_b1 = lane; e_b1 < 2048u; e_b1 += 64u) {
      let row_b1 = k0_1 + e_b1 / 128u;
      let col_b1 = col0 + e_b1 % 128u;
      tile_b[e_b1 / 128u * 132u + e_b1 % 128u] = select(0.0, B[row_b1 * 11u + col_b1], row_b1 < 3u && col_b1 < 11u);
    }
    workgroupBarrier();
    for (var k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 20u + tile_row];
      col_a_1 = tile_a[k_1 * 20u + tile_row + 1u];
      col_a_2 = tile_a[k_1 * 20u + tile_row + 2u];
      col_a_3 = tile_a[k_1 * 20u + tile_row + 3u];
      row_b_0 = tile_b[k_1 * 132u + tile_col];
      row_b_1 = tile_b[k_1 * 132u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 132u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 132u + tile_col + 3u];
      row_b_4 = tile_b[k_1 * 132u + tile_col + 4u];
      row_b_5 = tile_b[k_1 * 132u + tile_col + 5u];
      row_b_6 = tile_b[k_1 * 132u + tile_col + 6u];
      row_b_7 = tile_b[k_1 * 132u + tile_col + 7u];
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
  if (out_row + 2u < uniforms.M && out_col < 11u) {
    let result = acc_16;
    y[(out_row + 2u) * 11u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_17;
    y[(out_row + 2u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_18;
    y[(out_row + 2u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_19;
    y[(out_row + 2u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_20;
    y[(out_row + 2u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_21;
    y[(out_row + 2u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_22;
    y[(out_row + 2u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_23;
    y[(out_row + 2u) * 11u + out_col + 7u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 11u) {
    let result = acc_24;
    y[(out_row + 3u) * 11u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 11u) {
    let result = acc_25;
    y[(out_row + 3u) * 11u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 11u) {
    let result = acc_26;
    y[(out_row + 3u) * 11u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 11u) {
    let result = acc_27;
    y[(out_row + 3u) * 11u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 4u < 11u) {
    let result = acc_28;
    y[(out_row + 3u) * 11u + out_col + 4u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 5u < 11u) {
    let result = acc_29;
    y[(out_row + 3u) * 11u + out_col + 5u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 6u < 11u) {
    let result = acc_30;
    y[(out_row + 3u) * 11u + out_col + 6u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 7u < 11u) {
    let result = acc_31;
    y[(out_row + 3u) * 11u + out_col + 7u] = result;
  }
}

// kernels/drank_0.wgsl
// dP = s dy B^T.
// M x 3, inner 11; tiles 64x8x16, 2x4 each.
// Predicted by the plan: 4.22 kFLOP, 3.72 kB to and from memory.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> dP: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 1088>;
var<workgroup> tile_b: array<f32, 192>;

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
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  let lane = local.x;
  let row0 = group.y * 64u;
  let col0 = group.x * 8u;
  let tile_row = lane / 2u * 2u;
  let tile_col = lane % 2u * 4u;
  // inner dimension of dy and B, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 1024u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 68u + e_a0 / 16u] = select(0.0, dy[row_a0 * 11u + col_a0], row_a0 < uniforms.M && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 % 16u;
      let col_b0 = col0 + e_b0 / 16u;
      tile_b[e_b0 % 16u * 12u + e_b0 / 16u] = select(0.0, B[col_b0 * 11u + row_b0], row_b0 < 11u && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 68u + tile_row];
      col_a_1 = tile_a[k_0 * 68u + tile_row + 1u];
      row_b_0 = tile_b[k_0 * 12u + tile_col];
      row_b_1 = tile_b[k_0 * 12u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 12u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 12u + tile_col + 3u];
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_1, row_b_0, acc_4);
      acc_5 = fma(col_a_1, row_b_1, acc_5);
      acc_6 = fma(col_a_1, row_b_2, acc_6);
      acc_7 = fma(col_a_1, row_b_3, acc_7);
    }
    workgroupBarrier();
  }
  // results
  let out_row = row0 + tile_row;
  let out_col = col0 + tile_col;
  if (out_row < uniforms.M && out_col < 3u) {
    let result = 0.33333334 * acc_0;
    dP[out_row * 3u + out_col] = result;
  }
  if (out_row < uniforms.M && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_1;
    dP[out_row * 3u + out_col + 1u] = result;
  }
  if (out_row < uniforms.M && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_2;
    dP[out_row * 3u + out_col + 2u] = result;
  }
  if (out_row < uniforms.M && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_3;
    dP[out_row * 3u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 3u) {
    let result = 0.33333334 * acc_4;
    dP[(out_row + 1u) * 3u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 3u) {
    let result = 0.33333334 * acc_5;
    dP[(out_row + 1u) * 3u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 3u) {
    let result = 0.33333334 * acc_6;
    dP[(out_row + 1u) * 3u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 3u) {
    let result = 0.33333334 * acc_7;
    dP[(out_row + 1u) * 3u + out_col + 3u] = result;
  }
}

// kernels/sum_0.wgsl
// dB = P^T dy.
// 3 x 11, inner M; tiles 8x128x16, 4x4 each.
// Predicted by the plan: 4.22 kFLOP, 3.85 kB to and from memory.

@group(0) @binding(0) var<storage, read> P: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dB: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 192>;
var<workgroup> tile_b: array<f32, 2112>;

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
  for (var k0_0 = 0u; k0_0 < uniforms.M; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 128u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 8u;
      let col_a0 = k0_0 + e_a0 / 8u;
      tile_a[e_a0 / 8u * 12u + e_a0 % 8u] = select(0.0, P[col_a0 * 3u + row_a0], row_a0 < 3u && col_a0 < uniforms.M);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 132u + e_b0 % 128u] = select(0.0, dy[row_b0 * 11u + col_b0], row_b0 < uniforms.M && col_b0 < 11u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 12u + tile_row];
      col_a_1 = tile_a[k_0 * 12u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 12u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 12u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 132u + tile_col];
      row_b_1 = tile_b[k_0 * 132u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 132u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 132u + tile_col + 3u];
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
    dB[out_row * 11u + out_col] = dB[out_row * 11u + out_col] + result;
  }
  if (out_row < 3u && out_col + 1u < 11u) {
    let result = acc_1;
    dB[out_row * 11u + out_col + 1u] = dB[out_row * 11u + out_col + 1u] + result;
  }
  if (out_row < 3u && out_col + 2u < 11u) {
    let result = acc_2;
    dB[out_row * 11u + out_col + 2u] = dB[out_row * 11u + out_col + 2u] + result;
  }
  if (out_row < 3u && out_col + 3u < 11u) {
    let result = acc_3;
    dB[out_row * 11u + out_col + 3u] = dB[out_row * 11u + out_col + 3u] + result;
  }
  if (out_row + 1u < 3u && out_col < 11u) {
    let result = acc_4;
    dB[(out_row + 1u) * 11u + out_col] = dB[(out_row + 1u) * 11u + out_col] + result;
  }
  if (out_row + 1u < 3u && out_col + 1u < 11u) {
    let result = acc_5;
    dB[(out_row + 1u) * 11u + out_col + 1u] = dB[(out_row + 1u) * 11u + out_col + 1u] + result;
  }
  if (out_row + 1u < 3u && out_col + 2u < 11u) {
    let result = acc_6;
    dB[(out_row + 1u) * 11u + out_col + 2u] = dB[(out_row + 1u) * 11u + out_col + 2u] + result;
  }
  if (out_row + 1u < 3u && out_col + 3u < 11u) {
    let result = acc_7;
    dB[(out_row + 1u) * 11u + out_col + 3u] = dB[(out_row + 1u) * 11u + out_col + 3u] + result;
  }
  if (out_row + 2u < 3u && out_col < 11u) {
    let result = acc_8;
    dB[(out_row + 2u) * 11u + out_col] = dB[(out_row + 2u) * 11u + out_col] + result;
  }
  if (out_row + 2u < 3u && out_col + 1u < 11u) {
    let result = acc_9;
    dB[(out_row + 2u) * 11u + out_col + 1u] = dB[(out_row + 2u) * 11u + out_col + 1u] + result;
  }
  if (out_row + 2u < 3u && out_col + 2u < 11u) {
    let result = acc_10;
    dB[(out_row + 2u) * 11u + out_col + 2u] = dB[(out_row + 2u) * 11u + out_col + 2u] + result;
  }
  if (out_row + 2u < 3u && out_col + 3u < 11u) {
    let result = acc_11;
    dB[(out_row + 2u) * 11u + out_col + 3u] = dB[(out_row + 2u) * 11u + out_col + 3u] + result;
  }
  if (out_row + 3u < 3u && out_col < 11u) {
    let result = acc_12;
    dB[(out_row + 3u) * 11u + out_col] = dB[(out_row + 3u) * 11u + out_col] + result;
  }
  if (out_row + 3u < 3u && out_col + 1u < 11u) {
    let result = acc_13;
    dB[(out_row + 3u) * 11u + out_col + 1u] = dB[(out_row + 3u) * 11u + out_col + 1u] + result;
  }
  if (out_row + 3u < 3u && out_col + 2u < 11u) {
    let result = acc_14;
    dB[(out_row + 3u) * 11u + out_col + 2u] = dB[(out_row + 3u) * 11u + out_col + 2u] + result;
  }
  if (out_row + 3u < 3u && out_col + 3u < 11u) {
    let result = acc_15;
    dB[(out_row + 3u) * 11u + out_col + 3u] = dB[(out_row + 3u) * 11u + out_col + 3u] + result;
  }
}

// kernels/dfirst_0.wgsl
// dA = x^T dP.
// 17 x 3, inner M; tiles 128x8x16, 4x4 each.
// Predicted by the plan: 6.53 kFLOP, 5.53 kB to and from memory.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dP: array<f32>;
@group(0) @binding(2) var<storage, read_write> dA: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 2112>;
var<workgroup> tile_b: array<f32, 192>;

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
  for (var k0_0 = 0u; k0_0 < uniforms.M; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 2048u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 % 128u;
      let col_a0 = k0_0 + e_a0 / 128u;
      tile_a[e_a0 / 128u * 132u + e_a0 % 128u] = select(0.0, x[col_a0 * 17u + row_a0], row_a0 < 17u && col_a0 < uniforms.M);
    }
    for (var e_b0 = lane; e_b0 < 128u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 8u;
      let col_b0 = col0 + e_b0 % 8u;
      tile_b[e_b0 / 8u * 12u + e_b0 % 8u] = select(0.0, dP[row_b0 * 3u + col_b0], row_b0 < uniforms.M && col_b0 < 3u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 132u + tile_row];
      col_a_1 = tile_a[k_0 * 132u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 132u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 132u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 12u + tile_col];
      row_b_1 = tile_b[k_0 * 12u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 12u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 12u + tile_col + 3u];
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
    dA[out_row * 3u + out_col] = dA[out_row * 3u + out_col] + result;
  }
  if (out_row < 17u && out_col + 1u < 3u) {
    let result = acc_1;
    dA[out_row * 3u + out_col + 1u] = dA[out_row * 3u + out_col + 1u] + result;
  }
  if (out_row < 17u && out_col + 2u < 3u) {
    let result = acc_2;
    dA[out_row * 3u + out_col + 2u] = dA[out_row * 3u + out_col + 2u] + result;
  }
  if (out_row < 17u && out_col + 3u < 3u) {
    let result = acc_3;
    dA[out_row * 3u + out_col + 3u] = dA[out_row * 3u + out_col + 3u] + result;
  }
  if (out_row + 1u < 17u && out_col < 3u) {
    let result = acc_4;
    dA[(out_row + 1u) * 3u + out_col] = dA[(out_row + 1u) * 3u + out_col] + result;
  }
  if (out_row + 1u < 17u && out_col + 1u < 3u) {
    let result = acc_5;
    dA[(out_row + 1u) * 3u + out_col + 1u] = dA[(out_row + 1u) * 3u + out_col + 1u] + result;
  }
  if (out_row + 1u < 17u && out_col + 2u < 3u) {
    let result = acc_6;
    dA[(out_row + 1u) * 3u + out_col + 2u] = dA[(out_row + 1u) * 3u + out_col + 2u] + result;
  }
  if (out_row + 1u < 17u && out_col + 3u < 3u) {
    let result = acc_7;
    dA[(out_row + 1u) * 3u + out_col + 3u] = dA[(out_row + 1u) * 3u + out_col + 3u] + result;
  }
  if (out_row + 2u < 17u && out_col < 3u) {
    let result = acc_8;
    dA[(out_row + 2u) * 3u + out_col] = dA[(out_row + 2u) * 3u + out_col] + result;
  }
  if (out_row + 2u < 17u && out_col + 1u < 3u) {
    let result = acc_9;
    dA[(out_row + 2u) * 3u + out_col + 1u] = dA[(out_row + 2u) * 3u + out_col + 1u] + result;
  }
  if (out_row + 2u < 17u && out_col + 2u < 3u) {
    let result = acc_10;
    dA[(out_row + 2u) * 3u + out_col + 2u] = dA[(out_row + 2u) * 3u + out_col + 2u] + result;
  }
  if (out_row + 2u < 17u && out_col + 3u < 3u) {
    let result = acc_11;
    dA[(out_row + 2u) * 3u + out_col + 3u] = dA[(out_row + 2u) * 3u + out_col + 3u] + result;
  }
  if (out_row + 3u < 17u && out_col < 3u) {
    let result = acc_12;
    dA[(out_row + 3u) * 3u + out_col] = dA[(out_row + 3u) * 3u + out_col] + result;
  }
  if (out_row + 3u < 17u && out_col + 1u < 3u) {
    let result = acc_13;
    dA[(out_row + 3u) * 3u + out_col + 1u] = dA[(out_row + 3u) * 3u + out_col + 1u] + result;
  }
  if (out_row + 3u < 17u && out_col + 2u < 3u) {
    let result = acc_14;
    dA[(out_row + 3u) * 3u + out_col + 2u] = dA[(out_row + 3u) * 3u + out_col + 2u] + result;
  }
  if (out_row + 3u < 17u && out_col + 3u < 3u) {
    let result = acc_15;
    dA[(out_row + 3u) * 3u + out_col + 3u] = dA[(out_row + 3u) * 3u + out_col + 3u] + result;
  }
}

// kernels/dx_0.wgsl
// dx = dy W^T + dP A^T.
// M x 17, inner 11 + 3; tiles 16x128x16, 4x8 each.
// Predicted by the plan: 30.5 kFLOP, 8.89 kB to and from memory.

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>;
@group(0) @binding(2) var<storage, read> dP: array<f32>;
@group(0) @binding(3) var<storage, read> A: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

var<workgroup> tile_a: array<f32, 320>;
var<workgroup> tile_b: array<f32, 2112>;

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
  // inner dimension of dy and W, 16 at a time
  for (var k0_0 = 0u; k0_0 < 11u; k0_0 += 16u) {
    for (var e_a0 = lane; e_a0 < 256u; e_a0 += 64u) {
      let row_a0 = row0 + e_a0 / 16u;
      let col_a0 = k0_0 + e_a0 % 16u;
      tile_a[e_a0 % 16u * 20u + e_a0 / 16u] = select(0.0, dy[row_a0 * 11u + col_a0], row_a0 < uniforms.M && col_a0 < 11u);
    }
    for (var e_b0 = lane; e_b0 < 2048u; e_b0 += 64u) {
      let row_b0 = k0_0 + e_b0 / 128u;
      let col_b0 = col0 + e_b0 % 128u;
      tile_b[e_b0 / 128u * 132u + e_b0 % 128u] = select(0.0, W[row_b0 * 17u + col_b0], row_b0 < 11u && col_b0 < 17u);
    }
    workgroupBarrier();
    for (var k_0 = 0u; k_0 < 16u; k_0 += 1u) {
      col_a_0 = tile_a[k_0 * 20u + tile_row];
      col_a_1 = tile_a[k_0 * 20u + tile_row + 1u];
      col_a_2 = tile_a[k_0 * 20u + tile_row + 2u];
      col_a_3 = tile_a[k_0 * 20u + tile_row + 3u];
      row_b_0 = tile_b[k_0 * 132u + tile_col];
      row_b_1 = tile_b[k_0 * 132u + tile_col + 1u];
      row_b_2 = tile_b[k_0 * 132u + tile_col + 2u];
      row_b_3 = tile_b[k_0 * 132u + tile_col + 3u];
      row_b_4 = tile_b[k_0 * 132u + tile_col + 4u];
      row_b_5 = tile_b[k_0 * 132u + tile_col + 5u];
      row_b_6 = tile_b[k_0 * 132u + tile_col + 6u];
      row_b_7 = tile_b[k_0 * 132u + tile_col + 7u];
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
  // inner dimension of dP and A, 16 at a time
  for (var k0_1 = 0u; k0_1 < 3u; k0_1 += 16u) {
    for (var e_a1 = lane; e_a1 < 256u; e_a1 += 64u) {
      let row_a1 = row0 + e_a1 / 16u;
      let col_a1 = k0_1 + e_a1 % 16u;
      tile_a[e_a1 % 16u * 20u + e_a1 / 16u] = select(0.0, dP[row_a1 * 3u + col_a1], row_a1 < uniforms.M && col_a1 < 3u);
    }
    for (var e_b1 = lane; e_b1 < 2048u; e_b1 += 64u) {
      let row_b1 = k0_1 + e_b1 % 16u;
      let col_b1 = col0 + e_b1 / 16u;
      tile_b[e_b1 % 16u * 132u + e_b1 / 16u] = select(0.0, A[col_b1 * 3u + row_b1], row_b1 < 3u && col_b1 < 17u);
    }
    workgroupBarrier();
    for (var k_1 = 0u; k_1 < 16u; k_1 += 1u) {
      col_a_0 = tile_a[k_1 * 20u + tile_row];
      col_a_1 = tile_a[k_1 * 20u + tile_row + 1u];
      col_a_2 = tile_a[k_1 * 20u + tile_row + 2u];
      col_a_3 = tile_a[k_1 * 20u + tile_row + 3u];
      row_b_0 = tile_b[k_1 * 132u + tile_col];
      row_b_1 = tile_b[k_1 * 132u + tile_col + 1u];
      row_b_2 = tile_b[k_1 * 132u + tile_col + 2u];
      row_b_3 = tile_b[k_1 * 132u + tile_col + 3u];
      row_b_4 = tile_b[k_1 * 132u + tile_col + 4u];
      row_b_5 = tile_b[k_1 * 132u + tile_col + 5u];
      row_b_6 = tile_b[k_1 * 132u + tile_col + 6u];
      row_b_7 = tile_b[k_1 * 132u + tile_col + 7u];
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
  if (out_row < uniforms.M && out_col + 4u < 17u) {
    let result = acc_4;
    dx[out_row * 17u + out_col + 4u] = result;
  }
  if (out_row < uniforms.M && out_col + 5u < 17u) {
    let result = acc_5;
    dx[out_row * 17u + out_col + 5u] = result;
  }
  if (out_row < uniforms.M && out_col + 6u < 17u) {
    let result = acc_6;
    dx[out_row * 17u + out_col + 6u] = result;
  }
  if (out_row < uniforms.M && out_col + 7u < 17u) {
    let result = acc_7;
    dx[out_row * 17u + out_col + 7u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col < 17u) {
    let result = acc_8;
    dx[(out_row + 1u) * 17u + out_col] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_9;
    dx[(out_row + 1u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_10;
    dx[(out_row + 1u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_11;
    dx[(out_row + 1u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 4u < 17u) {
    let result = acc_12;
    dx[(out_row + 1u) * 17u + out_col + 4u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 5u < 17u) {
    let result = acc_13;
    dx[(out_row + 1u) * 17u + out_col + 5u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 6u < 17u) {
    let result = acc_14;
    dx[(out_row + 1u) * 17u + out_col + 6u] = result;
  }
  if (out_row + 1u < uniforms.M && out_col + 7u < 17u) {
    let result = acc_15;
    dx[(out_row + 1u) * 17u + out_col + 7u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col < 17u) {
    let result = acc_16;
    dx[(out_row + 2u) * 17u + out_col] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_17;
    dx[(out_row + 2u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_18;
    dx[(out_row + 2u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_19;
    dx[(out_row + 2u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 4u < 17u) {
    let result = acc_20;
    dx[(out_row + 2u) * 17u + out_col + 4u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 5u < 17u) {
    let result = acc_21;
    dx[(out_row + 2u) * 17u + out_col + 5u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 6u < 17u) {
    let result = acc_22;
    dx[(out_row + 2u) * 17u + out_col + 6u] = result;
  }
  if (out_row + 2u < uniforms.M && out_col + 7u < 17u) {
    let result = acc_23;
    dx[(out_row + 2u) * 17u + out_col + 7u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col < 17u) {
    let result = acc_24;
    dx[(out_row + 3u) * 17u + out_col] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 1u < 17u) {
    let result = acc_25;
    dx[(out_row + 3u) * 17u + out_col + 1u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 2u < 17u) {
    let result = acc_26;
    dx[(out_row + 3u) * 17u + out_col + 2u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 3u < 17u) {
    let result = acc_27;
    dx[(out_row + 3u) * 17u + out_col + 3u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 4u < 17u) {
    let result = acc_28;
    dx[(out_row + 3u) * 17u + out_col + 4u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 5u < 17u) {
    let result = acc_29;
    dx[(out_row + 3u) * 17u + out_col + 5u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 6u < 17u) {
    let result = acc_30;
    dx[(out_row + 3u) * 17u + out_col + 6u] = result;
  }
  if (out_row + 3u < uniforms.M && out_col + 7u < 17u) {
    let result = acc_31;
    dx[(out_row + 3u) * 17u + out_col + 7u] = result;
  }
}

// kernels/step_B_0.wgsl
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
    let m = moment1[element] * uniforms.beta1 + g * (1.0 - uniforms.beta1);
    let v = moment2[element] * uniforms.beta2 + g * g * (1.0 - uniforms.beta2);
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0 - uniforms.learning_rate * uniforms.weight_decay) - m / uniforms.correction1 / (sqrt(v / uniforms.correction2) + uniforms.epsilon) * uniforms.learning_rate;
  }
}

// kernels/step_A_0_0.wgsl
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
    let m = moment1[element] * uniforms.beta1 + g * (1.0 - uniforms.beta1);
    let v = moment2[element] * uniforms.beta2 + g * g * (1.0 - uniforms.beta2);
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0 - uniforms.learning_rate * uniforms.weight_decay) - m / uniforms.correction1 / (sqrt(v / uniforms.correction2) + uniforms.epsilon) * uniforms.learning_rate;
  }
}
