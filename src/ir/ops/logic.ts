import { dtypeBits } from '../dtype.js';
import { attrsOf } from './core/attrs.js';
import { op } from './core/define.js';
import { binary, unary, unaryWith } from './core/elementwise.js';
import { input } from './core/gradient.js';
import { broadcastIndex, compared, known } from './core/ints.js';
import { map, zip } from './core/nd.js';
import { broadcastInputs, dtypeAt, need, one, refuse, rule, tensorAt } from './core/rules.js';

/** Logic, comparisons, bits, and the choice by a condition. */

/** And: logical and. */
export const And = op(
  binary('And', (a, b) => (a !== 0 && b !== 0 ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => a !== 0 && b !== 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['bool[2,3]', 'bool[3] {1, 0, 0}'] }] },
);

/** Or: logical or. */
export const Or = op(
  binary('Or', (a, b) => (a !== 0 || b !== 0 ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => a !== 0 || b !== 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['bool[2,3]', 'bool[3] {1, 0, 0}'] }] },
);

/** Xor: logical exclusive or. */
export const Xor = op(
  binary('Xor', (a, b) => ((a !== 0) === (b !== 0) ? 0 : 1), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => (a !== 0) !== (b !== 0)),
  }),
  { stopsGradient: true, cases: [{ inputs: ['bool[2,3]', 'bool[3] {1, 0, 0}'] }] },
);

/** Not: logical negation. */
export const Not = op(
  unary('Not', (x) => (x === 0 ? 1 : 0), {
    dtype: 'bool',
    ints: (values) => values.map((v) => (typeof v === 'number' ? (v === 0 ? 1 : 0) : null)),
  }),
  { stopsGradient: true, cases: [{ inputs: ['bool[2,3]'] }] },
);

/** Equal: a = b. */
export const Equal = op(
  binary('Equal', (a, b) => (a === b ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: compared((sign) => sign === 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['int64[2,4]', 'int64[4] {-2, 5, 1, 8}'] }] },
);

/** Greater: a > b. */
export const Greater = op(
  binary('Greater', (a, b) => (a > b ? 1 : 0), {
    dtype: 'bool',
    ints: compared((sign) => sign > 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['int64[2,4]', 'int64[4] {-2, 5, 1, 8}'] }] },
);

/** GreaterOrEqual: a >= b. */
export const GreaterOrEqual = op(
  binary('GreaterOrEqual', (a, b) => (a >= b ? 1 : 0), {
    since: 12,
    dtype: 'bool',
    ints: compared((sign) => sign >= 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['int64[2,4]', 'int64[4] {-2, 5, 1, 8}'] }] },
);

/** Less: a < b. */
export const Less = op(
  binary('Less', (a, b) => (a < b ? 1 : 0), {
    dtype: 'bool',
    ints: compared((sign) => sign < 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['int64[2,4]', 'int64[4] {-2, 5, 1, 8}'] }] },
);

/** LessOrEqual: a <= b. */
export const LessOrEqual = op(
  binary('LessOrEqual', (a, b) => (a <= b ? 1 : 0), {
    since: 12,
    dtype: 'bool',
    ints: compared((sign) => sign <= 0),
  }),
  { stopsGradient: true, cases: [{ inputs: ['int64[2,4]', 'int64[4] {-2, 5, 1, 8}'] }] },
);

/** Where: a where the condition holds, else b; all three broadcast. */
export const Where = op({
  name: 'Where',
  since: 9,
  traits: ['pure', 'elementwise'],
  infer: rule((node, ctx) => {
    const types = [0, 1, 2].map((index) => tensorAt(ctx, index));
    const [, a, b] = types;
    if (a && b && a.dtype !== b.dtype) refuse(node, `element types ${a.dtype} and ${b.dtype} differ`);
    const shapes = types.map((type) => type?.shape);
    const shape = broadcastInputs(node, shapes);
    const rows =
      shape &&
      broadcastIndex(
        [0, 1, 2].map((i) => ctx.ints(i)),
        shapes,
        shape,
      );
    const values = rows?.map(([condition, x, y]) => {
      if (typeof condition === 'number') return condition !== 0 ? x! : y!;
      return x === y ? x! : null;
    });
    return one(a?.dtype ?? b?.dtype, shape, values ?? null);
  }),
  value: (_, inputs) => [
    zip(
      [0, 1, 2].map((i) => need(inputs, i)),
      (c, a, b) => (c !== 0 ? a! : b!),
    ),
  ],

  /** Where(c, a, d): the gradient goes to the branch that was taken. Where selects, so NaN of the other does not leak. */
  vjp: (b, node, [dy]) => {
    const condition = input(node, 0);
    const zero = b.scalar(0, node.outputs[0]!);
    return [
      null,
      b.wants(1) ? b.one('Where', [condition, dy!, zero]) : null,
      b.wants(2) ? b.one('Where', [condition, zero, dy!]) : null,
    ];
  },
  cases: [{ inputs: ['bool[2,1,3]', 'float[4,1]', 'float[3]'] }],
});

/** BitwiseAnd: bitwise and. */
export const BitwiseAnd = op(
  binary('BitwiseAnd', (a, b) => Number(BigInt(a) & BigInt(b)), {
    since: 18,
    commutative: true,
  }),
  { cases: [{ inputs: ['int64[5]', 'int64[5] {2, 9, 5, 12, 8}'] }] },
);

/** BitwiseOr: bitwise or. */
export const BitwiseOr = op(
  binary('BitwiseOr', (a, b) => Number(BigInt(a) | BigInt(b)), {
    since: 18,
    commutative: true,
  }),
  { cases: [{ inputs: ['int64[5]', 'int64[5] {2, 9, 5, 12, 8}'] }] },
);

/** BitwiseXor: bitwise exclusive or. */
export const BitwiseXor = op(
  binary('BitwiseXor', (a, b) => Number(BigInt(a) ^ BigInt(b)), {
    since: 18,
    commutative: true,
  }),
  { cases: [{ inputs: ['int64[5]', 'int64[5] {2, 9, 5, 12, 8}'] }] },
);

/** BitwiseNot: all bits inverted (two's complement; unsigned types wrap in their own width). */
export const BitwiseNot = op(
  unaryWith('BitwiseNot', 18, (node) => {
    const dtype = dtypeAt(node, 0) ?? 'i64';
    const top = dtype.startsWith('u') ? 2 ** dtypeBits(dtype) - 1 : -1;
    return (x) => top - x;
  }),
  { cases: [{ inputs: ['int64[5]'] }, { inputs: ['uint8[5]'] }] },
);

/** BitShift: unsigned a shifted left or right by b bits. */
export const BitShift = op(
  binary(
    'BitShift',
    (a, b, node) => {
      const right = node.is('BitShift') && attrsOf(node).direction === 'RIGHT';
      const dtype = dtypeAt(node, 0);
      // what is shifted out at the top is lost
      return (
        Math.floor(a * 2 ** (right ? -b : b)) % (dtype ? 2 ** dtypeBits(dtype) : Number.POSITIVE_INFINITY)
      );
    },
    { since: 11, mixed: true },
  ),
  {
    cases: [
      { inputs: ['uint8[4]', 'uint8[4] {1, 2, 0, 3}'], attrs: { direction: 'RIGHT' } },
      { inputs: ['uint8[4]', 'uint8[4] {1, 2, 0, 3}'], attrs: { direction: 'LEFT' } },
    ],
  },
);

/** IsNaN: whether x is not a number. */
export const IsNaN = op(
  unary('IsNaN', (x) => (Number.isNaN(x) ? 1 : 0), { since: 9, dtype: 'bool' }),
  { stopsGradient: true, cases: [{ inputs: ['float[2,5]'] }] },
);

/** IsInf: whether x is infinite; the attributes choose the signs that count. */
export const IsInf = op({
  name: 'IsInf',
  since: 10,
  traits: ['pure', 'elementwise'],
  infer: rule((_, ctx) => one('bool', tensorAt(ctx, 0)?.shape ?? null)),
  value: (node, inputs) => {
    const { detect_negative, detect_positive } = attrsOf(node);
    const hit = (x: number): boolean =>
      (x === Number.POSITIVE_INFINITY && detect_positive !== 0) ||
      (x === Number.NEGATIVE_INFINITY && detect_negative !== 0);
    return [map(need(inputs, 0), (x) => (hit(x) ? 1 : 0))];
  },
  stopsGradient: true,
  cases: [{ inputs: ['float[3] {1, inf, -inf}'], attrs: { detect_negative: 0 } }],
});
