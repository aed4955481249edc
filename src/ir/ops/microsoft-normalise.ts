import { attrInt } from '../attr.js';
import type { Node, Value } from '../model.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type GradBuilder, type NdArray, type OpDef, op } from './core/define.js';
import { attributes, extraOutput, type Grads, input, type Vjp } from './core/gradient.js';
import { fromIndex, nd, reduce, zip } from './core/nd.js';
import { broadcastInputs, need, rule, tensorAt, typeOf } from './core/rules.js';
import { addSlices } from './gather.js';
import { affine, inFloat, inverseRms, inverseRoot, layerNormGrads, normalise, rms } from './normalise.js';

/** Normalisation fused with a sum of embeddings or a residual connection (com.microsoft). */

type SkipNorm = 'com.microsoft::SkipLayerNormalization' | 'com.microsoft::SkipSimplifiedLayerNormalization';

/** Normalisation of input + skip (+ bias) over the last dimension; outputs: y, mean, 1/deviation, the sum. */
function skipNormOp<const Op extends SkipNorm>(name: Op, centre: boolean): OpDef<Op> {
  return {
    name,
    domain: 'com.microsoft',
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const [x, skip] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
      const shape = x?.shape ?? null;
      if (shape && skip?.shape) broadcastInputs(node, [shape, skip.shape]);
      const kept = shape ? [...shape.slice(0, -1), 1] : null;
      const stash = typeOf(x && 'f32', kept);
      return { types: [typeOf(x?.dtype, shape), stash, stash, typeOf(x?.dtype, shape)] };
    }),
    value: (node, inputs): NdArray[] => {
      const { epsilon } = attrsOf(node) as AttrsOf<Op> & { readonly epsilon: number };
      const [beta, bias] = centre ? [inputs[3], inputs[4]] : [null, inputs[3]];
      const parts = [need(inputs, 0), need(inputs, 1), ...(bias ? [bias] : [])];
      const total = zip(parts, (...values) => values.reduce((a, b) => a + b));
      const { y, mean, inverse } = normalise(total, total.shape.length - 1, epsilon, centre);
      return [affine(y, need(inputs, 2), beta), mean, inverse, total];
    },
  };
}

interface Affine {
  readonly w: Value;
  readonly c: Value | null;
  /** input numbers of w and c */
  readonly at: readonly [number, number];
}

/**
 * [ds, dw, dc] of layer normalisation of s over its last axis, with statistics computed again: some kernels do not
 * deliver them.
 */
function ofSum(b: GradBuilder, s: Value, { w, c, at }: Affine, epsilon: number, dy: Value): Grads {
  const axes = [b.rank(s) - 1];
  const wide = inFloat(b, s).up(s);
  const mean = b.reduceMean(wide, axes, true);
  const deviation = b.sub(wide, mean);
  const variance = b.reduceMean(b.mul(deviation, deviation), axes, true);
  const k = inverseRoot(b, variance, epsilon, wide);
  return layerNormGrads(b, { x: s, w, c, mean, k, axes }, dy, [0, ...at]);
}

function both(b: GradBuilder, a: Value | null, c: Value | null): Value | null {
  return a && c ? b.add(a, c) : (a ?? c);
}

/** Gradients of (x, skip, weights..., bias): x and skip share ds; bias sums it. */
function skipGrads(b: GradBuilder, node: Node, ds: Value | null, weights: Grads, biasAt: number): Grads {
  const [x, skip, bias] = [input(node, 0), input(node, 1), node.inputs[biasAt] ?? null];
  const dskip = ds && b.wants(1) ? b.sumTo(ds, x, skip) : null;
  const dbias = ds && bias && b.wants(biasAt) ? b.sumTo(ds, x, bias) : null;
  return [ds, dskip, ...weights, dbias];
}

/** com.microsoft SkipLayerNormalization: LayerNormalization of input + skip + bias. */
export const MsSkipLayerNormalization = op(skipNormOp('com.microsoft::SkipLayerNormalization', true), {
  gradientsOf: [0, 3],
  /** SkipLayerNormalization (com.microsoft): layer normalisation of s = x + skip (+ bias), which is output 3. */
  vjp: (b, node, grads) => {
    const [dy, , , dsum] = grads;
    const s = extraOutput(b, node, 3, input(node, 0));
    const { epsilon } = attributes(node, 'com.microsoft::SkipLayerNormalization');
    const affine = { w: input(node, 2), c: node.inputs[3] ?? null, at: [2, 3] as const };
    const parts = dy ? ofSum(b, s, affine, epsilon, dy) : [];
    const ds = both(b, parts[0] ?? null, dsum ?? null);
    return skipGrads(b, node, ds, [parts[1] ?? null, parts[2] ?? null], 4);
  },
  cases: [
    {
      inputs: ['float[2,3,4]', 'float[2,3,4]', 'float[4]', 'float[4]', 'float[4]'],
      attrs: { epsilon: 0.01 },
    },
  ],
});

/** com.microsoft SkipSimplifiedLayerNormalization: RMSNormalization of input + skip + bias. */
export const MsSkipSimplifiedLayerNormalization = op(
  skipNormOp('com.microsoft::SkipSimplifiedLayerNormalization', false),
  {
    gradientsOf: [0, 3],
    /** SkipSimplifiedLayerNormalization (com.microsoft): RMS normalisation of s = x + skip (+ bias), which is output 3. */
    vjp: (b, node, grads) => {
      const [dy, , , dsum] = grads;
      const s = extraOutput(b, node, 3, input(node, 0));
      const { epsilon } = attributes(node, 'com.microsoft::SkipSimplifiedLayerNormalization');
      const axes = [b.rank(input(node, 0)) - 1];
      const scaled = () => ({ x: s, w: input(node, 2), k: inverseRms(b, s, axes, epsilon), axes });
      const parts = dy ? rms(b, scaled(), dy, [0, 2]) : [];
      const ds = both(b, parts[0] ?? null, dsum ?? null);
      return skipGrads(b, node, ds, [parts[1] ?? null], 3);
    },
    cases: [{ inputs: ['float[2,3,4]', 'float[2,3,4]', 'float[4]', 'float[4]'], attrs: { epsilon: 0.01 } }],
  },
);

/** 0, 1, ... for each column of (batch, seq). */
function positions(b: GradBuilder, ids: Value): Value {
  const length = b.one('Gather', [b.one('Shape', [ids]), b.index(1)], { axis: attrInt(0) });
  return b.one('Range', [b.index(0), length, b.index(1)]);
}

/**
 * EmbedLayerNormalization (com.microsoft): layer normalisation of s = word + position (+ segment) embeddings, which is
 * output 2. A table's gradient adds the rows of ds at the rows that were read.
 */
const embedLayerNormVjp: Vjp = (b, node, grads) => {
  const [dy, , dsum] = grads;
  const ids = input(node, 0);
  const s = extraOutput(b, node, 2, node.outputs[0]!);
  const { epsilon } = attributes(node, 'com.microsoft::EmbedLayerNormalization');
  const affine = { w: input(node, 5), c: input(node, 6), at: [5, 6] as const };
  const parts = dy ? ofSum(b, s, affine, epsilon, dy) : [];
  const ds = both(b, parts[0] ?? null, dsum ?? null);
  const rows = (index: number, at: () => Value): Value | null =>
    ds && b.wants(index) ? addSlices(b, input(node, index), at(), 2, ds, 0) : null;
  const [segments, segment] = [node.inputs[1], node.inputs[4]];
  return [
    null,
    null,
    rows(2, () => ids),
    rows(3, () => b.one('Expand', [node.inputs[8] ?? positions(b, ids), b.shapeOf(ids)])),
    segments && segment ? rows(4, () => segments) : null,
    parts[1] ?? null,
    parts[2] ?? null,
  ].slice(0, node.inputs.length);
};

/** com.microsoft EmbedLayerNormalization: word + position (+ segment) embeddings, normalised; and the mask's lengths. */
export const MsEmbedLayerNormalization = op({
  name: 'com.microsoft::EmbedLayerNormalization',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const ids = tensorAt(ctx, 0)?.shape ?? null;
    const words = tensorAt(ctx, 2);
    const shape = ids && [...ids, words?.shape?.[1] ?? null];
    return {
      types: [typeOf(words?.dtype, shape), typeOf('i32', ids && [ids[0]!]), typeOf(words?.dtype, shape)],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const { epsilon } = attrsOf(node);
    const ids = need(inputs, 0);
    const [segments, words, positions, types] = [inputs[1], need(inputs, 2), need(inputs, 3), inputs[4]];
    const [batch, seq] = ids.shape as [number, number];
    const width = words.shape[1]!;
    const at = inputs[8];
    const sum = fromIndex([batch, seq, width], ([b, s, i]) => {
      const cell = b! * seq + s!;
      const position = at ? at.data[at.shape[0] === 1 ? s! : cell]! : s!;
      const segment = segments && types ? types.data[segments.data[cell]! * width + i!]! : 0;
      return words.data[ids.data[cell]! * width + i!]! + positions.data[position * width + i!]! + segment;
    });
    const y = affine(normalise(sum, 2, epsilon, true).y, need(inputs, 5), need(inputs, 6));
    const mask = inputs[7];
    const lengths = mask
      ? reduce(mask, [1], false, (v) => v.reduce((a, b) => a + b, 0))
      : nd([batch], new Float64Array(batch));
    return [y, lengths, sum];
  },
  lookups: [
    { indices: 0, table: 2 },
    { indices: 1, table: 4 },
  ],
  gradientsOf: [0, 2],
  vjp: embedLayerNormVjp,
  cases: [
    {
      inputs: [
        'int32[2,3] {0, 1, 4, 3, 2, 1}',
        'int32[2,3] {0, 1, 1, 0, 0, 1}',
        'float[5,8]',
        'float[6,8]',
        'float[2,8]',
        'float[8]',
        'float[8]',
      ],
      outputs: 2,
    },
    {
      inputs: [
        'int32[2,3] {0, 1, 4, 3, 2, 1}',
        '',
        'float[5,8]',
        'float[6,8]',
        '',
        'float[8]',
        'float[8]',
        'int32[2,3] {1, 1, 0, 1, 0, 0}',
        'int32[1,3] {5, 0, 3}',
      ],
      attrs: { epsilon: 0.01 },
      outputs: 3,
    },
  ],
});
