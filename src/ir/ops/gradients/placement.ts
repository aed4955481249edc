import { attrInt } from '../../attr.js';
import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { zerosLike } from './shape.js';
import { attributes, axisOf, input, unaryVjp, type Vjp } from './vjp.js';

/** CumSum: the same sums from the other end. */
export const cumSumVjp: Vjp = (b, node, [dy]) => {
  const { exclusive, reverse } = attributes(node, 'CumSum');
  const attrs = { exclusive: attrInt(exclusive), reverse: attrInt(reverse ? 0 : 1) };
  return [b.one('CumSum', [dy!, input(node, 1)], attrs), null];
};

/** Trilu: the same triangle. */
export const triluVjp: Vjp = (b, node, [dy]) => {
  const attrs = { upper: attrInt(attributes(node, 'Trilu').upper) };
  return [b.one('Trilu', [dy!, ...node.inputs.slice(1)], attrs), null];
};

/** DepthToSpace: back by SpaceToDepth, which lays channels out depth first. */
export const depthToSpaceVjp: Vjp = (b, node, [dy]) => {
  const { blocksize, mode } = attributes(node, 'DepthToSpace');
  const back = b.one('SpaceToDepth', [dy!], { blocksize: attrInt(blocksize) });
  if (mode !== 'CRD') return [back];
  // (blocks, channels) of SpaceToDepth to (channels, blocks) of the column-first order
  const x = input(node, 0);
  const [, channels] = b.dims(x);
  if (typeof channels !== 'number') return { because: 'its number of channels is not known', at: node };
  const blocks = blocksize * blocksize;
  const apart = b.reshape(back, b.ints([0, blocks, channels / blocks, -1]));
  return [b.reshapeLike(b.transpose(apart, [0, 2, 1, 3]), x)];
};

/** SpaceToDepth: back by DepthToSpace, depth first. */
export const spaceToDepthVjp: Vjp = (b, node, [dy]) => [
  b.one('DepthToSpace', [dy!], { blocksize: attrInt(attributes(node, 'SpaceToDepth').blocksize) }),
];

/** TopK: the gradients of the chosen elements go back to the positions they came from. */
export const topKVjp: Vjp = (b, node, [dy]) => {
  if (b.opset < 11) return { because: 'putting values into places needs opset 11', at: node };
  const x = input(node, 0);
  const axis = attrInt(axisOf(attributes(node, 'TopK').axis, b.rank(x)));
  return [b.one('ScatterElements', [zerosLike(b, x), node.outputs[1]!, dy!], { axis }), null];
};

/** ScatterElements: what was overwritten gets no gradient; updates get that of their places. */
export const scatterElementsVjp: Vjp = (b, node, [dy]) => {
  const { reduction, axis } = attributes(node, 'ScatterElements');
  const at = { axis: attrInt(axisOf(axis, b.rank(input(node, 0)))) };
  const indices = input(node, 1);
  if (reduction !== 'none' && reduction !== 'add')
    return { because: `its reduction is ${reduction}`, at: node };
  const zeros = (): Value => zerosLike(b, input(node, 2));
  const kept = (): Value =>
    reduction === 'add' ? dy! : b.one('ScatterElements', [dy!, indices, zeros()], at);
  return [b.wants(0) ? kept() : null, null, b.wants(2) ? b.one('GatherElements', [dy!, indices], at) : null];
};

/** ScatterND: as ScatterElements. */
export const scatterNdVjp: Vjp = (b, node, [dy]) => {
  const { reduction } = attributes(node, 'ScatterND');
  const indices = input(node, 1);
  if (reduction !== 'none' && reduction !== 'add')
    return { because: `its reduction is ${reduction}`, at: node };
  if (b.opset < 12) return { because: 'gathering by index tuples needs opset 12', at: node };
  const kept = (): Value =>
    reduction === 'add' ? dy! : b.one('ScatterND', [dy!, indices, zerosLike(b, input(node, 2))]);
  return [b.wants(0) ? kept() : null, null, b.wants(2) ? b.one('GatherND', [dy!, indices]) : null];
};

/** Sum of several inputs: each gets the gradient. */
export const sumVjp: Vjp = (_b, node, [dy]) => node.inputs.map(() => dy!);

/** Mean of several inputs: each gets its part. */
export const meanVjp: Vjp = (b, node, [dy]) => {
  const part = b.mul(dy!, b.scalar(1 / node.inputs.length, node.outputs[0]!));
  return node.inputs.map(() => part);
};

/** GlobalAveragePool: dx = dy over the number of pixels, laid over them. */
export const globalAveragePoolVjp = unaryVjp((b, dy, x) => {
  const pixels = b.dims(x).slice(2);
  const wide = b.one('Expand', [dy, b.shapeOf(x)]);
  if (pixels.every((extent): extent is number => typeof extent === 'number')) {
    const count = pixels.reduce((a, c) => a * c, 1);
    return b.mul(wide, b.scalar(1 / count, x));
  }
  return b.div(wide, count(b, x, dy));
});

/** GlobalMaxPool: to the pixels that equal the result, in equal parts. */
export const globalMaxPoolVjp = unaryVjp((b, dy, x, y) => {
  const axes = b.dims(x).flatMap((_, axis) => (axis >= 2 ? [axis] : []));
  const hit = b.one('Where', [b.one('Equal', [x, y]), b.scalar(1, x), b.scalar(0, x)]);
  return b.mul(hit, b.div(dy, b.reduceSum(hit, axes, true)));
});

/** How many elements of x there are for each of dy, as a number of x's type. */
function count(b: GradBuilder, x: Value, dy: Value): Value {
  const each = b.one('Div', [b.one('Size', [x]), b.one('Max', [b.one('Size', [dy]), b.index(1)])]);
  return b.one('Cast', [each], { to: attrInt(b.onnxType(x)) });
}
