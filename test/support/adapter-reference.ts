import { operandsOf } from '../../src/adapter/terms.js';
import type { Group } from '../../src/backends/kernel/model/layers.js';
import { inTurn, leading, type Tensor, within } from './einsum.js';

type Described = Pick<Group, 'delta' | 'extents' | 'factors' | 'scale'>;

/** The factors of a layer as it reads them, from the numbers of their tensors. */
function factorsOf(group: Described, tensors: readonly ArrayLike<number>[]): readonly Tensor[] {
  return operandsOf(group).map((letters, k) => {
    const whole = { shape: group.factors[k]!.shape, data: Float64Array.from(tensors[k]!) };
    return leading(
      whole,
      letters.map((letter) => group.extents[letter]!),
    );
  });
}

/** s D (in, out) by the definition, in float64. */
export function deltaOf(group: Described, tensors: readonly ArrayLike<number>[]): Tensor {
  return inTurn(group.delta, factorsOf(group, tensors), group.scale);
}

/** The gradients of the tensors of the factors from that of s D, in float64. */
export function factorGradients(
  group: Described,
  tensors: readonly ArrayLike<number>[],
  gradient: ArrayLike<number>,
): readonly Tensor[] {
  const factors = factorsOf(group, tensors);
  const [left, right] = group.delta.split('->') as [string, string];
  const operands = left.split(',');
  const shape = [...right].map((letter) => group.extents[letter]!);
  const given = { shape, data: Float64Array.from(gradient) };
  return operands.map((own, k) => {
    const others = operands.filter((_, other) => other !== k);
    const spec = `${[right, ...others].join(',')}->${own}`;
    const found = inTurn(spec, [given, ...factors.filter((_, other) => other !== k)], group.scale);
    return within(found, group.factors[k]!.shape);
  });
}
