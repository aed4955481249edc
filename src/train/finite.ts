import { diverged } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { countNotFinite } from '../ir/finite.js';
import type { TensorData } from '../ir/tensor.js';

/** Throws LOTR8213 when a parameter holds NaN or infinity; what was written before it stays. */
export function requireFinite(parameters: ReadonlyMap<string, TensorData>, step: number): void {
  for (const [name, data] of parameters) {
    const found = countNotFinite(data);
    if (!found) continue;
    fail(
      diverged({
        step,
        parameter: name,
        nan: found.nan,
        infinite: found.infinite,
        size: data.byteLength / 4,
      }),
    );
  }
}
