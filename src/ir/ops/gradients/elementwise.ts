import { attrInt } from '../../attr.js';
import { dtypeToOnnx, isFloat } from '../../dtype.js';
import type { Value } from '../../model.js';
import { toF64, toIntegers } from '../../values.js';
import type { GradBuilder } from '../define.js';
import { input, unaryVjp, type Vjp } from './vjp.js';

export const addVjp: Vjp = (_b, _node, [dy]) => [dy!, dy!];

export const subVjp: Vjp = (b, _node, [dy]) => [dy!, b.wants(1) ? b.neg(dy!) : null];

export const mulVjp: Vjp = (b, node, [dy]) => [
  b.wants(0) ? b.mul(dy!, input(node, 1)) : null,
  b.wants(1) ? b.mul(dy!, input(node, 0)) : null,
];

/** y = a / c: da = dy / c, dc = -dy y / c */
export const divVjp: Vjp = (b, node, [dy]) => {
  const c = input(node, 1);
  const da = b.div(dy!, c);
  return [da, b.wants(1) ? b.neg(b.mul(da, node.outputs[0]!)) : null];
};

export const negVjp = unaryVjp((b, dy) => b.neg(dy));
export const identityVjp = unaryVjp((_b, dy) => dy);
/** y = sqrt x: dx = dy / (2 y) */
export const sqrtVjp = unaryVjp((b, dy, _x, y) => b.div(dy, b.mul(y, b.scalar(2, y))));
/** y = 1/x: dx = -dy y^2 */
export const reciprocalVjp = unaryVjp((b, dy, _x, y) => b.neg(b.mul(dy, b.mul(y, y))));
/** y = tanh x: dx = dy (1 - y^2) */
export const tanhVjp = unaryVjp((b, dy, _x, y) => b.mul(dy, b.sub(b.scalar(1, y), b.mul(y, y))));
/** y = sigmoid x: dx = dy y (1 - y) */
export const sigmoidVjp = unaryVjp((b, dy, _x, y) => b.mul(dy, b.mul(y, b.sub(b.scalar(1, y), y))));
/** y = erf x: dx = dy 2/sqrt(pi) exp(-x^2) */
export const erfVjp = unaryVjp((b, dy, x) =>
  b.mul(dy, b.mul(b.scalar(2 / Math.sqrt(Math.PI), x), b.one('Exp', [b.neg(b.mul(x, x))]))),
);
export const expVjp = unaryVjp((b, dy, _x, y) => b.mul(dy, y));
export const logVjp = unaryVjp((b, dy, x) => b.div(dy, x));
export const sinVjp = unaryVjp((b, dy, x) => b.mul(dy, b.one('Cos', [x])));
export const cosVjp = unaryVjp((b, dy, x) => b.neg(b.mul(dy, b.one('Sin', [x]))));
/** dx = dy where x > 0, else 0; the derivative at 0 is taken as 0, as PyTorch does */
export const reluVjp = unaryVjp((b, dy, x) => keepWhere(b, b.one('Greater', [x, b.scalar(0, x)]), dy, x));
/** dx = dy sign(x), 0 at 0; written without Sign, which WebGPU lacks */
export const absVjp = unaryVjp((b, dy, x) => {
  const zero = b.scalar(0, x);
  const negative = b.one('Where', [b.one('Less', [x, zero]), b.neg(dy), zero]);
  return b.one('Where', [b.one('Greater', [x, zero]), dy, negative]);
});
/** y = x sigmoid(alpha x) (com.microsoft QuickGelu; Swish of opset 24): dx = dy (s + alpha y (1 - s)) */
export function swishRule(b: GradBuilder, dy: Value, x: Value, y: Value, alpha: number): Value {
  const s = b.one('Sigmoid', [alpha === 1 ? x : b.mul(x, b.scalar(alpha, x))]);
  const slope = b.mul(y, b.sub(b.scalar(1, x), s));
  return b.mul(dy, b.add(s, alpha === 1 ? slope : b.mul(slope, b.scalar(alpha, x))));
}

/**
 * y = x^e: dx = dy e x^(e-1), never 0^negative for e = 0 or 1; de = dy y log x, 0 for x = 0 as PyTorch has it, and not a
 * number for x below 0.
 */
export const powVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const exponent = input(node, 1);
  const dx = b.wants(0) ? ofBase(b, dy!, x, exponent) : null;
  return [dx, b.wants(1) ? ofExponent(b, dy!, x, exponent, node.outputs[0]!) : null];
};

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

/** A value in the element type of `like`; `from` tells its own where it is not a value of the forward graph. */
function inTypeOf(b: GradBuilder, value: Value, like: Value, from = value): Value {
  const to = b.onnxType(like);
  return b.onnxType(from) === to ? value : b.one('Cast', [value], { to: attrInt(to) });
}

/** The only number of a constant float or integer tensor of one element, or null. */
export function constantScalar(value: Value): number | null {
  const data = constantOf(value);
  if (data?.shape.reduce((a, c) => a * c, 1) !== 1) return null;
  return (isFloat(data.dtype) ? toF64(data)[0] : toIntegers(data)[0]) ?? null;
}

/** Data of an initializer or of a Constant node's `value`, through Identity and Cast-free chains. */
export function constantOf(value: Value) {
  if (value.constant) return value.constant;
  const { producer } = value;
  if (producer?.opKey === 'Identity' && producer.inputs[0]) return constantOf(producer.inputs[0]);
  const attr = producer?.opKey === 'Constant' ? producer.attrs.get('value') : undefined;
  return attr?.kind === 'tensor' ? attr.value : null;
}

/** Where(c, a, d): the gradient goes to the branch that was taken. Where selects, so NaN of the other does not leak. */
export const whereVjp: Vjp = (b, node, [dy]) => {
  const condition = input(node, 0);
  const zero = b.scalar(0, node.outputs[0]!);
  return [
    null,
    b.wants(1) ? b.one('Where', [condition, dy!, zero]) : null,
    b.wants(2) ? b.one('Where', [condition, zero, dy!]) : null,
  ];
};

/** Between float types: the gradient is cast back. To integers there is none. */
export const castVjp: Vjp = (b, node, [dy]) => {
  const from = input(node, 0).type;
  if (from?.kind !== 'tensor') return { because: 'the type of its input is unknown', at: node };
  // integers that represent rounded numbers: their gradient is floating point already
  if (!isFloat(from.dtype)) return [dy!, null];
  return [b.one('Cast', [dy!], { to: attrInt(dtypeToOnnx(from.dtype)) }), null];
};

/** Max and Min of any number of inputs: the gradient goes to the inputs that equal the result, in equal parts. */
export const extremumVjp: Vjp = (b, node, [dy]) => {
  const y = node.outputs[0]!;
  const one = b.scalar(1, y);
  const zero = b.scalar(0, y);
  const hits = node.inputs.map((value) => b.one('Where', [b.one('Equal', [value, y]), one, zero]));
  const ties = hits.reduce((a, hit) => b.add(a, hit));
  const share = b.div(dy!, ties);
  return hits.map((hit, index) => (b.wants(index) ? b.mul(share, hit) : null));
};

/** y = clip(x): dx = dy where y == x; bounds get none. Holds for attribute bounds (opset < 11) and input bounds. */
export const clipVjp: Vjp = (b, node, [dy]) => {
  const same = b.one('Equal', [input(node, 0), node.outputs[0]!]);
  return [keepWhere(b, same, dy!, node.outputs[0]!), null, null];
};

/** Dropout: dx = dy mask / (1 - ratio) in training mode, from the mask that this run drew; identity in inference. */
export const dropoutVjp: Vjp = (b, node, [dy]) => {
  const training = node.inputs[2] ? constantOf(node.inputs[2]) : null;
  const inference = !node.inputs[2] || training?.bytes()[0] === 0;
  if (inference) return [dy!, null, null];
  const ratio = node.inputs[1] ? constantScalar(node.inputs[1]) : 0.5;
  if (ratio === null) return { because: 'its ratio is not a constant', at: node };
  const mask = node.outputs[1] ?? node.addOutput(b.graph.names.freshValue(`${node.outputs[0]!.name}/mask`));
  const y = node.outputs[0]!;
  const kept = keepWhere(b, mask, dy!, y);
  return [ratio === 0 ? kept : b.mul(kept, b.scalar(1 / (1 - ratio), y)), null, null];
};

/** dy where the condition holds, else 0. `like` is a forward value of the same element type. */
export function keepWhere(b: GradBuilder, condition: Value, dy: Value, like: Value): Value {
  return b.one('Where', [condition, dy, b.scalar(0, like)]);
}
