import type { Vjp } from './vjp.js';

/** Gives an `OpDef`, or all versions of an op in a list, its gradient rule. */
export function withGradient<D extends object>(def: D, vjp: Vjp): D {
  const add = (one: object) => ({ ...one, vjp });
  return (Array.isArray(def) ? def.map(add) : add(def)) as D;
}

/** Says that an op's outputs do not depend differentiably on its inputs: gradients end here. */
export function withoutGradient<D extends object>(def: D): D {
  const add = (one: object) => ({ ...one, stopsGradient: true });
  return (Array.isArray(def) ? def.map(add) : add(def)) as D;
}

/**
 * Says that an op's gradient rule also holds for integers that represent rounded numbers: it only moves or rescales
 * them.
 */
export function throughIntegers<D extends object>(def: D): D {
  const add = (one: object) => ({ ...one, throughIntegers: true });
  return (Array.isArray(def) ? def.map(add) : add(def)) as D;
}
