import type { Node } from '../model.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type InferContext, type NdArray, type OpDef, op } from './define.js';
import { addDim, type Ints } from './dims.js';
import { padVjp } from './gradients/pad.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, numbersAt, one, refuse, rule, tensorAt, unknownDims } from './rules.js';

/**
 * Pad: elements added before and after each dimension (negative: removed), all befores first and then all afters.
 * The pads are an attribute before version 11 and an input from then on; axes may be given from version 18 on.
 */
export const Pad = op([padOf(1, 10), padOf(11)], { vjp: padVjp });

function padOf(since: number, until?: number): OpDef<'Pad'> {
  const asInput = since >= 11;
  const padsFor = (node: Node<'Pad'>, ctx: InferContext): Ints | null => {
    if (asInput) return ctx.ints(1);
    const a = attrs(node, ctx);
    return a.pads ?? a.paddings ?? null;
  };
  return op({
    name: 'Pad',
    since,
    ...(until ? { until } : {}),
    traits: ['pure'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      if (!x?.shape) return one(x?.dtype, null);
      const pads = padsFor(node, ctx);
      const axes = node.inputs[3] ? numbersAt(ctx, 3) : undefined;
      if (!pads || axes === null) return one(x.dtype, unknownDims(x.shape.length));
      const rows = rowsOf(node, pads, axes, x.shape.length);
      return one(
        x.dtype,
        x.shape.map((dim, k) => addDim(dim, addDim(rows[k]![0], rows[k]![1]))),
      );
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node);
      const pads = asInput ? [...need(inputs, 1).data] : (a.pads ?? a.paddings ?? []);
      const fill = (asInput ? inputs[2]?.data[0] : a.value) ?? 0;
      const rows = rowsOf(node, pads, inputs[3] ? [...inputs[3].data] : undefined, x.shape.length) as [
        number,
        number,
      ][];
      const strides = stridesOf(x.shape);
      const shape = x.shape.map((dim, k) => dim + rows[k]![0] + rows[k]![1]);
      return [
        fromIndex(shape, (index) => {
          const from = index.map((i, k) => inside(i - rows[k]![0], x.shape[k]!, a.mode ?? 'constant'));
          return from.includes(-1) ? fill : x.data[offset(strides, from)]!;
        }),
      ];
    },
  });
}

function rowsOf(node: Node, pads: Ints, axes: readonly number[] | undefined, rank: number): [Dim, Dim][] {
  const chosen = axes?.map((axis) => axisIn(node, axis, rank)) ?? Array.from({ length: rank }, (_, k) => k);
  if (pads.length !== 2 * chosen.length) refuse(node, `${pads.length} pads for ${chosen.length} dimensions`);
  const rows = Array.from({ length: rank }, (): [Dim, Dim] => [0, 0]);
  for (const [i, axis] of chosen.entries()) rows[axis] = [pads[i]!, pads[i + chosen.length]!];
  return rows;
}

/** Where position `at` of the padded line comes from; -1 for the fill value. */
function inside(at: number, extent: number, mode: string): number {
  if (at >= 0 && at < extent) return at;
  if (mode === 'edge') return at < 0 ? 0 : extent - 1;
  if (mode === 'wrap') return ((at % extent) + extent) % extent;
  if (mode !== 'reflect') return -1;
  const period = Math.max(1, 2 * (extent - 1));
  const folded = ((at % period) + period) % period;
  return folded < extent ? folded : period - folded;
}
