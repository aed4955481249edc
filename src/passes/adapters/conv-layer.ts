import { attrInts, type HeldAttr } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';

/**
 * A convolution as a linear layer: filters (out, channels, window...) are a matrix of `channels * window` rows and `out`
 * columns, stored transposed, which multiplies the patches of x. The adapter's first factor is a convolution over the same
 * patches with `rank` filters, every other one a convolution over single places, as PEFT's LoRA for Conv2d has it.
 */
export const CONVOLUTION = 'Conv';

/** Extents that `filtersOf` reshapes to; 0 keeps one. `window`: channels and window of the layer for the first factor, else null. */
export function filterShape(window: readonly number[] | null, rank: number): readonly number[] {
  return window ? [0, ...window] : [0, 0, ...Array<number>(rank - 2).fill(1)];
}

/** A factor (m, n) as the filters (n, m split by `shape`) of a convolution. */
export function filtersOf(b: GraphBuilder, factor: Value, shape: Value): Value {
  const flipped = b.one('Transpose', [factor], { perm: attrInts([1, 0]) }, `${factor.name}/T`);
  return b.one('Reshape', [flipped, shape], {}, `${factor.name}/filters`);
}

/** The factor that `filtersOf` made filters of, and the constant shape; null when the value is nothing of the kind. */
export function factorOf(filters: Value): { readonly factor: Value; readonly shape: Value } | null {
  const reshape = filters.producer;
  const transpose = reshape?.inputs[0]?.producer;
  const perm = transpose?.attrs.get('perm');
  const turns = perm?.kind === 'ints' && perm.value.map(Number).join() === '1,0';
  if (reshape?.opKey !== 'Reshape' || transpose?.opKey !== 'Transpose' || !turns) return null;
  const [factor, shape] = [transpose.inputs[0], reshape.inputs[1]];
  return factor && shape ? { factor, shape } : null;
}

/** Whether a convolution slides over x as another does: same window, strides, padding and dilations. */
export function slidesLike(node: Node, attrs: readonly (readonly [string, HeldAttr])[]): boolean {
  const text = (list: Iterable<readonly [string, HeldAttr]>) =>
    [...list]
      .map(([name, attr]) => `${name}=${'value' in attr ? String(attr.value) : attr.kind}`)
      .sort()
      .join();
  return text(node.attrs) === text(attrs);
}
