import { attrInt, attrInts } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import { i32Tensor, i64Tensor } from '../../tensor.js';
import type { GradBuilder } from '../define.js';
import { range } from './shape.js';
import { attributes, input, type Vjp } from './vjp.js';

/** Classes and their axis: 1, of [N, C, d1, ...]. */
const AXIS = 1;

/** loss = -w_y log p_y: d loss / d log p = -w_y where the class is the label, else 0; over the summed weights for a mean. */
export const negativeLogLikelihoodVjp: Vjp = (b, node, [dy]) => {
  const { isLabel, slope } = parts(b, node, dy!, attributes(node, 'NegativeLogLikelihoodLoss').reduction);
  const x = input(node, 0);
  return [b.one('Where', [isLabel, b.neg(slope), b.scalar(0, x)]), null, null];
};

/** loss = -w_y log softmax(x)_y: dx = w_y (p - 1[y]); with d log p, the second output: dx = dlogp - p sum(dlogp). */
export const softmaxCrossEntropyVjp: Vjp = (b, node, [dy, dlogp]) => {
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
};

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

/** 0 .. C - 1 as int32. */
function classNumbers(b: GradBuilder, x: Value): Value {
  const classes = b.dims(x)[AXIS];
  if (typeof classes === 'number') return b.constant(i32Tensor([classes], range(classes)), 'grad/classes');
  const extent = b.one('Gather', [b.one('Shape', [x]), b.index(AXIS)], { axis: attrInt(0) });
  return b.one('Cast', [b.one('Range', [b.index(0), extent, b.index(1)])], { to: attrInt(6) });
}

function unsqueeze(b: GradBuilder, x: Value): Value {
  return b.opset >= 13
    ? b.one('Unsqueeze', [x, b.constant(i64Tensor([1], [AXIS]), 'grad/axis')])
    : b.one('Unsqueeze', [x], { axes: attrInts([AXIS]) });
}

function reduceMax(b: GradBuilder, x: Value): Value {
  return b.opset >= 18
    ? b.one('ReduceMax', [x, b.ints([AXIS])], { keepdims: attrInt(1) })
    : b.one('ReduceMax', [x], { axes: attrInts([AXIS]), keepdims: attrInt(1) });
}
