import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import type { WindowAttrs } from '../families/window.js';

/** Where the window of a convolution or a pool goes along each spatial axis, with what the attributes leave out filled in. */
export interface Frame {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The frame of a window of the extents `kernel` over x (batch, channels, spatial...). Refuses padding that depends on an extent that varies. */
export function frameOf(b: GradBuilder, x: Value, kernel: readonly number[], a: WindowAttrs): Frame {
  const spatial = b.dims(x).slice(2);
  const strides = a.strides ?? kernel.map(() => 1);
  const dilations = a.dilations ?? kernel.map(() => 1);
  const { auto_pad: auto } = a;
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') {
    const pads = (auto === 'VALID' ? null : a.pads) ?? kernel.flatMap(() => [0, 0]);
    return {
      kernel,
      strides,
      dilations,
      before: pads.slice(0, kernel.length),
      after: pads.slice(kernel.length),
    };
  }
  const totals = kernel.map((extent, s) => {
    const reach = (extent - 1) * dilations[s]! + 1;
    const dim = spatial[s];
    if (strides[s] === 1) return reach - 1;
    if (typeof dim !== 'number')
      return b.refuse(`its padding depends on an extent that varies (auto_pad ${auto}, strides above 1)`);
    return Math.max(0, (Math.ceil(dim / strides[s]!) - 1) * strides[s]! + reach - dim);
  });
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  const [before, after] = auto === 'SAME_UPPER' ? [less, more] : [more, less];
  return { kernel, strides, dilations, before, after };
}
