// gemv three rows.
// M x 28, inner 76 + 8; 4x16, 4 invocations along the columns, 8 along the inner dimension.

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

var<workgroup> sums: array<vec4<f32>, 128>;

@compute @workgroup_size(32, 1, 1)
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
  let lane = local.x;
  let row0 = group.y * 4u;
  let own_col = lane % 4u;
  let own_inner = lane / 4u;
  let col = group.x * 4u + own_col;
  // inner dimension of x and w, 32 at a time
  for (var k0_0 = 0u; k0_0 < 76u; k0_0 += 32u) {
    let k_0 = k0_0 / 4u + own_inner;
    row_b_0 = select(vec4f(0.0), w[k_0 * 4u * 7u + col], k_0 * 4u < 76u && col * 4u < 28u);
    row_b_1 = select(vec4f(0.0), w[(k_0 * 4u + 1u) * 7u + col], k_0 * 4u + 1u < 76u && col * 4u < 28u);
    row_b_2 = select(vec4f(0.0), w[(k_0 * 4u + 2u) * 7u + col], k_0 * 4u + 2u < 76u && col * 4u < 28u);
    row_b_3 = select(vec4f(0.0), w[(k_0 * 4u + 3u) * 7u + col], k_0 * 4u + 3u < 76u && col * 4u < 28u);
    col_a_0 = select(vec4f(0.0), x[row0 * 19u + k_0], row0 < uniforms.M && k_0 * 4u < 76u);
    acc_0 = fma(vec4f(col_a_0.x), row_b_0, acc_0);
    acc_0 = fma(vec4f(col_a_0.y), row_b_1, acc_0);
    acc_0 = fma(vec4f(col_a_0.z), row_b_2, acc_0);
    acc_0 = fma(vec4f(col_a_0.w), row_b_3, acc_0);
    col_a_0 = select(vec4f(0.0), x[(row0 + 1u) * 19u + k_0], row0 + 1u < uniforms.M && k_0 * 4u < 76u);
    acc_1 = fma(vec4f(col_a_0.x), row_b_0, acc_1);
    acc_1 = fma(vec4f(col_a_0.y), row_b_1, acc_1);
    acc_1 = fma(vec4f(col_a_0.z), row_b_2, acc_1);
    acc_1 = fma(vec4f(col_a_0.w), row_b_3, acc_1);
    col_a_0 = select(vec4f(0.0), x[(row0 + 2u) * 19u + k_0], row0 + 2u < uniforms.M && k_0 * 4u < 76u);
    acc_2 = fma(vec4f(col_a_0.x), row_b_0, acc_2);
    acc_2 = fma(vec4f(col_a_0.y), row_b_1, acc_2);
    acc_2 = fma(vec4f(col_a_0.z), row_b_2, acc_2);
    acc_2 = fma(vec4f(col_a_0.w), row_b_3, acc_2);
    col_a_0 = select(vec4f(0.0), x[(row0 + 3u) * 19u + k_0], row0 + 3u < uniforms.M && k_0 * 4u < 76u);
    acc_3 = fma(vec4f(col_a_0.x), row_b_0, acc_3);
    acc_3 = fma(vec4f(col_a_0.y), row_b_1, acc_3);
    acc_3 = fma(vec4f(col_a_0.z), row_b_2, acc_3);
    acc_3 = fma(vec4f(col_a_0.w), row_b_3, acc_3);
  }
  // inner dimension of p and l, 32 at a time
  for (var k0_1 = 0u; k0_1 < 8u; k0_1 += 32u) {
    let k_1 = k0_1 / 4u + own_inner;
    row_b_0 = select(vec4f(0.0), l[k_1 * 4u * 7u + col], k_1 * 4u < 8u && col * 4u < 28u);
    row_b_1 = select(vec4f(0.0), l[(k_1 * 4u + 1u) * 7u + col], k_1 * 4u + 1u < 8u && col * 4u < 28u);
    row_b_2 = select(vec4f(0.0), l[(k_1 * 4u + 2u) * 7u + col], k_1 * 4u + 2u < 8u && col * 4u < 28u);
    row_b_3 = select(vec4f(0.0), l[(k_1 * 4u + 3u) * 7u + col], k_1 * 4u + 3u < 8u && col * 4u < 28u);
    col_a_0 = select(vec4f(0.0), p[row0 * 2u + k_1], row0 < uniforms.M && k_1 * 4u < 8u);
    acc_0 = fma(vec4f(col_a_0.x), row_b_0, acc_0);
    acc_0 = fma(vec4f(col_a_0.y), row_b_1, acc_0);
    acc_0 = fma(vec4f(col_a_0.z), row_b_2, acc_0);
    acc_0 = fma(vec4f(col_a_0.w), row_b_3, acc_0);
    col_a_0 = select(vec4f(0.0), p[(row0 + 1u) * 2u + k_1], row0 + 1u < uniforms.M && k_1 * 4u < 8u);
    acc_1 = fma(vec4f(col_a_0.x), row_b_0, acc_1);
    acc_1 = fma(vec4f(col_a_0.y), row_b_1, acc_1);
    acc_1 = fma(vec4f(col_a_0.z), row_b_2, acc_1);
    acc_1 = fma(vec4f(col_a_0.w), row_b_3, acc_1);
    col_a_0 = select(vec4f(0.0), p[(row0 + 2u) * 2u + k_1], row0 + 2u < uniforms.M && k_1 * 4u < 8u);
    acc_2 = fma(vec4f(col_a_0.x), row_b_0, acc_2);
    acc_2 = fma(vec4f(col_a_0.y), row_b_1, acc_2);
    acc_2 = fma(vec4f(col_a_0.z), row_b_2, acc_2);
    acc_2 = fma(vec4f(col_a_0.w), row_b_3, acc_2);
    col_a_0 = select(vec4f(0.0), p[(row0 + 3u) * 2u + k_1], row0 + 3u < uniforms.M && k_1 * 4u < 8u);
    acc_3 = fma(vec4f(col_a_0.x), row_b_0, acc_3);
    acc_3 = fma(vec4f(col_a_0.y), row_b_1, acc_3);
    acc_3 = fma(vec4f(col_a_0.z), row_b_2, acc_3);
    acc_3 = fma(vec4f(col_a_0.w), row_b_3, acc_3);
  }
  // the sums of all invocations, half of them at a time
  sums[own_inner * 4u + own_col] = acc_0;
  sums[(8u + own_inner) * 4u + own_col] = acc_1;
  sums[(16u + own_inner) * 4u + own_col] = acc_2;
  sums[(24u + own_inner) * 4u + own_col] = acc_3;
  workgroupBarrier();
  if (own_inner < 4u) {
    let first = min(own_inner, 3u);
    sums[first * 4u + own_col] = sums[first * 4u + own_col] + sums[(first + 4u) * 4u + own_col];
    sums[(8u + first) * 4u + own_col] = sums[(8u + first) * 4u + own_col] + sums[(8u + first + 4u) * 4u + own_col];
    sums[(16u + first) * 4u + own_col] = sums[(16u + first) * 4u + own_col] + sums[(16u + first + 4u) * 4u + own_col];
    sums[(24u + first) * 4u + own_col] = sums[(24u + first) * 4u + own_col] + sums[(24u + first + 4u) * 4u + own_col];
  }
  workgroupBarrier();
  if (own_inner < 2u) {
    let first = min(own_inner, 1u);
    sums[first * 4u + own_col] = sums[first * 4u + own_col] + sums[(first + 2u) * 4u + own_col];
    sums[(8u + first) * 4u + own_col] = sums[(8u + first) * 4u + own_col] + sums[(8u + first + 2u) * 4u + own_col];
    sums[(16u + first) * 4u + own_col] = sums[(16u + first) * 4u + own_col] + sums[(16u + first + 2u) * 4u + own_col];
    sums[(24u + first) * 4u + own_col] = sums[(24u + first) * 4u + own_col] + sums[(24u + first + 2u) * 4u + own_col];
  }
  workgroupBarrier();
  if (own_inner < 1u) {
    let first = min(own_inner, 0u);
    sums[first * 4u + own_col] = sums[first * 4u + own_col] + sums[(first + 1u) * 4u + own_col];
    sums[(8u + first) * 4u + own_col] = sums[(8u + first) * 4u + own_col] + sums[(8u + first + 1u) * 4u + own_col];
    sums[(16u + first) * 4u + own_col] = sums[(16u + first) * 4u + own_col] + sums[(16u + first + 1u) * 4u + own_col];
    sums[(24u + first) * 4u + own_col] = sums[(24u + first) * 4u + own_col] + sums[(24u + first + 1u) * 4u + own_col];
  }
  workgroupBarrier();
  // results
  let out_row = row0;
  let out_col = group.x * 4u * 4u;
  if (lane < 16u) {
    let own = min(lane, 15u);
    acc_0 = sums[own / 4u * 8u * 4u + own % 4u];
    if (out_row + own / 4u < uniforms.M && out_col + own % 4u * 4u < 28u) {
      let preactivation = vec4f(0.75) * acc_0 + b[2u + out_col / 4u + own % 4u] + before[1u + (out_row + own / 4u) * 7u + out_col / 4u + own % 4u];
      let result = vec4f(max(preactivation.x, 0.0), max(preactivation.y, 0.0), max(preactivation.z, 0.0), max(preactivation.w, 0.0));
      y[1u + (out_row + own / 4u) * 8u + out_col / 4u + own % 4u] = result;
    }
  }
}
