import { tensorType } from '../../ir/shape.js';
import { defineLoss, type LossDef } from './define.js';
import type { LossKind } from './facts.js';
import { IGNORE_VALUE } from './parts.js';

/** What the signature says of losses on numbers. */
export const numberSignature = { ignoreIndex: null, ignoreValue: IGNORE_VALUE } as const;

/** Declares a loss on numbers, element by element: labels f32 of the shape of the output. */
export function defineNumberLoss<const K extends LossKind, const N extends string>(
  def: Pick<LossDef<K, N>, 'kind' | 'doc' | 'takes' | 'numbers' | 'build' | 'labelProblem'>,
): LossDef<K, N> {
  return defineLoss<K, N>({
    reads: ['--labels'],
    problem: () => null,
    labelType: (shape) => tensorType('f32', shape),
    signature: () => numberSignature,
    ...def,
  });
}
