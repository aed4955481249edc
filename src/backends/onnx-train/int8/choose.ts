import { opsetOf } from '../../../ir/builder.js';
import { constantData } from '../../../ir/constants.js';
import { type Diagnostic, fail, LotrcError } from '../../../ir/diagnostics.js';
import type { Model } from '../../../ir/model.js';
import type { BaseDtype } from '../../../options/words.js';
import { findLinears } from '../../../passes/sites/find.js';
import { wantsLowMemory } from '../../../train/memory.js';
import { cannotMeasure, chosenBaseDtype } from '../../codes/training.js';
import { roundingProblem } from '../check-options.js';
import type { TrainOptions } from '../options.js';
import { isWorthRounding } from './products.js';
import { type MatrixShape, type ProductTimes, timeProducts } from './time-products.js';

/** Products in 8 bits are about 1 % off: they are chosen where they take at most this part of the time. */
const GAIN = 0.8;

/** What `--base-dtype auto` stands for, and the remark that says so. */
export interface ChosenBaseDtype {
  readonly baseDtype: BaseDtype;
  /** null: nothing had to be measured */
  readonly times: ProductTimes | null;
  readonly note: Diagnostic;
}

/**
 * Chooses between float32 and int8 by the time of a product of the shape that most of the model's arithmetic has. Another
 * machine, or another day, may choose otherwise. `folder` takes the two graphs that are run. Throws LOTR5024 without ONNX
 * Runtime.
 */
export async function chooseBaseDtype(
  model: Model,
  options: Pick<TrainOptions, 'ep' | 'keepFunctions'>,
  folder: string,
  time: typeof timeProducts = timeProducts,
): Promise<ChosenBaseDtype> {
  const heaviest = heaviestMatrix(model);
  const problem = roundingProblem(options, opsetOf(model.graph));
  const because = problem?.why ?? (heaviest ? null : 'no layer has a float32 matrix that is worth rounding');
  if (because !== null || !heaviest)
    return { baseDtype: 'float32', times: null, note: chosenBaseDtype({ because: because!, times: null }) };
  const times = await time(folder, heaviest, wantsLowMemory(sizeOf(model))).catch((error: unknown) => {
    if (!(error instanceof LotrcError)) throw error;
    return fail(cannotMeasure({ why: error.diagnostics[0]!.message }));
  });
  const baseDtype = times.int8 <= GAIN * times.float32 ? 'int8' : 'float32';
  return { baseDtype, times, note: chosenBaseDtype({ because: null, times: { ...times, baseDtype } }) };
}

/** The shape of most multiplications, those of all layers of one shape together; of several the largest. */
export function heaviestMatrix(model: Model): MatrixShape | null {
  const sums = new Map<string, { readonly shape: MatrixShape; numbers: number }>();
  for (const { in: inn, out, uses } of findLinears(model).sites) {
    const stored = constantData(uses[0]!.weight);
    if (stored?.dtype !== 'f32' || !isWorthRounding([inn, out])) continue;
    const key = `${inn}x${out}`;
    const held = sums.get(key) ?? { shape: [inn, out], numbers: 0 };
    held.numbers += inn * out * uses.length;
    sums.set(key, held);
  }
  const size = ({ shape: [inn, out] }: { readonly shape: MatrixShape }) => inn * out;
  const sorted = [...sums.values()].sort((a, b) => b.numbers - a.numbers || size(b) - size(a));
  return sorted[0]?.shape ?? null;
}

/** Bytes of the stored tensors. */
function sizeOf({ graph }: Model): number {
  return [...graph.initializers.values()].reduce((sum, { constant }) => sum + (constant?.byteLength ?? 0), 0);
}
