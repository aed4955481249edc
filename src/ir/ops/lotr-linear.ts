import { derivativeBy } from '../../adapter/derivative.js';
import { WRAPS, type Wrap } from '../../adapter/description.js';
import { deltaTerm, operandsOf, spansResult } from '../../adapter/terms.js';
import { wholeDelta } from '../../adapter/to-numbers/delta.js';
import { evaluateTerm } from '../../adapter/to-numbers/term.js';
import { columnFactors, wrapElement, wrapScale } from '../../adapter/to-numbers/wrap.js';
import { attrFloat, attrInt, attrString } from '../attr.js';
import { isFloat } from '../dtype.js';
import type { Node } from '../model.js';
import type { Dim, Shape } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type DimExpr, type NdArray, op, type Slices } from './core/define.js';
import { broadcastShapes } from './core/dims.js';
import { attributes, input, type Vjp } from './core/gradient.js';
import { elements, matmulShape, transposedShape } from './core/matrix.js';
import { map, matmul, reduce, reshape, swapLast, zip } from './core/nd.js';
import {
  attrs,
  dimExpr,
  dimProduct,
  mustAgree,
  need,
  one,
  rankIn,
  refuse,
  rule,
  shapeAt,
  sum,
  tensorAt,
  typeOf,
} from './core/rules.js';
import { flatten, gemm } from './matmul.js';

type Attrs = AttrsOf<'lotrc::LoTRLinear'>;

/** base of a matrix to which the adapter is added itself */
const MATRIX = 'Identity';

/** base ops that read nothing but a bias besides x and W */
const PLAIN: ReadonlySet<string> = new Set(['MatMul', 'Gemm']);

/** Number of factors by `delta`; refuses a node with too few or too many inputs. */
function factorCount(node: Node, a: Attrs): number {
  let count: number;
  try {
    count = operandsOf(a).length + (wrapOf(node, a) === 'column-norm' ? 1 : 0);
  } catch (error) {
    refuse(node, (error as Error).message);
  }
  const given = node.inputs.length - 2;
  const rest = given - count;
  if (rest < 0 || (rest > 1 && PLAIN.has(a.base)))
    refuse(node, `delta "${a.delta}" takes ${count} factors and a bias, not ${given} inputs`);
  return count;
}

function wrapOf(node: Node, { wrap }: Attrs): Wrap {
  return WRAPS.find((known) => known === wrap) ?? refuse(node, `there is no wrap "${wrap}"`);
}

/** base ops with a W of two axes and nothing but a bias after it */
const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'Gemm']);

/** Why an adapted layer has no gradient of its own, and has to be written in plain ONNX first; null when it has one. */
export function adaptedGradientProblem(node: Node): string | null {
  const { base, delta, wrap } = attributes(node, 'lotrc::LoTRLinear');
  if (wrap !== 'add') return `its wrap is ${wrap}`;
  if (!PRODUCTS.has(base)) return `its base operator is ${base}`;
  return spansResult(deltaTerm(delta)) ? null : `${delta} repeats values or splits an axis`;
}

/**
 * y = alpha x W' + scale x D + beta b. One lotrc::LoTRLinearGrad gives dx, the gradients of the factors and that of a
 * bias of one row; a trained weight and a bias of another shape get theirs in separate nodes.
 */
const lotrLinearVjp: Vjp = (b, node, [dy]) => {
  const because = adaptedGradientProblem(node);
  if (because !== null) return { because, at: node };
  const { alpha, beta, delta, scale, transB } = attributes(node, 'lotrc::LoTRLinear');
  const count = operandsOf({ delta }).length;
  const [x, w] = [input(node, 0), input(node, 1)];
  const factors = Array.from({ length: count }, (_, f) => input(node, 2 + f));
  const at = 2 + count;
  const bias = node.inputs[at] ?? null;
  const row = bias !== null && b.rank(bias) === 1 && b.dims(bias)[0] === b.dims(w)[transB ? 0 : 1];
  const wanted = [b.wants(0), ...factors.map((_, f) => b.wants(2 + f)), row && b.wants(at)];
  const names = ['dx', ...factors.map((_, f) => `dF${f + 1}`), 'db'];
  const attrs = {
    delta: attrString(delta),
    scale: attrFloat(scale),
    alpha: attrFloat(alpha),
    beta: attrFloat(beta),
    transB: attrInt(transB ? 0 : 1),
  };
  const made = wanted.includes(true)
    ? b.node('LoTRLinearGrad', [x, w, ...factors, dy!], attrs, {
        domain: 'lotrc',
        outputs: names.map((name, k) => (wanted[k] ? `grad/${name}` : '')),
      })
    : [];
  const given = (k: number) => (wanted[k] ? made[k]! : null);
  const weight = () => {
    const [flat, rows] = [flatten(b, dy!, w, transB ? 0 : 1), flatten(b, x, w, transB ? 1 : 0)];
    return transB ? gemm(b, flat, rows, 1, 0, alpha, x) : gemm(b, rows, flat, 1, 0, alpha, x);
  };
  const spread = () => {
    const scaled = beta === 1 ? dy! : b.mul(dy!, b.scalar(beta, bias!));
    return b.sumTo(scaled, node.outputs[0]!, bias!);
  };
  return [
    given(0),
    b.wants(1) ? weight() : null,
    ...factors.map((_, f) => given(1 + f)),
    ...(bias ? [row ? given(1 + count) : b.wants(at) ? spread() : null] : []),
  ];
};

/** The axes of x before the last go along, where nothing else that the layer reads has more than one axis. */
function rowSlices(node: Node<'lotrc::LoTRLinear'>, axis: number): Slices | null {
  const type = node.outputs[0]?.type;
  const shape = type?.kind === 'tensor' ? type.shape : null;
  const first = 2 + factorCount(node, attrsOf(node));
  const rows = node.inputs.every((_, index) => index < first || shapeAt(node, index)?.length === 1);
  if (!node.inputs[0] || !shape || axis >= shape.length - 1 || shape[axis] === 1 || !rows) return null;
  return { axes: node.inputs.map((_, index) => (index === 0 ? axis : null)) };
}

/**
 * lotrc LoTRLinear: base(x, W, b) + scale * x D, where D (in, out) is the einsum `delta` over the factors.
 * With `wrap` it is base(x, W', b), W' the hadamard or column-norm of W and scale * D; the latter reads one more factor, the lengths of
 * the columns, whose norms gradients take as constants with `detach_norm`. `shape`: in and out, where D does not have them from its factors.
 * Inputs: x, W, one factor per operand of `delta`, and last what else the base reads: an optional bias, or what comes with a
 * packed weight. `base` is MatMul (W is (in, out)), Gemm (alpha x W' + beta b with transB; the adapter is added after alpha),
 * Conv (W is (out, channels, window...), D (channels * window, out) multiplies the patches of x)
 * Identity (no x: the result is W + scale * D itself) or an op of another domain as `domain::op`.
 */
export const LoTRLinear = op({
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
    const term = deltaTerm(a.delta);
    const inn = weight?.[0] ?? (slides ? null : x?.shape?.at(-1)) ?? null;
    const extents = new Map<string, Dim>([
      [term.in.join(), inn],
      [term.out.join(), weight?.[1] ?? null],
    ]);
    const all = wrapOf(node, a) === 'column-norm' ? [...term.operands, [term.out.join()]] : term.operands;
    for (const [f, letters] of all.entries()) {
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
    const shape = matmulShape(
      node,
      x?.shape,
      [term.in, term.out].map((letters) => extents.get(letters.join()) ?? null),
    );
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
    const steps: DimExpr[] = [weight, ...factors].map((shape) =>
      dimProduct(2, elements(rows), elements(shape)),
    );
    const moved = [x, ...node.inputs.slice(1).map((_, k) => shapeAt(node, k + 1)), result];
    return {
      flops: sum(...steps, dimProduct(1, dimExpr(1))),
      bytes: dimProduct(4, sum(...moved.map(elements))),
    };
  },
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const w = need(inputs, 1);
    const type = node.inputs[1]?.type;
    if (type?.kind === 'tensor' && !isFloat(type.dtype))
      throw new Error('a packed weight has no reference here');
    const count = factorCount(node, a);
    const [inn, out] = (a.transB ? [...w.shape].reverse() : w.shape) as [number, number];
    const factors = inputs.slice(2, 2 + count).map((f) => f!);
    const term = deltaTerm(a.delta);
    const delta = wholeDelta(term, factors.slice(0, term.operands.length), { in: inn, out });
    const wrap = wrapOf(node, a);
    if (wrap !== 'add') {
      const stored = a.transB ? swapLast(w) : w;
      const changed = wrapped(wrap, stored, delta, a, factors[term.operands.length]);
      const result = map(matmul(need(inputs, 0), changed), (v) => a.alpha * v);
      const bias = inputs[2 + count];
      return [bias ? zip([result, bias], (v, b) => v! + a.beta * b!) : result];
    }
    if (a.base === MATRIX) return [zip([w, delta], (v, d) => v! + a.scale * d!)];
    const x = need(inputs, 0);
    const base = map(matmul(x, a.transB ? swapLast(w) : w), (v) => a.alpha * v);
    const y = zip([base, matmul(x, delta)], (v, d) => v! + a.scale * d!);
    const bias = inputs[2 + count];
    return [bias ? zip([y, bias], (v, b) => v! + a.beta * b!) : y];
  },
});

/** What a layer with a wrap stores in place of W, (in, out). */
function wrapped(
  wrap: Wrap,
  w: NdArray,
  delta: NdArray,
  { scale, alpha }: Attrs,
  lengths: NdArray | undefined,
): NdArray {
  const by = wrapScale(wrap, scale, alpha);
  const out = w.shape[1]!;
  const squares = new Float64Array(out);
  for (const [k, v] of w.data.entries()) squares[k % out]! += (v + by * delta.data[k]!) ** 2;
  const factors = lengths ? columnFactors(Float64Array.from(lengths.data), squares, alpha) : null;
  const data = w.data.map((v, k) => wrapElement(wrap, v, by * delta.data[k]!, factors?.[k % out] ?? 1));
  return { shape: w.shape, data };
}

/** lotrc Detach: x itself, through which no gradient goes. Training graphs have it until they are differentiated. */
export const Detach = op({
  name: 'lotrc::Detach',
  domain: 'lotrc',
  since: 1,
  traits: ['pure', 'elementwise'],
  infer: rule((_, ctx) => ({ types: [ctx.type(0)] })),
  value: (_, inputs) => [need(inputs, 0)],
  stopsGradient: true,
});

/**
 * lotrc LoTRLinearGrad: the gradients of an adapted layer y = alpha x W' + scale x D + beta b. Inputs: x, W,
 * the factors, dy. Outputs: dx, one per factor, db, each with the type of the value whose gradient it is; one that
 * nothing needs has no name. `transB` is that of the product dy W which gives dx: 1
 * where W is (in, out). Axes of x before the last are tokens, which the gradients of the factors and db sum over.
 */
export const LoTRLinearGrad = op({
  name: 'lotrc::LoTRLinearGrad',
  domain: 'lotrc',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const count = operandsOf(attrs(node, ctx)).length;
    if (node.inputs.length !== 3 + count || node.outputs.length !== 2 + count)
      refuse(node, `its delta makes it ${3 + count} inputs and ${2 + count} outputs`);
    const like = [0, ...Array.from({ length: count }, (_, f) => 2 + f)].map((index) => tensorAt(ctx, index));
    const dy = tensorAt(ctx, 2 + count);
    rankIn(node, tensorAt(ctx, 1)?.shape, 2, 2, 'W');
    const last = dy?.shape ? [dy.shape.at(-1) ?? null] : null;
    return {
      types: [...like.map((type) => typeOf(type?.dtype, type?.shape ?? null)), typeOf(dy?.dtype, last)],
    };
  }),
  cost: (node) => {
    const count = node.inputs.length - 3;
    const dy = shapeAt(node, 2 + count);
    const rows = elements(dy?.slice(0, -1) ?? null);
    // every matrix meets every token once for dx, and the first and the last factor once more for the gradients
    const matrices = [1, ...Array.from({ length: count }, (_, f) => 2 + f)].map((k) =>
      elements(shapeAt(node, k)),
    );
    const ends = [elements(shapeAt(node, 2)), elements(shapeAt(node, 1 + count))];
    const steps: DimExpr[] = [...matrices, ...ends].map((size) => dimProduct(2, rows, size));
    const moved = [0, 1, 2 + count, 0].map((k) => elements(shapeAt(node, k)));
    return { flops: sum(...steps), bytes: dimProduct(4, sum(...moved)) };
  },
  value: (node, inputs): NdArray[] => {
    const { alpha, beta, delta, scale, transB } = attrsOf(node);
    const count = operandsOf({ delta }).length;
    const [x, w] = [need(inputs, 0), need(inputs, 1)];
    const factors = inputs.slice(2, 2 + count).map((factor) => factor!);
    const rows = (a: NdArray): NdArray => reshape(a, [a.data.length / a.shape.at(-1)!, a.shape.at(-1)!]);
    const dy = rows(need(inputs, 2 + count));
    const scaled = (a: NdArray, by: number): NdArray => map(a, (v) => by * v);
    const term = deltaTerm(delta);
    const [inn, out] = [x.shape.at(-1)!, dy.shape.at(-1)!];
    // of D
    const whole = scaled(matmul(swapLast(rows(x)), dy), scale);
    const gradients = factors.map((_, f) =>
      evaluateTerm(derivativeBy(term, f), [whole, ...factors.filter((_, other) => other !== f)]),
    );
    const base = scaled(matmul(dy, transB ? swapLast(w) : w), alpha);
    const adapter = scaled(matmul(dy, swapLast(wholeDelta(term, factors, { in: inn, out }))), scale);
    const dx = reshape(
      zip([base, adapter], (a, b) => a! + b!),
      x.shape,
    );
    return [
      dx,
      ...gradients,
      scaled(
        reduce(dy, [0], false, (line) => line.reduce((a, b) => a + b, 0)),
        beta,
      ),
    ];
  },
});
