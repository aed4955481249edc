import { operandsOf } from '../../adapter/terms.js';
import { isFloat } from '../dtype.js';
import type { Node } from '../model.js';
import { type Dim, type Shape, staticShape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type AttrsOf, type DimExpr, type NdArray, op, type Slices } from './define.js';
import { broadcastShapes } from './dims.js';
import { elements, matmulShape, transposedShape } from './families/matrix.js';
import { lotrLinearVjp } from './gradients/lotr-linear.js';
import { map, matmul, swapLast, zip } from './nd.js';
import {
  attrs,
  dimExpr,
  mustAgree,
  need,
  one,
  product,
  rankIn,
  refuse,
  rule,
  shapeAt,
  sum,
  tensorAt,
} from './rules.js';

type Attrs = AttrsOf<'lotrc::LoTRLinear'>;

/** base of a matrix to which the adapter is added itself */
const MATRIX = 'Identity';

/**
 * lotrc LoTRLinear: base(x, W, b) + scale * x D, where D (in, out) is the einsum `delta` over the factors.
 * Inputs: x, W, one factor per operand of `delta`, and last what else the base reads: an optional bias, or what comes with a
 * packed weight. `base` is MatMul (W is (in, out)), Gemm (alpha x W' + beta b with transB; the adapter is added after alpha),
 * Conv (W is (out, channels, window...), D (channels * window, out) multiplies the patches of x)
 * Identity (no x: the result is W + scale * D itself) or an op of another domain as `domain::op`.
 */
export const lotrLinear = op({
  name: 'lotrc::LoTRLinear',
  domain: 'lotrc',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const [x, w] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    const count = factorCount(node, a);
    if (a.base === 'Gemm') rankIn(node, x?.shape, 2, 2, 'x');
    // the extents of the layer do not follow from a packed weight, but from the factors
    const packed = w !== null && !isFloat(w.dtype);
    const slides = a.base === 'Conv';
    if (!packed && !slides) rankIn(node, w?.shape, 2, 2, 'W');
    const weight = packed || slides ? null : transposedShape(w?.shape, a.transB);
    const extents = new Map<string, Dim>([
      ['i', weight?.[0] ?? (slides ? null : x?.shape?.at(-1)) ?? null],
      ['o', weight?.[1] ?? null],
    ]);
    for (const [f, letters] of operandsOf(a).entries()) {
      const shape = tensorAt(ctx, 2 + f)?.shape;
      rankIn(node, shape, letters.length, letters.length, `factor ${f}`);
      for (const [k, letter] of letters.entries()) {
        const dim = shape?.[k] ?? null;
        mustAgree(node, extents.get(letter), dim, `extent ${letter} of factor ${f}`);
        extents.set(letter, extents.get(letter) ?? dim);
      }
    }
    // the convolution computes where the windows lie; this op replaces it only temporarily
    if (slides) return one(x?.dtype ?? w?.dtype, null);
    if (a.base === MATRIX) return one(w?.dtype, w?.shape ?? null);
    const shape = matmulShape(node, x?.shape, [extents.get('i') ?? null, extents.get('o') ?? null]);
    const bias = !packed && node.inputs.length > 2 + count ? tensorAt(ctx, 2 + count)?.shape : null;
    if (bias && shape && !broadcastShapes([shape, bias]))
      refuse(node, 'the bias does not broadcast to the result', 2 + count);
    return one(x?.dtype ?? (packed ? undefined : w?.dtype), shape);
  }),
  vjp: (b, node, grads) => lotrLinearVjp(b, node, grads),
  slices: (node, axis) => rowSlices(node, axis),
  cost: (node) => {
    const a = attrsOf(node);
    const x = shapeAt(node, 0);
    const stored = shapeAt(node, 1);
    const weight = stored?.length === 2 ? transposedShape(stored, a.transB) : null;
    const result = matmulShape(node, x, weight);
    const rows: Shape | null = x ? x.slice(0, -1) : null;
    const factors = Array.from({ length: factorCount(node, a) }, (_, f) => shapeAt(node, 2 + f));
    // x is multiplied by one factor after another: for few rows, no other order of LoTR or LoRA is cheaper
    const steps: DimExpr[] = [weight, ...factors].map((shape) => product(2, elements(rows), elements(shape)));
    const moved = [x, ...node.inputs.slice(1).map((_, k) => shapeAt(node, k + 1)), result];
    return { flops: sum(...steps, product(1, dimExpr(1))), bytes: product(4, sum(...moved.map(elements))) };
  },
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const w = need(inputs, 1);
    const type = node.inputs[1]?.type;
    if (type?.kind === 'tensor' && !isFloat(type.dtype))
      throw new Error('a packed weight has no reference here');
    const count = factorCount(node, a);
    const delta = einsum(
      operandsOf(a),
      inputs.slice(2, 2 + count).map((f) => f!),
    );
    if (a.base === MATRIX) return [zip([w, delta], (v, d) => v! + a.scale * d!)];
    const x = need(inputs, 0);
    const base = map(matmul(x, a.transB ? swapLast(w) : w), (v) => a.alpha * v);
    const y = zip([base, matmul(x, delta)], (v, d) => v! + a.scale * d!);
    const bias = inputs[2 + count];
    return [bias ? zip([y, bias], (v, b) => v! + a.beta * b!) : y];
  },
});

/** The axes of x before the last go along, where nothing else that the layer reads has more than one axis. */
function rowSlices(node: Node<'lotrc::LoTRLinear'>, axis: number): Slices | null {
  const type = node.outputs[0]?.type;
  const shape = type?.kind === 'tensor' ? type.shape : null;
  const first = 2 + factorCount(node, attrsOf(node));
  const rows = node.inputs.every((_, index) => index < first || shapeAt(node, index)?.length === 1);
  if (!node.inputs[0] || !shape || axis >= shape.length - 1 || shape[axis] === 1 || !rows) return null;
  return { axes: node.inputs.map((_, index) => (index === 0 ? axis : null)) };
}

/** base ops that read nothing but a bias besides x and W */
const PLAIN: ReadonlySet<string> = new Set(['MatMul', 'Gemm']);

/** Number of factors by `delta`; refuses a node with too few or too many inputs. */
function factorCount(node: Node, a: Attrs): number {
  let count: number;
  try {
    count = operandsOf(a).length;
  } catch (error) {
    refuse(node, (error as Error).message);
  }
  const given = node.inputs.length - 2;
  const rest = given - count;
  if (rest < 0 || (rest > 1 && PLAIN.has(a.base)))
    refuse(node, `delta "${a.delta}" takes ${count} factors and a bias, not ${given} inputs`);
  return count;
}

/** The (i, o) matrix of an einsum, by summing over all index values. */
function einsum(operands: readonly (readonly string[])[], factors: readonly NdArray[]): NdArray {
  const extents = new Map<string, number>();
  for (const [f, letters] of operands.entries()) {
    for (const [k, letter] of letters.entries()) extents.set(letter, staticShape(factors[f]!.shape)![k]!);
  }
  const letters = [...extents.keys()];
  const [rows, columns] = [extents.get('i')!, extents.get('o')!];
  const data = new Float64Array(rows * columns);
  const at = new Map<string, number>();
  const walk = (depth: number): void => {
    if (depth < letters.length) {
      for (let v = 0; v < extents.get(letters[depth]!)!; v++) {
        at.set(letters[depth]!, v);
        walk(depth + 1);
      }
      return;
    }
    let term = 1;
    for (const [f, own] of operands.entries()) {
      let flat = 0;
      for (const [k, letter] of own.entries()) flat = flat * factors[f]!.shape[k]! + at.get(letter)!;
      term *= factors[f]!.data[flat]!;
    }
    data[at.get('i')! * columns + at.get('o')!]! += term;
  };
  walk(0);
  return { shape: [rows, columns], data };
}
