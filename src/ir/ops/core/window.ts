import type { Value } from '../../model.js';
import type { Dim, Shape } from '../../shape.js';
import type { GradBuilder } from './define.js';
import { addDim, floorDiv } from './dims.js';

/** Attributes that convolution and pooling share. */
export interface WindowAttrs {
  readonly auto_pad?: string;
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly ceil_mode?: number;
}

/** A window over the spatial dimensions, with what the attributes leave out filled in. */
interface Window {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

export function windowOf(kernel: readonly Dim[], a: WindowAttrs): Window {
  const ones = kernel.map(() => 1);
  return { kernel, strides: a.strides ?? ones, dilations: a.dilations ?? ones };
}

/** Spatial extents of the result. */
export function windowExtents(spatial: Shape, w: Window, a: WindowAttrs): Dim[] {
  return spatial.map((extent, k) => {
    const stride = w.strides[k] ?? 1;
    if (a.auto_pad === 'SAME_UPPER' || a.auto_pad === 'SAME_LOWER') {
      return floorDiv(addDim(extent, stride - 1), stride);
    }
    const kernel = w.kernel[k] ?? null;
    if (typeof kernel !== 'number') return null;
    const pads = a.pads && a.auto_pad !== 'VALID' ? a.pads : [];
    const added = (pads[k] ?? 0) + (pads[k + spatial.length] ?? 0) - (w.dilations[k] ?? 1) * (kernel - 1) - 1;
    const free = addDim(extent, added);
    if (typeof free !== 'number') {
      if (!a.ceil_mode) return addDim(floorDiv(free, stride), 1);
      // where the window is as wide as its step and the padding at the end, none starts in that padding
      const reach = (w.dilations[k] ?? 1) * (kernel - 1) + 1;
      const fits = reach >= stride + (pads[k + spatial.length] ?? 0);
      return fits ? addDim(floorDiv(addDim(free, stride - 1), stride), 1) : null;
    }
    if (free < 0) return 0;
    if (!a.ceil_mode) return Math.floor(free / stride) + 1;
    const count = Math.ceil(free / stride) + 1;
    // a window that would start in the padding after the input is left out
    const before = pads[k] ?? 0;
    return (count - 1) * stride >= (extent as number) + before ? count - 1 : count;
  });
}

/** Padding before each spatial dimension. */
export function padsBefore(spatial: readonly number[], w: Window, a: WindowAttrs): number[] {
  if (a.auto_pad !== 'SAME_UPPER' && a.auto_pad !== 'SAME_LOWER') {
    return spatial.map((_, k) => (a.auto_pad === 'VALID' ? 0 : (a.pads?.[k] ?? 0)));
  }
  return spatial.map((extent, k) => {
    const stride = w.strides[k]!;
    const reach = w.dilations[k]! * ((w.kernel[k] as number) - 1) + 1;
    const total = Math.max(0, (Math.ceil(extent / stride) - 1) * stride + reach - extent);
    return a.auto_pad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
}

/** Where the window of a convolution or a pool goes along each spatial axis, with what the attributes leave out filled in. */
export interface WindowFrame {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The frame of a window of the extents `kernel` over x (batch, channels, spatial...). Refuses padding that depends on an extent that varies. */
export function frameOf(b: GradBuilder, x: Value, kernel: readonly number[], a: WindowAttrs): WindowFrame {
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
