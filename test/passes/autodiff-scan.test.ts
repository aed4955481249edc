import { expect, test } from 'vitest';
import { f64, ortGradcheck } from '../support/gradcheck-ort.js';

/** Gradients through Scan, in ONNX Runtime and float64. */

const HEAD = '<ir_version: 8, opset_import: ["": 17]>';
const feeds = { x: f64([4, 2, 3], 7), h: f64([2, 3], 8), w: f64([3, 3], 9) };

const CASES: readonly (readonly [string, string])[] = [
  [
    'a state, a weight from outside, outputs of each round',
    `hT, y = Scan <num_scan_inputs = 1, body = b (double[n,3] s, double[n,3] u) => (double[n,3] s1, double[n,3] y1) {
      p = MatMul (s, w) q = Add (p, u) s1 = Tanh (q) y1 = Mul (s1, u)
    }> (h, x)`,
  ],
  [
    'backwards, along other axes, a state that nothing reads at the end',
    `t = Transpose <perm = [1, 0, 2]> (x)
     hT0, z = Scan <num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [1, 0],
       scan_output_axes = [1], scan_output_directions = [1],
       body = b (double[n,3] s, double[n,3] u, double[n,3] v) => (double[n,3] s1, double[n,3] y1) {
        p = Mul (s, u) q = Add (p, v) s1 = Sin (q) r = MatMul (s, w) y1 = Add (r, s1)
      }> (h, t, x)
     y = Transpose <perm = [1, 0, 2]> (z)
     hT = Neg (h)`,
  ],
  [
    'two states, one of which counts, and a state that is an output as it is',
    `zero = Constant <value = int64 {0}> ()
     n, hT, y = Scan <num_scan_inputs = 1,
       body = b (int64 k, double[n,3] s, double[n,3] u) => (int64 k1, double[n,3] s1, double[n,3] y1) {
        one = Constant <value = int64 {1}> () k1 = Add (k, one) f = Cast <to = 11> (k1)
        p = MatMul (s, w) q = Mul (u, f) o = Add (p, q) s1 = Sigmoid (o) y1 = Identity (s)
      }> (zero, h, x)`,
  ],
  [
    'another Scan inside, and an If',
    `hT, y = Scan <num_scan_inputs = 1, body = b (double[n,3] s, double[n,3] u) => (double[n,3] s1, double[n,3] y1) {
      a = MatMul (u, w)
      s2, z = Scan <num_scan_inputs = 1, body = c (double[3] m, double[3] v) => (double[3] m1, double[3] z1) {
        l = Add (m, v) m1 = Tanh (l) z1 = Mul (m1, v)
      }> (first, a)
      total = ReduceSum <keepdims = 0> (s)
      nought = Constant <value = double {0}> ()
      up = Less (nought, total)
      y1 = If (up) < then_branch = t () => (t1) { t1 = Mul (z, s) }, else_branch = e () => (e1) { e1 = Sub (z, s) } >
      s1 = Add (s, s2)
    }> (h, x)`,
  ],
];

test.each(CASES)('%s', async (name, body) => {
  const first = name.startsWith('another')
    ? `axis = Constant <value = int64[1] {0}> () first = ReduceSum <keepdims = 0> (h, axis)`
    : '';
  const text = `${HEAD} g (double[t,n,3] x, double[n,3] h, double[3,3] w) => (double[n,3] hT, double[t,n,3] y) { ${first} ${body} }`;
  expect(await ortGradcheck(text, feeds, ['x', 'h', 'w'])).toBeLessThan(5e-8);
});
