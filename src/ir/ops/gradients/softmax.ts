import { attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { attributes, axisOf, input, type Vjp } from './vjp.js';

/**
 * y = softmax(x): dx = y (dy - sum(y dy)). Before opset 13 the op flattens its input to two axes at `axis` and the
 * softmax runs over all of the second. Exporters guard fully masked rows by `Where(IsNaN(y), 0, y)`: the guarded
 * probabilities are used here, else the NaN of such a row would poison every gradient below.
 */
export const softmaxVjp: Vjp = (b, node, [dy]) => {
  const y = guarded(node.outputs[0]!);
  return [along(b, node, y, dy!, (p, g, sum) => b.mul(p, b.sub(g, sum(b.mul(p, g)))))];
};

/** y = log softmax(x): dx = dy - exp(y) sum(dy) */
export const logSoftmaxVjp: Vjp = (b, node, [dy]) => [
  along(b, node, node.outputs[0]!, dy!, (y, g, sum) => b.sub(g, b.mul(b.one('Exp', [y]), sum(g)))),
];

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
