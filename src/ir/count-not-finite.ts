import type { DType } from './dtype.js';
import type { TensorData } from './tensor.js';

/** How many elements of a tensor are not finite numbers, and where the first of them is. */
export interface NotFinite {
  readonly nan: number;
  readonly infinite: number;
  /** index of the first in row-major order */
  readonly first: number;
}

/** Bytes of an element, bits of its exponent and of its fraction, in the element's upper four bytes at most. */
const FORMS: Partial<
  Record<DType, { readonly bytes: number; readonly exponent: number; readonly fraction: number }>
> = {
  f64: { bytes: 8, exponent: 11, fraction: 20 },
  f32: { bytes: 4, exponent: 8, fraction: 23 },
  f16: { bytes: 2, exponent: 5, fraction: 10 },
  bf16: { bytes: 2, exponent: 8, fraction: 7 },
};

/**
 * Counts what is not finite (IEEE 754: all bits of the exponent set) in one pass over the data, in flat memory. Null when
 * every element is finite, or the type has no such values.
 */
export function countNotFinite(data: Pick<TensorData, 'dtype' | 'copyTo'>): NotFinite | null {
  const form = FORMS[data.dtype];
  if (!form) return null;
  const { bytes, exponent, fraction } = form;
  const high = (2 ** exponent - 1) * 2 ** fraction;
  const low = 2 ** fraction - 1;
  let [nan, infinite, first, seen] = [0, 0, -1, 0];
  let rest = new Uint8Array(0);
  const scan = (view: DataView, at: number): void => {
    const top = bytes === 2 ? view.getUint16(at, true) : view.getUint32(at + bytes - 4, true);
    if ((top & high) === (high | 0)) {
      // the fraction of a double goes on in its lower half
      const more = bytes === 8 && view.getUint32(at, true) !== 0;
      if ((top & low) !== 0 || more) nan++;
      else infinite++;
      if (first < 0) first = seen + at / bytes;
    }
  };
  data.copyTo({
    write: (chunk) => {
      let whole = chunk;
      if (rest.length > 0) {
        whole = new Uint8Array(rest.length + chunk.length);
        whole.set(rest);
        whole.set(chunk, rest.length);
      }
      const end = whole.length - (whole.length % bytes);
      const view = new DataView(whole.buffer, whole.byteOffset, end);
      for (let at = 0; at < end; at += bytes) scan(view, at);
      seen += end / bytes;
      rest = whole.slice(end);
    },
  });
  return first < 0 ? null : { nan, infinite, first };
}
