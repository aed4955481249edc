import type { Dim, Shape } from '../../shape.js';
import { addDim, floorDiv } from '../dims.js';

/** Attributes that convolution and pooling share. */
export interface WindowAttrs {
  readonly auto_pad?: string;
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly ceil_mode?: number;
}

/** A window over the spatial dimensions, with what the attributes leave out filled in. */
export interface Window {
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
