import { effectiveScale } from '../adapter/description.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import type { ForeignLayer } from './foreign.js';
import { asForeignLayer, toLora } from './to-lora.js';

/**
 * A layer whose adapter took a part out of its weight, as LoRA of the weight that was there before: W - s A0 B0 + s A B is W plus the
 * product of (A, A0) and (B, -B0), of twice the rank. No number changes but in its sign. `start`: the factors that the base lost.
 */
export function onWholeBase(layer: ForeignLayer, start: readonly TensorData[]): ForeignLayer {
  const now = toLora(layer, null);
  const before = toLora({ ...layer, factors: start }, null);
  const rank = 2 * now.rank;
  const [inn, out] = [now.a.shape[1]!, now.b.shape[0]!];
  const a = new ComputedTensor('f32', [rank, inn], 'joined', () => {
    const rows = new Float64Array(rank * inn);
    rows.set(toF64(now.a));
    rows.set(toF64(before.a), now.rank * inn);
    return encodeFloats('f32', rows);
  });
  const b = new ComputedTensor('f32', [out, rank], 'joined', () => {
    const [left, right] = [toF64(now.b), toF64(before.b)];
    const joined = new Float64Array(out * rank);
    for (let o = 0; o < out; o++) {
      for (let k = 0; k < now.rank; k++) {
        joined[o * rank + k] = left[o * now.rank + k]!;
        joined[o * rank + now.rank + k] = -right[o * now.rank + k]!;
      }
    }
    return encodeFloats('f32', joined);
  });
  const { module, alpha: scale, scaling, window } = now;
  // alpha / rank stays what it was: twice the one over twice the other
  const alpha = scaling === 'rank' ? 2 * scale : rank * effectiveScale({ scale, scaling }, now.rank);
  return {
    ...asForeignLayer({ module, rank, a, b, alpha, scaling: 'rank', error: null }),
    ...(window ? { window } : {}),
  };
}
