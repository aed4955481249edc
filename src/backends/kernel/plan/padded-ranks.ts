import { deltaTerm, operandsOf } from '../../../adapter/terms.js';
import type { AdaptedLayers, Group, GroupFactor, LayerRegion } from '../model/layers.js';
import type { BufferPlan, DeviceProfile, KernelDtype } from '../model/types.js';

/** Warpgroups load rows that begin at multiples of this many elements of 16 bits: 16 bytes. */
const ROW = 8;

/**
 * The layers with ranks that are multiples of ROW where only the rank keeps warpgroups from multiplying them. Factors are stored with rows or
 * columns of zeros then. They stay zero: the gradient of an element there is a product with an element of another factor at the
 * same place.
 */
export function withPaddedRanks(
  contraction: AdaptedLayers,
  device: DeviceProfile,
  dtype: KernelDtype,
): AdaptedLayers {
  if (dtype === 'f32' || !device.features.includes('wgmma')) return contraction;
  const layers = contraction.regions.flatMap((region) => region.layers);
  const packed = new Set(layers.flatMap((layer) => (layer.packed ? [layer.group] : [])));
  const groups = new Map(
    contraction.groups.map((group) => [group.id, packed.has(group.id) ? group : padded(group)]),
  );
  const rankOf = (id: string, rank: number): number => {
    const { form, unpadded, extents } = groups.get(id)!;
    return unpadded ? extents[form.inner[0]!]! : rank;
  };
  return {
    ...contraction,
    groups: [...groups.values()],
    regions: contraction.regions.map(
      (region): LayerRegion => ({
        ...region,
        rank: rankOf(region.group, region.rank),
        layers: region.layers.map((layer) => ({ ...layer, rank: rankOf(layer.group, layer.rank) })),
      }),
    ),
  };
}

function padded(group: Group): Group {
  const { form, extents, factors } = group;
  const [letter, more] = form.inner;
  const term = deltaTerm(group.delta);
  const operands = operandsOf(group);
  const rank = letter === undefined ? 0 : extents[letter]!;
  const room = ROW * Math.ceil(rank / ROW);
  const own = letter === undefined ? [] : operands.filter((letters) => letters.includes(letter));
  const fits =
    letter !== undefined &&
    more === undefined &&
    rank % ROW !== 0 &&
    [group.in, group.out].every((width) => width % ROW === 0) &&
    ![...term.in, ...term.out].includes(letter) &&
    own.length > 1 &&
    factors.every(({ share, shape }, k) => {
      const letters = operands[k]!;
      const whole = shape.every((extent, axis) => extent === extents[letters[axis]!]);
      return (
        !letters.includes(letter) || (shape.length < 3 && whole && (share === 'site' || share === 'group'))
      );
    });
  if (!fits) return group;
  return {
    ...group,
    extents: { ...extents, [letter]: room },
    unpadded: extents,
    factors: factors.map((factor, k): GroupFactor => {
      const letters = operands[k]!;
      if (!letters.includes(letter)) return factor;
      const shape = factor.shape.map((extent, axis) => (letters[axis] === letter ? room : extent));
      return { ...factor, shape, own: factor.shape };
    }),
  };
}

/** The rows and columns of the tensors of a factor where its buffer has room for more. */
export const ownOf = (shape: readonly number[] | undefined): Pick<BufferPlan, 'own'> =>
  shape ? { own: [shape.length === 1 ? 1 : shape[0]!, shape.at(-1)!] } : {};
