import { attrInt } from '../attr.js';
import type { Node, Value } from '../model.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type GradBuilder, type NdArray, type OpDef, type OpName, op } from './core/define.js';
import { attributes, axisOf, input } from './core/gradient.js';
import { alongAxis, reshape, sizeOf, softmaxLine } from './core/nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from './core/rules.js';
import { leadingSlices, otherAxesSlices } from './core/slices.js';

/** Softmax and its relatives, line by line. */

type AxisAttrs = { readonly axis: number };

/**
 * A map of lines to lines of the same length. From version 13 on a line runs along `axis` (default -1); before it the
 * input counts as a matrix whose rows are all dimensions from `axis` (default 1) on.
 */
function lineOp<const Op extends OpName>(name: Op, f: (line: Float64Array) => Float64Array): OpDef<Op>[] {
  const infer = rule<Op>((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (x?.shape) axisIn(node, (attrs(node, ctx) as AxisAttrs).axis, Math.max(1, x.shape.length));
    return one(x?.dtype, x?.shape ?? null);
  });
  return [
    {
      name,
      since: 1,
      until: 12,
      traits: ['pure'],
      infer,
      slices: (node, axis) => leadingSlices(node, axis, (attrsOf(node, 1) as AttrsOf<Op> & AxisAttrs).axis),
      value: (node, inputs): NdArray[] => {
        const x = need(inputs, 0);
        const axis = axisIn(node, (attrsOf(node, 1) as AttrsOf<Op> & AxisAttrs).axis, x.shape.length);
        const rows = sizeOf(x.shape.slice(0, axis));
        const matrix = reshape(x, [rows, sizeOf(x.shape.slice(axis))]);
        return [reshape(alongAxis(matrix, 1, f), x.shape)];
      },
    },
    {
      name,
      since: 13,
      traits: ['pure'],
      infer,
      slices: (node, axis) =>
        otherAxesSlices(node, axis, (attrsOf(node, 13) as AttrsOf<Op> & AxisAttrs).axis),
      value: (node, inputs): NdArray[] => {
        const x = need(inputs, 0);
        const axis = (attrsOf(node, 13) as AttrsOf<Op> & AxisAttrs).axis;
        return [alongAxis(x, axisIn(node, axis, x.shape.length), f)];
      },
    },
  ];
}

/** The output of `Where(IsNaN(y), 0, y)` when the graph has one, else y. */
function guarded(y: Value): Value {
  for (const { node } of y.uses) {
    if (node.opKey !== 'IsNaN') continue;
    for (const { node: where, index } of node.outputs[0]!.uses) {
      if (where.opKey === 'Where' && index === 0 && where.inputs[2] === y) return where.outputs[0]!;
    }
  }
  return y;
}

type Rule = (y: Value, dy: Value, sum: (value: Value) => Value) => Value;

function along(b: GradBuilder, node: Node, y: Value, dy: Value, rule: Rule): Value {
  const x = input(node, 0);
  const rank = b.rank(x);
  const axis = axisOf(attributes(node, 'Softmax').axis, rank);
  if (b.opset >= 13 || axis === rank - 1) {
    return rule(y, dy, (value) => b.reduceSum(value, [axis], true));
  }
  const flat = (value: Value): Value => b.one('Flatten', [value], { axis: attrInt(axis) });
  return b.reshapeLike(
    rule(flat(y), flat(dy), (value) => b.reduceSum(value, [1], true)),
    x,
  );
}

/** Softmax: e^x over the sum of e^x of the line. */
export const Softmax = op(lineOp('Softmax', softmaxLine), {
  /**
   * y = softmax(x): dx = y (dy - sum(y dy)). Before opset 13 the op flattens its input to two axes at `axis` and the
   * softmax runs over all of the second. Exporters guard fully masked rows by `Where(IsNaN(y), 0, y)`: the guarded
   * probabilities are used here, else the NaN of such a row would poison every gradient below.
   */
  vjp: (b, node, [dy]) => {
    const y = guarded(node.outputs[0]!);
    return [along(b, node, y, dy!, (p, g, sum) => b.mul(p, b.sub(g, sum(b.mul(p, g)))))];
  },
  cases: [
    { inputs: ['float[2,3,4]'], attrs: { axis: 1 } },
    { inputs: ['float[2,3,4]'], opset: 11 },
  ],
});

/** LogSoftmax: x minus the logarithm of the sum of e^x of the line. */
export const LogSoftmax = op(
  lineOp('LogSoftmax', (line) => {
    const top = line.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const log = top + Math.log(line.reduce((a, x) => a + Math.exp(x - top), 0));
    return line.map((x) => x - log);
  }),
  {
    /** y = log softmax(x): dx = dy - exp(y) sum(dy) */
    vjp: (b, node, [dy]) => [
      along(b, node, node.outputs[0]!, dy!, (y, g, sum) => b.sub(g, b.mul(b.one('Exp', [y]), sum(g)))),
    ],
    cases: [{ inputs: ['float[2,3,4]'] }, { inputs: ['float[2,3,4]'], opset: 12 }],
  },
);

/** Hardmax: 1 at the first greatest element of the line, 0 elsewhere. */
export const Hardmax = op(
  lineOp('Hardmax', (line) => {
    const best = line.reduce((at, x, i) => (x > line[at]! ? i : at), 0);
    return line.map((_, i) => (i === best ? 1 : 0));
  }),
  {
    stopsGradient: true,
    cases: [
      { inputs: ['float[2,3,4]'], attrs: { axis: 1 } },
      { inputs: ['float[2,3,4]'], opset: 12 },
    ],
  },
);
