import { type AdapterSpec, wrapOf } from './description.js';
import { sameTerm } from './terms.js';

/**
 * True where the change of a layer is that of `other`: the same term of factors that are shared in the same way, added to the output of the
 * layer, whatever its extents. Names, starting values and what is trained may differ.
 */
export const hasFormOf = (spec: AdapterSpec, other: AdapterSpec): boolean =>
  sameTerm(spec.delta, other.delta) &&
  wrapOf(spec) === 'add' &&
  !spec.tall &&
  spec.factors.map(({ share }) => share).join() === other.factors.map(({ share }) => share).join();
