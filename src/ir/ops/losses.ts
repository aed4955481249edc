import { attrInt, attrInts } from '../attr.js';
import type { Node, Value } from '../model.js';
import { i32Tensor, i64Tensor } from '../tensor.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, op } from './core/define.js';
import { attributes, input } from './core/gradient.js';
import { range } from './core/gradient-shape.js';
import { sizeOf } from './core/nd.js';
import { attrs, need, one, rule, tensorAt, typeOf } from './core/rules.js';

/** Losses over classes. */

/** Log-probabilities of scores [N, C, d1, ...] over the axis of the classes. */
function logProbabilities({ shape, data }: NdArray): NdArray {
  const [rows = 1, classes = 1, ...rest] = shape;
  const inner = sizeOf(rest);
  const out = new Float64Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let place = 0; place < inner; place++) {
      const at = (k: number) => (row * classes + k) * inner + place;
      const scores = Array.from({ length: classes }, (_, k) => data[at(k)]!);
      const top = Math.max(...scores);
      const log = top + Math.log(scores.reduce((a, x) => a + Math.exp(x - top), 0));
      for (const [k, score] of scores.entries()) out[at(k)] = score - log;
    }
  }
  return { shape, data: out };
}

interface ClassLoss {
  readonly reduction: string;
  readonly ignore_index?: number;
}

/**
 * The part that both losses on classes share: of log-probabilities [N, C, d1, ...] and labels [N, d1, ...], with one weight
 * for each class or none, -w_y log p_y for every label, its mean over the summed weights, or its sum. Labels of
 * `ignore_index` have the loss 0 and the weight 0.
 */
function classLoss(
  logp: NdArray,
  labels: NdArray,
  weights: NdArray | null,
  { reduction, ignore_index: ignored }: ClassLoss,
): NdArray {
  const [, classes = 1, ...rest] = logp.shape;
  const inner = sizeOf(rest);
  let [sum, divisor] = [0, 0];
  const each = labels.data.map((label, i) => {
    if (label === ignored) return 0;
    const weight = weights?.data[label] ?? 1;
    const row = Math.floor(i / inner);
    const loss = -weight * logp.data[(row * classes + label) * inner + (i % inner)]!;
    divisor += weight;
    sum += loss;
    return loss;
  });
  if (reduction === 'none') return { shape: labels.shape, data: each };
  return { shape: [], data: Float64Array.of(reduction === 'mean' ? sum / divisor : sum) };
}

/** Classes and their axis: 1, of [N, C, d1, ...]. */
const AXIS = 1;

function reduceMax(b: GradBuilder, x: Value): Value {
  return b.opset >= 18
    ? b.one('ReduceMax', [x, b.ints([AXIS])], { keepdims: attrInt(1) })
    : b.one('ReduceMax', [x], { axes: attrInts([AXIS]), keepdims: attrInt(1) });
}

function unsqueeze(b: GradBuilder, x: Value): Value {
  return b.opset >= 13
    ? b.one('Unsqueeze', [x, b.constant(i64Tensor([1], [AXIS]), 'grad/axis')])
    : b.one('Unsqueeze', [x], { axes: attrInts([AXIS]) });
}

/** 0 .. C - 1 as int32. */
function classNumbers(b: GradBuilder, x: Value): Value {
  const classes = b.dims(x)[AXIS];
  if (typeof classes === 'number') return b.constant(i32Tensor([classes], range(classes)), 'grad/classes');
  const extent = b.one('Gather', [b.one('Shape', [x]), b.index(AXIS)], { axis: attrInt(0) });
  return b.one('Cast', [b.one('Range', [b.index(0), extent, b.index(1)])], { to: attrInt(6) });
}

/** Which class is the label ([N, C, d...]), and d loss / d (-log p_y) as [N, 1, d...]. */
function parts(b: GradBuilder, node: Node, dy: Value, reduction: string): { isLabel: Value; slope: Value } {
  const x = input(node, 0);
  if (b.wants(2)) b.refuse('the gradient of class weights is not supported');
  const rank = b.rank(x);
  const ignored = node.attrs.get('ignore_index');
  const labels = b.one('Cast', [input(node, 1)], { to: attrInt(6) });
  const number = (value: number) => b.constant(i32Tensor([], [value]), 'grad/label');
  const valid =
    ignored?.kind === 'int' ? b.one('Not', [b.one('Equal', [labels, number(Number(ignored.value))])]) : null;
  const safe = valid ? b.one('Where', [valid, labels, number(0)]) : labels;
  const spread = (vector: Value): Value =>
    b.reshape(vector, b.ints([-1, ...Array.from({ length: rank - 2 }, () => 1)]));
  const isLabel = b.one('Equal', [unsqueeze(b, safe), spread(classNumbers(b, x))]);
  const weights = node.inputs[2];
  const one = b.scalar(1, x);
  const own = weights
    ? b.reduceSum(b.one('Where', [isLabel, spread(weights), b.scalar(0, x)]), [AXIS], true)
    : b.one('Expand', [one, b.one('Shape', [unsqueeze(b, safe)])]);
  const weight = valid ? b.one('Where', [unsqueeze(b, valid), own, b.scalar(0, x)]) : own;
  const over = reduction === 'mean' ? b.div(dy, b.reduceSum(weight, range(rank), false)) : dy;
  return { isLabel, slope: b.mul(weight, reduction === 'none' ? unsqueeze(b, over) : over) };
}

/** SoftmaxCrossEntropyLoss: scores [N, C, d...], labels [N, d...], weights [C] -> loss, log-probabilities. */
export const SoftmaxCrossEntropyLoss = op({
  name: 'SoftmaxCrossEntropyLoss',
  since: 12,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const scores = tensorAt(ctx, 0);
    const none = attrs(node, ctx).reduction === 'none';
    const loss = typeOf(scores?.dtype, none ? (tensorAt(ctx, 1)?.shape ?? null) : []);
    return { types: [loss, typeOf(scores?.dtype, scores?.shape ?? null)] };
  }),
  value: (node, inputs): NdArray[] => {
    const logp = logProbabilities(need(inputs, 0));
    return [classLoss(logp, need(inputs, 1), inputs[2] ?? null, attrsOf(node)), logp];
  },

  gradientsOf: 'all',
  /** loss = -w_y log softmax(x)_y: dx = w_y (p - 1[y]); with d log p, the second output: dx = dlogp - p sum(dlogp). */
  vjp: (b, node, [dy, dlogp]) => {
    const x = input(node, 0);
    const shifted = b.sub(x, reduceMax(b, x));
    const exp = b.one('Exp', [shifted]);
    const p = b.div(exp, b.reduceSum(exp, [AXIS], true));
    let dx: Value | null = null;
    if (dy) {
      const { isLabel, slope } = parts(b, node, dy, attributes(node, 'SoftmaxCrossEntropyLoss').reduction);
      dx = b.sub(b.mul(p, slope), b.one('Where', [isLabel, slope, b.scalar(0, x)]));
    }
    if (dlogp) {
      const through = b.sub(dlogp, b.mul(p, b.reduceSum(dlogp, [AXIS], true)));
      dx = dx ? b.add(dx, through) : through;
    }
    return [dx, null, null];
  },
  cases: [
    { inputs: ['float[4,5]', 'int64[4] {0, 4, 2, 2}'], attrs: { reduction: 'mean' }, outputs: 2 },
    {
      inputs: ['float[2,5,3]', 'int64[2,3] {0, 4, 2, 1, -1, 3}', 'const float[5] > 0'],
      attrs: { reduction: 'mean', ignore_index: -1 },
      outputs: 2,
    },
    { inputs: ['float[4,5]', 'int64[4] {0, 4, 2, 2}'], attrs: { reduction: 'sum' }, outputs: 2 },
    {
      inputs: ['float[2,5,3]', 'int64[2,3] {0, 4, 2, 1, -1, 3}', 'const float[5] > 0'],
      attrs: { reduction: 'sum', ignore_index: -1 },
      outputs: 2,
    },
    { inputs: ['float[4,5]', 'int64[4] {0, 4, 2, 2}'], attrs: { reduction: 'none' }, outputs: 2 },
    {
      inputs: ['float[2,5,3]', 'int64[2,3] {0, 4, 2, 1, -1, 3}', 'const float[5] > 0'],
      attrs: { reduction: 'none', ignore_index: -1 },
      outputs: 2,
    },
  ],
});

/** NegativeLogLikelihoodLoss: log-probabilities [N, C, d...], labels [N, d...], weights [C] -> loss. */
export const NegativeLogLikelihoodLoss = op({
  name: 'NegativeLogLikelihoodLoss',
  since: 12,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const none = attrs(node, ctx).reduction === 'none';
    return one(tensorAt(ctx, 0)?.dtype, none ? (tensorAt(ctx, 1)?.shape ?? null) : []);
  }),
  value: (node, inputs): NdArray[] => [
    classLoss(need(inputs, 0), need(inputs, 1), inputs[2] ?? null, attrsOf(node)),
  ],

  /** loss = -w_y log p_y: d loss / d log p = -w_y where the class is the label, else 0; over the summed weights for a mean. */
  vjp: (b, node, [dy]) => {
    const { isLabel, slope } = parts(b, node, dy!, attributes(node, 'NegativeLogLikelihoodLoss').reduction);
    const x = input(node, 0);
    return [b.one('Where', [isLabel, b.neg(slope), b.scalar(0, x)]), null, null];
  },
  cases: [
    { inputs: ['float[4,5]', 'int64[4] {0, 4, 2, 2}'], attrs: { reduction: 'mean' } },
    {
      inputs: ['float[2,5,3]', 'int64[2,3] {0, 4, 2, 1, -1, 3}', 'const float[5] > 0'],
      attrs: { reduction: 'mean', ignore_index: -1 },
    },
    { inputs: ['float[4,5]', 'int64[4] {0, 4, 2, 2}'], attrs: { reduction: 'sum' } },
    {
      inputs: ['float[2,5,3]', 'int64[2,3] {0, 4, 2, 1, -1, 3}', 'const float[5] > 0'],
      attrs: { reduction: 'sum', ignore_index: -1 },
    },
    { inputs: ['float[4,5]', 'int64[4] {0, 4, 2, 2}'], attrs: { reduction: 'none' } },
    {
      inputs: ['float[2,5,3]', 'int64[2,3] {0, 4, 2, 1, -1, 3}', 'const float[5] > 0'],
      attrs: { reduction: 'none', ignore_index: -1 },
    },
  ],
});
