// lanes merged launch.
// M x 29, inner 79; 1x24, 8 columns at a time, inner over 64 invocations, subgroups.
enable subgroups;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> r: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> l: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

struct Uniforms {
  M: u32,
}
@group(0) @binding(5) var<uniform> uniforms: Uniforms;

var<workgroup> sums: array<f32, 512>;
var<workgroup> kept: array<f32, 10>;

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
  var row_b_0 = 0.0;
  var row_b_1 = 0.0;
  var row_b_2 = 0.0;
  var row_b_3 = 0.0;
  var row_b_4 = 0.0;
  var row_b_5 = 0.0;
  var row_b_6 = 0.0;
  var row_b_7 = 0.0;
  var total_0 = 0.0;
  let lane = local.x;
  let row0 = group.y;
  let col0 = group.x * 24u;
  // number of this invocation in its subgroup, and how many there are
  let peer = subgroupExclusiveAdd(1u);
  let peers = subgroupAdd(1u);
  // P, for all rows of this workgroup
  // inner dimension of x and r, 64 at a time
  for (var k0_p = 0u; k0_p < 79u; k0_p += 64u) {
    let k_p = k0_p + lane;
    col_a_0 = select(0.0, x[row0 * 79u + k_p], row0 < uniforms.M && k_p < 79u);
    row_b_0 = select(0.0, r[k_p * 3u], k_p < 79u);
    row_b_1 = select(0.0, r[k_p * 3u + 1u], k_p < 79u);
    row_b_2 = select(0.0, r[k_p * 3u + 2u], k_p < 79u);
    acc_0 = fma(col_a_0, row_b_0, acc_0);
    acc_1 = fma(col_a_0, row_b_1, acc_1);
    acc_2 = fma(col_a_0, row_b_2, acc_2);
  }
  // every subgroup adds what all invocations have: each of its own takes some of them
  sums[lane] = acc_0;
  acc_0 = 0.0;
  sums[64u + lane] = acc_1;
  acc_1 = 0.0;
  sums[128u + lane] = acc_2;
  acc_2 = 0.0;
  workgroupBarrier();
  for (var l_p = peer; l_p < 64u; l_p += peers) {
    acc_0 = acc_0 + sums[l_p];
    acc_1 = acc_1 + sums[64u + l_p];
    acc_2 = acc_2 + sums[128u + l_p];
  }
  acc_0 = subgroupAdd(acc_0);
  acc_1 = subgroupAdd(acc_1);
  acc_2 = subgroupAdd(acc_2);
  total_0 = select(total_0, acc_0, lane == 0u);
  total_0 = select(total_0, acc_1, lane == 1u);
  total_0 = select(total_0, acc_2, lane == 2u);
  if (lane < 3u) {
    let own = min(lane, 2u);
    kept[own / 3u * 10u + own % 3u] = 0.5 * total_0;
  }
  workgroupBarrier();
  for (var c0_y = 0u; c0_y < 24u; c0_y += 8u) {
    acc_0 = 0.0;
    acc_1 = 0.0;
    acc_2 = 0.0;
    acc_3 = 0.0;
    acc_4 = 0.0;
    acc_5 = 0.0;
    acc_6 = 0.0;
    acc_7 = 0.0;
    // inner dimension of x and w, 64 at a time
    for (var k0_0 = 0u; k0_0 < 79u; k0_0 += 64u) {
      let k_0 = k0_0 + lane;
      col_a_0 = select(0.0, x[row0 * 79u + k_0], row0 < uniforms.M && k_0 < 79u);
      row_b_0 = select(0.0, w[k_0 * 29u + col0 + c0_y], k_0 < 79u && col0 + c0_y < 29u);
      row_b_1 = select(0.0, w[k_0 * 29u + col0 + c0_y + 1u], k_0 < 79u && col0 + c0_y + 1u < 29u);
      row_b_2 = select(0.0, w[k_0 * 29u + col0 + c0_y + 2u], k_0 < 79u && col0 + c0_y + 2u < 29u);
      row_b_3 = select(0.0, w[k_0 * 29u + col0 + c0_y + 3u], k_0 < 79u && col0 + c0_y + 3u < 29u);
      row_b_4 = select(0.0, w[k_0 * 29u + col0 + c0_y + 4u], k_0 < 79u && col0 + c0_y + 4u < 29u);
      row_b_5 = select(0.0, w[k_0 * 29u + col0 + c0_y + 5u], k_0 < 79u && col0 + c0_y + 5u < 29u);
      row_b_6 = select(0.0, w[k_0 * 29u + col0 + c0_y + 6u], k_0 < 79u && col0 + c0_y + 6u < 29u);
      row_b_7 = select(0.0, w[k_0 * 29u + col0 + c0_y + 7u], k_0 < 79u && col0 + c0_y + 7u < 29u);
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_0, row_b_4, acc_4);
      acc_5 = fma(col_a_0, row_b_5, acc_5);
      acc_6 = fma(col_a_0, row_b_6, acc_6);
      acc_7 = fma(col_a_0, row_b_7, acc_7);
    }
    // P times l
    for (var k0_up = 0u; k0_up < 3u; k0_up += 64u) {
      let k_up = k0_up + lane;
      col_a_0 = kept[min(k_up, 2u)];
      row_b_0 = select(0.0, l[k_up * 29u + col0 + c0_y], k_up < 3u && col0 + c0_y < 29u);
      row_b_1 = select(0.0, l[k_up * 29u + col0 + c0_y + 1u], k_up < 3u && col0 + c0_y + 1u < 29u);
      row_b_2 = select(0.0, l[k_up * 29u + col0 + c0_y + 2u], k_up < 3u && col0 + c0_y + 2u < 29u);
      row_b_3 = select(0.0, l[k_up * 29u + col0 + c0_y + 3u], k_up < 3u && col0 + c0_y + 3u < 29u);
      row_b_4 = select(0.0, l[k_up * 29u + col0 + c0_y + 4u], k_up < 3u && col0 + c0_y + 4u < 29u);
      row_b_5 = select(0.0, l[k_up * 29u + col0 + c0_y + 5u], k_up < 3u && col0 + c0_y + 5u < 29u);
      row_b_6 = select(0.0, l[k_up * 29u + col0 + c0_y + 6u], k_up < 3u && col0 + c0_y + 6u < 29u);
      row_b_7 = select(0.0, l[k_up * 29u + col0 + c0_y + 7u], k_up < 3u && col0 + c0_y + 7u < 29u);
      acc_0 = fma(col_a_0, row_b_0, acc_0);
      acc_1 = fma(col_a_0, row_b_1, acc_1);
      acc_2 = fma(col_a_0, row_b_2, acc_2);
      acc_3 = fma(col_a_0, row_b_3, acc_3);
      acc_4 = fma(col_a_0, row_b_4, acc_4);
      acc_5 = fma(col_a_0, row_b_5, acc_5);
      acc_6 = fma(col_a_0, row_b_6, acc_6);
      acc_7 = fma(col_a_0, row_b_7, acc_7);
    }
    // every subgroup adds what all invocations have: each of its own takes some of them
    sums[lane] = acc_0;
    acc_0 = 0.0;
    sums[64u + lane] = acc_1;
    acc_1 = 0.0;
    sums[128u + lane] = acc_2;
    acc_2 = 0.0;
    sums[192u + lane] = acc_3;
    acc_3 = 0.0;
    sums[256u + lane] = acc_4;
    acc_4 = 0.0;
    sums[320u + lane] = acc_5;
    acc_5 = 0.0;
    sums[384u + lane] = acc_6;
    acc_6 = 0.0;
    sums[448u + lane] = acc_7;
    acc_7 = 0.0;
    workgroupBarrier();
    for (var l_y = peer; l_y < 64u; l_y += peers) {
      acc_0 = acc_0 + sums[l_y];
      acc_1 = acc_1 + sums[64u + l_y];
      acc_2 = acc_2 + sums[128u + l_y];
      acc_3 = acc_3 + sums[192u + l_y];
      acc_4 = acc_4 + sums[256u + l_y];
      acc_5 = acc_5 + sums[320u + l_y];
      acc_6 = acc_6 + sums[384u + l_y];
      acc_7 = acc_7 + sums[448u + l_y];
    }
    acc_0 = subgroupAdd(acc_0);
    acc_1 = subgroupAdd(acc_1);
    acc_2 = subgroupAdd(acc_2);
    acc_3 = subgroupAdd(acc_3);
    acc_4 = subgroupAdd(acc_4);
    acc_5 = subgroupAdd(acc_5);
    acc_6 = subgroupAdd(acc_6);
    acc_7 = subgroupAdd(acc_7);
    total_0 = select(total_0, acc_0, lane == 0u);
    total_0 = select(total_0, acc_1, lane == 1u);
    total_0 = select(total_0, acc_2, lane == 2u);
    total_0 = select(total_0, acc_3, lane == 3u);
    total_0 = select(total_0, acc_4, lane == 4u);
    total_0 = select(total_0, acc_5, lane == 5u);
    total_0 = select(total_0, acc_6, lane == 6u);
    total_0 = select(total_0, acc_7, lane == 7u);
    // results
    let out_row = row0;
    let out_col = col0 + c0_y;
    if (lane < 8u) {
      let own = min(lane, 7u);
      if (out_row + own / 8u < uniforms.M && out_col + own % 8u < 29u) {
        let result = total_0;
        y[3u + (out_row + own / 8u) * 31u + out_col + own % 8u] = result;
      }
    }
    workgroupBarrier();
  }
}
