import { badDescription, notCarried } from '../ir/codes/methods.js';
import { fail } from '../ir/diagnostics.js';
import { type AdapterSpec, MODES, SHARES } from './description.js';
import {
  type Check,
  extent,
  type FieldFault,
  fits,
  isObject,
  list,
  number,
  object,
  oneOf,
  optional,
  pathText,
  text,
} from './fields.js';
import { deltaTerm, spansResult } from './terms.js';

/** Initial forms with one number. */
const NUMBERS = ['constant', 'normal', 'uniform', 'fanIn', 'kaimingUniform'];

const WORDS = ['zeros', 'ones', 'eye', 'orthogonal'];

const initial = fits('an initialisation', (value) => {
  if (typeof value === 'string') return WORDS.includes(value);
  if (!isObject(value)) return false;
  if (NUMBERS.some((name) => Number.isFinite(value[name]))) return true;
  const power = value.power === undefined || Number.isFinite(value.power);
  return ['in', 'out', 'core'].includes(value.svd as string) && power;
});

/** Parts of the language that this lotrc reads and does not carry out. */
const LATER_INITS = ['weightNorm'];
const FACTOR_FIELDS = ['name', 'share', 'init', 'mode', 'lrMultiplier', 'slice'];
const LATER = ['wrap', 'detachNorm', 'scaleBias'];

const extents: Check = (value) => {
  if (!isObject(value)) return { path: [], why: 'is not an object' };
  for (const [letter, of] of Object.entries(value)) {
    const fault = extent(of);
    if (fault) return { ...fault, path: [letter, ...fault.path] };
  }
  return null;
};

/** Whether a value has the fields of a description, each of its type; what they mean together is not looked at. */
export const specCheck: Check = object({
  method: text,
  delta: text,
  scale: number,
  scaling: oneOf('rank', 'sqrt-rank', 'none'),
  extents: optional(extents),
  factors: list(
    object({
      name: text,
      share: oneOf(...SHARES),
      init: initial,
      lrMultiplier: number,
      mode: oneOf(...MODES),
      slice: optional(oneOf(true)),
    }),
  ),
});

/** What is wrong with a description whose fields are of their types, or null. */
export function descriptionFault(spec: AdapterSpec): FieldFault | null {
  const wrong = (path: FieldFault['path'], why: string): FieldFault => ({ path, why });
  let operands: readonly (readonly string[])[];
  try {
    const term = deltaTerm(spec.delta);
    operands = term.operands;
    if (!spansResult(term)) return wrong(['delta'], LATER_DELTA);
  } catch (error) {
    return wrong(['delta'], (error as Error).message);
  }
  const { factors } = spec;
  if (operands.length !== factors.length) {
    const why = `its einsum ${spec.delta} has another number of operands than the ${factors.length} factors`;
    return wrong(['factors'], why);
  }
  const names = factors.map(({ name }) => name);
  const twice = names.findIndex((name, k) => names.indexOf(name) !== k);
  if (twice >= 0) return wrong(['factors', twice, 'name'], `factor "${names[twice]}" is in it twice`);
  const [inn, out] = [deltaTerm(spec.delta).in[0]!, deltaTerm(spec.delta).out[0]!];
  for (const letter of Object.keys(spec.extents ?? {})) {
    if (letter === inn || letter === out)
      return wrong(['extents', letter], `${letter} has the extent of the layer`);
    if (!operands.flat().includes(letter))
      return wrong(['extents', letter], `delta "${spec.delta}" has no letter ${letter}`);
  }
  const frozen = factors.findIndex(({ mode, init }) => mode === 'seeded' && isDecomposed(init));
  if (frozen >= 0)
    return wrong(['factors', frozen, 'mode'], 'singular vectors do not follow from a seed: use frozen');
  return null;
}

const isDecomposed = (init: unknown): boolean => isObject(init) && 'svd' in init;

const LATER_DELTA =
  'its result repeats values or splits an axis in parentheses, which this version of lotrc does not carry out';

/**
 * Reads an adapter description out of JSON. Fields that may be left out: scale (1), scaling (rank), and of a factor share
 * (site), mode (trainable), lrMultiplier (1). Throws LOTR3501 naming the field that is wrong, LOTR3502 for parts of the language
 * that this version does not carry out.
 */
export function readDescription(value: unknown, source: string): AdapterSpec {
  const refuse = (path: FieldFault['path'], why: string): never =>
    fail(badDescription({ source, field: pathText(path), why }));
  if (!isObject(value)) return refuse([], 'is not an object');
  const later = (field: string, held: unknown): never =>
    fail(notCarried({ source, method: String(value.method), field, value: JSON.stringify(held) }));
  for (const key of LATER)
    if (value[key] !== undefined && value[key] !== 'add' && value[key] !== false) later(key, value[key]);
  const factors = Array.isArray(value.factors) ? (value.factors as unknown[]) : [];
  for (const [k, factor] of factors.entries()) {
    const strange = isObject(factor)
      ? Object.keys(factor).find((key) => !FACTOR_FIELDS.includes(key))
      : undefined;
    if (strange !== undefined) refuse(['factors', k, strange], 'is not a field of a factor');
    const init = isObject(factor) ? factor.init : null;
    if (LATER_INITS.includes(init as string)) later(`factors[${k}].init`, init);
  }
  const whole = {
    method: value.method,
    delta: value.delta,
    scale: value.scale ?? 1,
    scaling: value.scaling ?? 'rank',
    ...(value.extents === undefined ? {} : { extents: value.extents }),
    factors: Array.isArray(value.factors) ? factors.map(withDefaults) : value.factors,
  };
  const stranger = Object.keys(value).find((key) => !(key in whole) && ![...LATER, 'extents'].includes(key));
  if (stranger !== undefined) refuse([stranger], 'is not a field of a description');
  const wrong = specCheck(whole);
  if (wrong) refuse(wrong.path, wrong.why);
  const spec = whole as AdapterSpec;
  const fault = descriptionFault(spec);
  if (fault?.why === LATER_DELTA) later('delta', spec.delta);
  if (fault) refuse(fault.path, fault.why);
  return spec;
}

function withDefaults(factor: unknown): unknown {
  if (!isObject(factor)) return factor;
  const { name, share = 'site', init, mode = 'trainable', lrMultiplier = 1, slice, ...others } = factor;
  const part = slice === undefined || slice === false ? {} : { slice };
  return { name, share, init, mode, lrMultiplier, ...part, ...others };
}
