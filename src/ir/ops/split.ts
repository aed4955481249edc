import type { Node } from '../model.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type Inferred, type NdArray, type OpDef, op } from './define.js';
import { divExact, type Ints } from './dims.js';
import { splitVjp } from './gradients/shape.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, refuse, rule, tensorAt, typeOf, unknownDims } from './rules.js';

/**
 * Split: consecutive parts along `axis`. Their extents are an attribute before version 13 and an input from then on;
 * without them the parts are equal, and from version 18 (`num_outputs`) the last may be smaller.
 */
export const Split = op([splitOf(1, 12), splitOf(13)], { vjp: splitVjp, throughIntegers: true });

function splitOf(since: number, until?: number): OpDef<'Split'> {
  const asInput = since >= 13;
  return op({
    name: 'Split',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'linear'],
    infer: rule((node, ctx): Inferred => {
      const x = tensorAt(ctx, 0);
      const count = node.outputs.length;
      if (!x?.shape) return { types: node.outputs.map(() => typeOf(x?.dtype, null)) };
      const a = attrs(node, ctx);
      const axis = axisIn(node, a.axis ?? 0, x.shape.length);
      const given = asInput ? (node.inputs[1] ? (ctx.ints(1) ?? unknownDims(count)) : undefined) : a.split;
      const extents = extentsOf(node, x.shape[axis]!, given, count);
      const shapes = extents.map((extent) => x.shape!.with(axis, extent));
      const values = x.shape.length === 1 ? ctx.ints(0) : null;
      return {
        types: shapes.map((shape) => typeOf(x.dtype, shape)),
        ...(values ? { ints: partsOf(values, extents) } : {}),
      };
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node);
      const axis = axisIn(node, a.axis ?? 0, x.shape.length);
      const given = asInput ? inputs[1] && [...inputs[1].data] : a.split;
      const strides = stridesOf(x.shape);
      let start = 0;
      return extentsOf(node, x.shape[axis]!, given ?? undefined, node.outputs.length).map((extent) => {
        const from = start;
        start += extent as number;
        const shape = x.shape.with(axis, extent as number);
        return fromIndex(shape, (index) => x.data[offset(strides, index.with(axis, index[axis]! + from))]!);
      });
    },
  });
}

function extentsOf(node: Node, extent: Dim, given: Ints | undefined, count: number): Dim[] {
  if (given) {
    if (given.length !== count) refuse(node, `${given.length} extents for ${count} outputs`);
    const sum = given.reduce<number>((total, dim) => (typeof dim === 'number' ? total + dim : Number.NaN), 0);
    if (typeof extent === 'number' && !Number.isNaN(sum) && sum !== extent) {
      refuse(node, `extents [${given.join(',')}] do not add up to ${extent}`);
    }
    return [...given];
  }
  if (typeof extent !== 'number') return new Array<Dim>(count).fill(divExact(extent, count));
  const size = Math.ceil(extent / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(size, extent - i * size)));
}

function partsOf(values: Ints, extents: readonly Dim[]): (Ints | null)[] {
  let start: number | null = 0;
  return extents.map((extent) => {
    if (start === null || typeof extent !== 'number') {
      start = null;
      return null;
    }
    start += extent;
    return values.slice(start - extent, start);
  });
}
