import { dense, plain } from '../../kernel/plan/launches.js';
import {
  castStep,
  type LayerKind,
  type OperatorTarget,
  productStep,
  type Scratch,
  type Step,
} from './kinds.js';

/** The factors of a layer in 16 bits, as its products need them. */
export interface CastFactors {
  /** R rounded */
  readonly first: Step;
  /** L' = s M L rounded; of two factors B, whose scale is applied to x A */
  readonly up: Step;
  /** the factors in float32 in the C++ text; places in the scratch memory take the names `first` and `up` */
  readonly operands: Readonly<Record<string, string>>;
}

/**
 * Rounds what x and its product with R are multiplied by to the type of the layer. Factors are float32 and so is the product of
 * M and L, which is rounded once at the end.
 */
export function castFactors(
  { in: inn, out, rank, factors, scale }: LayerKind,
  setting: OperatorTarget,
  scratch: Scratch,
  name: (part: string) => string,
): CastFactors {
  const { dtype } = setting.target;
  const first = scratch.take('first', inn * rank, dtype);
  const up = scratch.take('up', rank * out, dtype);
  const operands = { wide_core: 'factors[1]', wide_last: `factors[${factors - 1}]` };
  return {
    first: castStep(name('first'), inn * rank, dtype, 'factors[0]', first),
    up:
      factors === 2
        ? castStep(name('up'), rank * out, dtype, operands.wide_last, up)
        : productStep(
            { ...setting, tf32: false },
            {
              name: name('up'),
              family: 'rankBatched',
              does: "L' = s M L",
              rows: rank,
              cols: out,
              segments: [
                {
                  a: plain(dense('wide_core', 'f32', rank, rank)),
                  b: plain(dense('wide_last', 'f32', rank, out)),
                  inner: rank,
                },
              ],
              epilogue: { scale },
              out: dense('up', dtype, rank, out),
            },
          ),
    operands,
  };
}
