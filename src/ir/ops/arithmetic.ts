import { attrInt } from '../attr.js';
import type { Value } from '../model.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, type OpDef, type OpName, op } from './core/define.js';
import { addDim, divDim, maxDim, minDim, mulDim, subDim } from './core/dims.js';
import { binary, unary } from './core/elementwise.js';
import { constantScalar, input, keepWhere, unaryVjp, type Vjp } from './core/gradient.js';
import { broadcastIndex } from './core/ints.js';
import { map, roundEven, zip } from './core/nd.js';
import { broadcastInputs, dtypeAt, need, one, rule, tensorAt } from './core/rules.js';
import { isInteger } from './core/tensor-values.js';

/** Sums, products, powers, rounding and extrema, element by element with broadcasting. */

/** Add: a + b. */
export const Add = op(
  binary('Add', (a, b) => a + b, { commutative: true, linear: true, ints: addDim }),
  {
    vjp: (_b, _node, [dy]) => [dy!, dy!],
    cases: [{ inputs: ['float[2,1,3]', 'float[5,3]'] }, { inputs: ['float[2,3,3]', 'float[3]'], opset: 7 }],
  },
);

/** Sub: a - b. */
export const Sub = op(
  binary('Sub', (a, b) => a - b, { linear: true, ints: subDim }),
  {
    neutral: 0,
    vjp: (b, _node, [dy]) => [dy!, b.wants(1) ? b.neg(dy!) : null],
    cases: [{ inputs: ['float[2,1,3]', 'float[5,3]'] }],
  },
);

/** Mul: a b. */
export const Mul = op(
  binary('Mul', (a, b) => a * b, { commutative: true, linear: true, ints: mulDim }),
  {
    neutral: 1,
    vjp: (b, node, [dy]) => [
      b.wants(0) ? b.mul(dy!, input(node, 1)) : null,
      b.wants(1) ? b.mul(dy!, input(node, 0)) : null,
    ],
    cases: [{ inputs: ['float[2,1,3]', 'float[5,3]'] }],
  },
);

/** Div: a / b; integers are rounded toward zero. */
export const Div = op(
  binary(
    'Div',
    (a, b, node) => {
      const dtype = dtypeAt(node, 0);
      return dtype !== null && isInteger(dtype) ? Math.trunc(a / b) : a / b;
    },
    { ints: divDim },
  ),
  {
    neutral: 1,
    /** y = a / c: da = dy / c, dc = -dy y / c */
    vjp: (b, node, [dy]) => {
      const c = input(node, 1);
      const da = b.div(dy!, c);
      return [da, b.wants(1) ? b.neg(b.mul(da, node.outputs[0]!)) : null];
    },
    cases: [{ inputs: ['float[2,1,3]', 'float[5,3]'] }, { inputs: ['int64[4]', 'int64[4] {2, -3, 4, 2}'] }],
  },
);

/** Neg: -x. */
export const Neg = op(
  unary('Neg', (x) => -x, {
    linear: true,
    ints: (values) => values.map((v) => subDim(0, v)),
  }),
  {
    vjp: unaryVjp((b, dy) => b.neg(dy)),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** Reciprocal: 1/x. */
export const Reciprocal = op(
  unary('Reciprocal', (x) => 1 / x),
  {
    /** y = 1/x: dx = -dy y^2 */
    vjp: unaryVjp((b, dy, _x, y) => b.neg(b.mul(dy, b.mul(y, y)))),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** Sqrt: the square root. */
export const Sqrt = op(unary('Sqrt', Math.sqrt), {
  /** y = sqrt x: dx = dy / (2 y) */
  vjp: unaryVjp((b, dy, _x, y) => b.div(dy, b.mul(y, b.scalar(2, y)))),
  cases: [{ inputs: ['float[3] {1.5, 2.25, 7}'] }],
});

/** A value in the element type of `like`; `from` tells its own where it is not a value of the forward graph. */
function inTypeOf(b: GradBuilder, value: Value, like: Value, from = value): Value {
  const to = b.onnxType(like);
  return b.onnxType(from) === to ? value : b.one('Cast', [value], { to: attrInt(to) });
}

function ofBase(b: GradBuilder, dy: Value, x: Value, exponent: Value): Value {
  const e = constantScalar(exponent);
  if (e === 0) return b.mul(dy, b.scalar(0, x));
  if (e === 1) return dy;
  if (e === 2) return b.mul(dy, b.mul(x, b.scalar(2, x)));
  if (e === 3) return b.mul(dy, b.mul(b.mul(x, x), b.scalar(3, x)));
  if (e !== null) return b.mul(dy, b.mul(b.one('Pow', [x, b.scalar(e - 1, x)]), b.scalar(e, x)));
  const own = inTypeOf(b, exponent, x);
  const slope = b.mul(own, b.one('Pow', [x, b.sub(own, b.scalar(1, x))]));
  const isZero = b.one('Equal', [own, b.scalar(0, x)]);
  return b.mul(dy, b.one('Where', [isZero, b.scalar(0, x), slope]));
}

function ofExponent(b: GradBuilder, dy: Value, x: Value, exponent: Value, y: Value): Value {
  const isZero = b.one('Equal', [x, b.scalar(0, x)]);
  const log = b.one('Log', [b.one('Where', [isZero, b.scalar(1, x), x])]);
  const slope = b.one('Where', [isZero, b.scalar(0, x), b.mul(y, log)]);
  return inTypeOf(b, b.mul(dy, slope), exponent, x);
}

/** Pow: a to the b; the result has the type of a. */
export const Pow = op(
  binary('Pow', (a, b) => a ** b, { mixed: true }),
  {
    /**
     * y = x^e: dx = dy e x^(e-1), never 0^negative for e = 0 or 1; de = dy y log x, 0 for x = 0 as PyTorch has it, and not a
     * number for x below 0.
     */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const exponent = input(node, 1);
      const dx = b.wants(0) ? ofBase(b, dy!, x, exponent) : null;
      return [dx, b.wants(1) ? ofExponent(b, dy!, x, exponent, node.outputs[0]!) : null];
    },
    cases: [{ inputs: ['float[2,3] > 0', 'float[3]'] }, { inputs: ['float[2,3] > 0', 'int64[1] {3}'] }],
  },
);

/** Mod: the remainder with the sign of b, or with fmod=1 with the sign of a (as in C). */
export const Mod = op(
  binary(
    'Mod',
    (a, b, node) => {
      const rest = a % b;
      const same = node.is('Mod') && attrsOf(node).fmod === 1;
      return same || rest === 0 || rest < 0 === b < 0 ? rest : rest + b;
    },
    {
      since: 10,
      ints: (a, b) => (typeof a === 'number' && typeof b === 'number' && b > 0 ? ((a % b) + b) % b : null),
    },
  ),
  {
    cases: [
      { inputs: ['int64[6]', 'int64[6] {3, -3, 4, 5, -2, 7}'] },
      { inputs: ['float[6]', 'float[6] > 0'], attrs: { fmod: 1 } },
    ],
  },
);

/** Abs: |x|. */
export const Abs = op(unary('Abs', Math.abs), {
  /** dx = dy sign(x), 0 at 0; written without Sign, which some runtimes lack */
  vjp: unaryVjp((b, dy, x) => {
    const zero = b.scalar(0, x);
    const negative = b.one('Where', [b.one('Less', [x, zero]), b.neg(dy), zero]);
    return b.one('Where', [b.one('Greater', [x, zero]), dy, negative]);
  }),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Sign: -1, 0 or 1. */
export const Sign = op(unary('Sign', Math.sign, { since: 9 }), {
  stopsGradient: true,
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Ceil: the least integer >= x. */
export const Ceil = op(unary('Ceil', Math.ceil), {
  stopsGradient: true,
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Floor: the greatest integer <= x. */
export const Floor = op(unary('Floor', Math.floor), {
  stopsGradient: true,
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Round: the nearest integer, ties to even. */
export const Round = op(unary('Round', roundEven, { since: 11 }), {
  stopsGradient: true,
  cases: [{ inputs: ['float[2,5]'] }, { inputs: ['float[5] {0.5, 1.5, -2.5, 2.4, -0.6}'] }],
});

function clipOf(since: number, until?: number): OpDef<'Clip'> {
  const asInput = since >= 11;
  return op({
    name: 'Clip',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'elementwise'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const values = asInput ? ctx.ints(0) : null;
      const [low, high] = [ctx.ints(1), ctx.ints(2)];
      const known = values && (!node.inputs[1] || low) && (!node.inputs[2] || high);
      const clipped = values?.map((v) => {
        const above = low ? maxDim(v, low[0]!) : v;
        return high ? minDim(above, high[0]!) : above;
      });
      return one(x?.dtype, x?.shape ?? null, known ? clipped! : null);
    }),
    value: (node, inputs): NdArray[] => {
      const a = attrsOf(node);
      const low = asInput ? inputs[1]?.data[0] : a.min;
      const high = asInput ? inputs[2]?.data[0] : a.max;
      return [
        map(need(inputs, 0), (x) => {
          const above = low !== undefined && x < low ? low : x;
          return high !== undefined && above > high ? high : above;
        }),
      ];
    },
  });
}

/** Clip: x held between min and max, which are attributes before version 11 and optional inputs from then on. */
export const Clip = op([clipOf(1, 10), clipOf(11)], {
  /** y = clip(x): dx = dy where y == x; a bound that is an input gets dy where it took the place of x. */
  vjp: (b, node, [dy]) => {
    const y = node.outputs[0]!;
    const same = b.one('Equal', [input(node, 0), y]);
    const toBound = (index: number): Value | null => {
      if (!b.wants(index)) return null;
      const held = b.one('And', [b.one('Not', [same]), b.one('Equal', [input(node, index), y])]);
      return keepWhere(b, held, dy!, y);
    };
    return [keepWhere(b, same, dy!, y), toBound(1), toBound(2)];
  },
  cases: [
    { inputs: ['float[2,5]', 'float {-0.2}', ''] },
    { inputs: ['float[2,5]', '', 'float {0.1}'] },
    { inputs: ['float[2,5]', 'float {-0.2}', 'float {0.1}'] },
    { inputs: ['float[2,5]'], opset: 10, attrs: { min: -0.25, max: 0.25 } },
  ],
});

/** f over any number of inputs with numpy broadcasting (before version 8 the shapes are equal, which is a case of it). */
function variadic<const Op extends OpName>(
  name: Op,
  f: (...xs: number[]) => number,
  ints?: (a: Dim, b: Dim) => Dim,
): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure', 'elementwise', 'commutative'],
    infer: rule<Op>((node, ctx) => {
      const types = node.inputs.map((_, index) => tensorAt(ctx, index));
      const shape = broadcastInputs(
        node,
        types.map((type) => type?.shape),
      );
      const dtype = types.find((type) => type !== null)?.dtype;
      const known =
        ints && shape && dtype && isInteger(dtype)
          ? broadcastIndex(
              node.inputs.map((_, index) => ctx.ints(index)),
              types.map((type) => type!.shape),
              shape,
            )
          : null;
      return one(
        dtype,
        shape,
        known?.map((row) => row.reduce(ints!)),
      );
    }),
    value: (_, inputs) => [
      zip(
        inputs.map((__, index) => need(inputs, index)),
        f,
      ),
    ],
  };
}

/** Max and Min of any number of inputs: the gradient goes to the inputs that equal the result, in equal parts. */
const extremumVjp: Vjp = (b, node, [dy]) => {
  const y = node.outputs[0]!;
  const one = b.scalar(1, y);
  const zero = b.scalar(0, y);
  const hits = node.inputs.map((value) => b.one('Where', [b.one('Equal', [value, y]), one, zero]));
  const ties = hits.reduce((a, hit) => b.add(a, hit));
  const share = b.div(dy!, ties);
  return hits.map((hit, index) => (b.wants(index) ? b.mul(share, hit) : null));
};

/** Max: the greatest of the inputs, element by element with broadcasting. */
export const Max = op(
  variadic('Max', (...xs) => xs.reduce((a, b) => (a > b || Number.isNaN(a) ? a : b)), maxDim),
  { vjp: extremumVjp, cases: [{ inputs: ['float[2,3]', 'float[3]', 'float[2,1]'] }] },
);

/** Min: the least of the inputs, element by element with broadcasting. */
export const Min = op(
  variadic('Min', (...xs) => xs.reduce((a, b) => (a < b || Number.isNaN(a) ? a : b)), minDim),
  { vjp: extremumVjp, cases: [{ inputs: ['float[2,3]', 'float[3]', 'float[2,1]'] }] },
);

/** Sum: the sum of the inputs, element by element with broadcasting. */
export const Sum = op(
  variadic('Sum', (...xs) => xs.reduce((a, b) => a + b), addDim),
  {
    /** Sum of several inputs: each gets the gradient. */
    vjp: (_b, node, [dy]) => node.inputs.map(() => dy!),
    cases: [{ inputs: ['float[2,3]', 'float[3]', 'float[2,1]'] }],
  },
);

/** Mean: the mean of the inputs, element by element with broadcasting. */
export const Mean = op(
  variadic('Mean', (...xs) => xs.reduce((a, b) => a + b) / xs.length),
  {
    /** Mean of several inputs: each gets its part. */
    vjp: (b, node, [dy]) => {
      const part = b.mul(dy!, b.scalar(1 / node.inputs.length, node.outputs[0]!));
      return node.inputs.map(() => part);
    },
    cases: [{ inputs: ['float[2,3]', 'float[3]', 'float[2,1]'] }],
  },
);
