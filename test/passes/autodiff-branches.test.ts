import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { f64, ortGradcheck } from '../support/gradcheck-ort.js';
import type { Tensor } from '../support/ort.js';

/** Gradients through If, in ONNX Runtime and float64, for both values of the condition. */

const HEAD = '<ir_version: 8, opset_import: ["": 17]>';
const flag = (on: boolean): Tensor => ({ dtype: 'bool', shape: [], data: Uint8Array.of(on ? 1 : 0) });
const x = f64([2, 3], 7);
const w = f64([3, 3], 8);

const CASES: readonly (readonly [string, string])[] = [
  [
    'values from outside in both branches',
    `y = If (flag) <
      then_branch = a () => (a1) { p = MatMul (x, w) a1 = Tanh (p) },
      else_branch = b () => (b1) { b1 = Mul (x, x) }
    >`,
  ],
  [
    'three outputs, one of them a value from outside as it is',
    `h = Mul (x, x)
     y1, y2, y3 = If (flag) <
      then_branch = a () => (a1, a2, a3) { a1 = MatMul (h, w) a2 = Cos (a1) a3 = Identity (h) },
      else_branch = b () => (b1, b2, b3) { b1 = Sigmoid (h) b2 = MatMul (x, w) b3 = Neg (x) }
    >
     s = Add (y1, y2)
     y = Mul (s, y3)`,
  ],
  [
    'nested, and a branch that reads nothing that is trained',
    `z = Exp (x)
     u = If (flag) <
      then_branch = a () => (a1) {
        q = Add (x, z)
        a1 = If (other) <
          then_branch = c () => (c1) { c0 = MatMul (q, w) c1 = Sin (c0) },
          else_branch = d () => (d1) { d1 = Mul (q, z) }
        >
      },
      else_branch = b () => (b1) { b1 = Constant <value = double[2,3] {1, 2, 3, 4, 5, 6}> () }
    >
     v = MatMul (x, w)
     y = Mul (u, v)`,
  ],
];

describe.each(CASES)('If: %s', (_, body) => {
  test.each([
    [true, true],
    [true, false],
    [false, true],
  ])('conditions %s and %s', async (on, inner) => {
    const text = `${HEAD} g (double[b,3] x, double[3,3] w, bool flag, bool other) => (double[b,3] y) { ${body} }`;
    const feeds = { x, w, flag: flag(on), other: flag(inner) };
    expect(await ortGradcheck(text, feeds, ['x', 'w'])).toBeLessThan(2e-8);
  });
});

test('an op without a rule inside a branch is refused with its place', async () => {
  const text = `${HEAD} g (double[2,3] x, double[3,3] w, bool flag) => (double[b,3] y) {
    y = If (flag) <
      then_branch = a () => (a1) { a1 = ReduceProd <axes = [0]> (x) },
      else_branch = b () => (b1) { b1 = MatMul (x, w) }
    >
  }`;
  const refused = await ortGradcheck(text, { x, w, flag: flag(true) }, ['x', 'w']).catch(
    (error: unknown) => error,
  );
  if (!(refused instanceof LotrcError)) throw refused;
  expect(refused.diagnostics.map(({ code, message }) => [code, message])).toEqual([
    ['LOTR4201', 'cannot differentiate ReduceProd: it has no gradient rule'],
  ]);
});
