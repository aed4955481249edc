import { part, peek4, type Quarter, u32, vector } from '../ir/kir.js';

/** Places in a vector. */
export const QUAD = [0, 1, 2, 3] as const;
/** Four numbers of a vector. */
export const fourOf = <T>(of: (place: Quarter) => T): readonly [T, T, T, T] => [of(0), of(1), of(2), of(3)];

/** What four vectors of a register array have at one place. */
export const turnedPart = (array: string, at: 0 | 1 | 2 | 3) => {
  const [a, b, c, d] = QUAD.map((k) => part(peek4(array, u32(k)), at));
  return vector([a!, b!, c!, d!]);
};
