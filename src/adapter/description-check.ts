import { badDescription } from '../ir/codes/methods.js';
import { fail } from '../ir/diagnostics.js';
import { type AdapterSpec, EXTENT_WORDS, formFor, MODES, SHARES, WRAPS } from './description.js';
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
import { type DeltaTerm, deltaTerm } from './terms.js';

/** Initial forms with one number. */
export const INIT_NUMBERS = ['constant', 'normal', 'uniform', 'fanIn', 'kaimingUniform'] as const;

export const INIT_WORDS = ['zeros', 'ones', 'eye', 'orthogonal', 'weightNorm'] as const;

const initial = fits('an initialisation', (value) => {
  if (typeof value === 'string') return (INIT_WORDS as readonly string[]).includes(value);
  if (!isObject(value)) return false;
  if (value.over !== undefined && !('constant' in value && typeof value.over === 'string')) return false;
  if (INIT_NUMBERS.some((name) => Number.isFinite(value[name]))) return true;
  if (['in', 'out'].includes(value.qr as string)) return true;
  const power = value.power === undefined || Number.isFinite(value.power);
  return ['in', 'out', 'core'].includes(value.svd as string) && power;
});

/** Fields that may be left out, or say the usual thing. */
const OPTIONAL = ['extents', 'wrap', 'detachNorm', 'scaleBias', 'tall'];
const FACTOR_FIELDS = ['name', 'share', 'init', 'mode', 'lrMultiplier', 'slice'];

const letterExtent = fits(
  `a whole number from 1, or one of ${EXTENT_WORDS.join(', ')}`,
  (value) => (EXTENT_WORDS as readonly unknown[]).includes(value) || extent(value) === null,
);

const extents: Check = (value) => {
  if (!isObject(value)) return { path: [], why: 'is not an object' };
  for (const [letter, of] of Object.entries(value)) {
    const fault = letterExtent(of);
    if (fault) return { ...fault, path: [letter, ...fault.path] };
  }
  return null;
};

const factorList = list(
  object({
    name: text,
    share: oneOf(...SHARES),
    init: initial,
    lrMultiplier: number,
    mode: oneOf(...MODES),
    slice: optional(oneOf(true)),
  }),
);

/** Whether a value has the fields of a description, each of its type; what they mean together is not looked at. */
export const specCheck: Check = object({
  method: text,
  delta: text,
  scale: number,
  scaling: oneOf('rank', 'sqrt-rank', 'none'),
  extents: optional(extents),
  wrap: optional(oneOf(...WRAPS)),
  detachNorm: optional(oneOf(true)),
  scaleBias: optional(oneOf(true)),
  factors: factorList,
  tall: optional(object({ delta: text, factors: factorList })),
});

/** What is wrong with a description whose fields are of their types, or null. */
export function descriptionFault(spec: AdapterSpec): FieldFault | null {
  const fault = formFault(spec);
  if (fault || !spec.tall) return fault;
  const tall = formFault(formFor(spec, { in: 2, out: 1 }));
  if (tall) return { ...tall, path: ['tall', ...tall.path] };
  const names = ({ factors }: Pick<AdapterSpec, 'factors'>) => factors.map(({ name }) => name).sort();
  return names(spec).join() === names(spec.tall).join()
    ? null
    : wrong(['tall', 'factors'], 'its factors have other names than those for all other layers');
}

function formFault(spec: AdapterSpec): FieldFault | null {
  let term: DeltaTerm;
  try {
    term = deltaTerm(spec.delta);
  } catch (error) {
    return wrong(['delta'], (error as Error).message);
  }
  const { factors } = spec;
  const { operands } = term;
  const more = spec.wrap === 'column-norm' ? 1 : 0;
  if (operands.length + more !== factors.length) {
    const and = more > 0 ? `, and ${spec.wrap} reads one more,` : '';
    const why = `its einsum ${spec.delta} has another number of operands${and} than there are factors: ${factors.length}`;
    return wrong(['factors'], why);
  }
  const names = factors.map(({ name }) => name);
  const twice = names.findIndex((name, k) => names.indexOf(name) !== k);
  if (twice >= 0) return wrong(['factors', twice, 'name'], `factor "${names[twice]}" is in it twice`);
  const fault = extentsFault(spec, term) ?? wrapFault(spec, term);
  if (fault) return fault;
  const divided = factors.findIndex(
    ({ init }, k) => isObject(init) && 'over' in init && !(operands[k] ?? []).includes(init.over as string),
  );
  if (divided >= 0)
    return wrong(['factors', divided, 'init', 'over'], 'it is the letter of an axis of the factor');
  const frozen = factors.findIndex(({ mode, init }) => mode === 'seeded' && isDecomposed(init));
  if (frozen >= 0)
    return wrong(['factors', frozen, 'mode'], 'parts of a weight do not follow from a seed: use frozen');
  return null;
}

const isDecomposed = (init: unknown): boolean => isObject(init) && ('svd' in init || 'qr' in init);

const wrong = (path: FieldFault['path'], why: string): FieldFault => ({ path, why });

/** What is wrong with the extents of letters, or null: each axis of the result must follow from those of the layer. */
function extentsFault({ delta, extents = {} }: AdapterSpec, term: DeltaTerm): FieldFault | null {
  const held = new Set([...term.operands.flat(), ...term.result]);
  const isSplit = (letter: string) =>
    [term.in, term.out].some((axis) => axis.length > 1 && axis.includes(letter));
  for (const [letter, extent] of Object.entries(extents)) {
    const at = ['extents', letter];
    if (!held.has(letter)) return wrong(at, `delta "${delta}" has no letter ${letter}`);
    if (term.result.includes(letter) && !isSplit(letter))
      return wrong(at, `${letter} has the extent of the layer`);
    if (extent === 'sqrt' && !isSplit(letter))
      return wrong(at, 'sqrt is for the letters of an axis that is split in parentheses');
    if (extent === 'cover' && isSplit(letter))
      return wrong(at, 'cover is for letters that are not in the result');
  }
  for (const axis of [term.in, term.out].filter(({ length }) => length > 1)) {
    const open = axis.filter((letter) => !Object.hasOwn(extents, letter));
    if (open.length > 1)
      return wrong(['extents'], `of the letters of (${axis.join('')}) only one may be without an extent`);
    const absent = axis.filter((letter) => !term.operands.flat().includes(letter));
    if (absent.length > 1)
      return wrong(['delta'], `of the letters of (${axis.join('')}) only one may be in no factor`);
  }
  return null;
}

/** What is wrong with what a wrap has besides the einsum, or null. */
function wrapFault({ wrap, detachNorm, scaleBias, factors, delta }: AdapterSpec, term: DeltaTerm) {
  if (detachNorm && wrap !== 'column-norm') return wrong(['detachNorm'], 'only column-norm has a norm');
  const columns = term.out.length === 1 && term.operands.flat().every((letter) => letter === term.out[0]);
  if (scaleBias && !(wrap === 'hadamard' && columns))
    return wrong(
      ['scaleBias'],
      `it goes with hadamard and a delta over the outputs alone, not with ${delta}`,
    );
  for (const [k, { init, slice, mode }] of factors.entries()) {
    const own = k === term.operands.length;
    if (own !== (init === 'weightNorm'))
      return wrong(
        ['factors', k, 'init'],
        own
          ? 'the factor that column-norm reads starts as weightNorm'
          : 'weightNorm is for the factor that column-norm reads',
      );
    if (own && (slice || mode === 'seeded'))
      return wrong(
        ['factors', k],
        'norms belong to the weights of layers: it has no leading parts and no seed',
      );
  }
  return null;
}

/**
 * Reads an adapter description out of JSON. Fields that may be left out: scale (1), scaling (rank), and of a factor share
 * (site), mode (trainable), lrMultiplier (1). Throws LOTR3501 naming the field that is wrong.
 */
export function readDescription(value: unknown, source: string): AdapterSpec {
  const refuse = (path: FieldFault['path'], why: string): never =>
    fail(badDescription({ source, field: pathText(path), why }));
  if (!isObject(value)) return refuse([], 'is not an object');
  const factors = Array.isArray(value.factors) ? (value.factors as unknown[]) : [];
  const { tall } = value;
  const others = isObject(tall) && Array.isArray(tall.factors) ? (tall.factors as unknown[]) : [];
  for (const [at, list] of [
    [[], factors],
    [['tall'], others],
  ] as const) {
    for (const [k, factor] of list.entries()) {
      const strange = isObject(factor)
        ? Object.keys(factor).find((key) => !FACTOR_FIELDS.includes(key))
        : undefined;
      if (strange !== undefined) refuse([...at, 'factors', k, strange], 'is not a field of a factor');
    }
  }
  const flagged = (key: string) =>
    value[key] === undefined || value[key] === false ? {} : { [key]: value[key] };
  const whole = {
    method: value.method,
    delta: value.delta,
    scale: value.scale ?? 1,
    scaling: value.scaling ?? 'rank',
    ...(value.extents === undefined ? {} : { extents: value.extents }),
    ...(value.wrap === undefined || value.wrap === 'add' ? {} : { wrap: value.wrap }),
    ...flagged('detachNorm'),
    ...flagged('scaleBias'),
    factors: Array.isArray(value.factors) ? factors.map(withDefaults) : value.factors,
    ...(tall === undefined
      ? {}
      : { tall: isObject(tall) ? { ...tall, factors: others.map(withDefaults) } : tall }),
  };
  const stranger = Object.keys(value).find((key) => !(key in whole) && !OPTIONAL.includes(key));
  if (stranger !== undefined) refuse([stranger], 'is not a field of a description');
  const unfit = specCheck(whole);
  if (unfit) refuse(unfit.path, unfit.why);
  const spec = whole as AdapterSpec;
  const fault = descriptionFault(spec);
  if (fault) refuse(fault.path, fault.why);
  return spec;
}

function withDefaults(factor: unknown): unknown {
  if (!isObject(factor)) return factor;
  const { name, share = 'site', init, mode = 'trainable', lrMultiplier = 1, slice, ...others } = factor;
  const part = slice === undefined || slice === false ? {} : { slice };
  return { name, share, init, mode, lrMultiplier, ...part, ...others };
}
