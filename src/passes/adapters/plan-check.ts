import type { PlanRow, WeightRow } from '../../adapter/saved-plan.js';
import { operandsOf } from '../../adapter/terms.js';

/** Returns what is wrong with a value, or null. */
type Check = (value: unknown) => string | null;
type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fits(what: string, test: (value: unknown) => boolean): Check {
  return (value) => (test(value) ? null : `is not ${what}`);
}

function oneOf(...words: readonly unknown[]): Check {
  return fits(`one of ${words.join(', ')}`, (value) => words.includes(value));
}

function object(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields);
  return (value) => {
    if (!isObject(value)) return 'is not an object';
    for (const [key, check] of checks) {
      const why = check(Object.hasOwn(value, key) ? value[key] : undefined);
      if (why !== null) return why.startsWith('is ') ? `has a ${key} that ${why}` : why;
    }
    return null;
  };
}

function list(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return 'is not a list';
    for (const item of value) {
      const why = check(item);
      if (why !== null) return why.startsWith('is ') ? `is a list with an entry that ${why}` : why;
    }
    return null;
  };
}

const text = fits('text', (value) => typeof value === 'string');
const number = fits('a finite number', Number.isFinite);
const whole = fits('a whole number', Number.isSafeInteger);
const extent = fits('a whole number from 1', (value) => Number.isSafeInteger(value) && (value as number) > 0);
const flag = fits('true or false', (value) => typeof value === 'boolean');
const texts = fits(
  'a list of names',
  (value) => isObject(value) && Object.values(value).every((name) => typeof name === 'string'),
);
const nullable =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? null : check(value);

const initial = fits(
  'an initialisation',
  (value) =>
    value === 'zeros' ||
    value === 'eye' ||
    (isObject(value) &&
      (Number.isFinite(value.normal) ||
        Number.isFinite(value.fanIn) ||
        ['in', 'out', 'core'].includes(value.svd as string))),
);

const spec = object({
  method: text,
  delta: fits(
    'an einsum ending in "->io"',
    (value) => typeof value === 'string' && /^[A-Za-z]+(,[A-Za-z]+)*->io$/.test(value),
  ),
  scale: number,
  scaling: oneOf('rank', 'sqrt-rank', 'none'),
  factors: list(
    object({
      name: text,
      share: oneOf('site', 'group'),
      init: initial,
      lrMultiplier: number,
      mode: oneOf('trainable', 'frozen'),
    }),
  ),
});

const use = object({
  node: text,
  output: text,
  op: text,
  weight: text,
  digest: text,
  layout: oneOf('io', 'oi'),
  transposed: flag,
});

const row = object({
  spec,
  share: text,
  carry: oneOf('embedded', 'inputs', 'optional'),
  lowering: oneOf('fold', 'token', 'dense', 'function'),
  seed: whole,
  residual: optional(flag),
  factorDType: optional(oneOf('f16', 'bf16')),
  groups: list(object({ id: text, in: extent, out: extent, rank: extent, factors: texts })),
  sites: list(
    object({
      id: text,
      modulePath: nullable(text),
      nameFrom: text,
      aliases: list(text),
      group: text,
      factors: texts,
      uses: fits('a list', Array.isArray),
    }),
  ),
});

const weight = object({
  name: text,
  shape: list(whole),
  places: list(object({ tensor: text, digest: text, transposed: flag })),
});

/** What is wrong with a row of a plan's trained weights, or null. */
export function faultOfWeight(value: unknown): string | null {
  const why = weight(value);
  if (why !== null) return `a trained weight ${why}`;
  const { name, places } = value as WeightRow;
  if (places[0]?.tensor !== name || places[0].transposed)
    return `trained weight "${name}" has no place of its own`;
  return null;
}

/**
 * What stands twice in the rows of a plan, or null: a group of a row, a layer, a node of a layer (found by its output), or
 * a factor of the method. Passes take each of them once.
 */
export function faultOfRepeats(rows: readonly PlanRow[]): string | null {
  const [sites, outputs] = [new Set<string>(), new Set<string>()];
  for (const { spec: method, groups, sites: own } of rows) {
    const group = repeated(groups.map(({ id }) => id));
    if (group !== null) return `group "${group}" is in it twice`;
    const factor = repeated(method.factors.map(({ name }) => name));
    if (factor !== null) return `factor "${factor}" is in it twice`;
    for (const { id, uses } of own) {
      if (sites.has(id)) return `site "${id}" is in it twice`;
      sites.add(id);
      for (const { output } of uses) {
        if (outputs.has(output)) return `the layer that delivers "${output}" is in it twice`;
        outputs.add(output);
      }
    }
  }
  return null;
}

function repeated(names: readonly string[]): string | null {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return null;
}

/**
 * What is wrong with a row of a saved plan, which came out of JSON that anyone may have written, or null: later passes
 * rely on every type in it. References from sites to groups are not looked at.
 */
export function faultOfRow(value: unknown): string | null {
  const why = row(value);
  if (why !== null) return `a plan ${why}`;
  const { spec: adapter, sites } = value as {
    spec: { delta: string; factors: readonly unknown[] };
    sites: readonly { id: string; uses: readonly unknown[] }[];
  };
  if (operandsOf(adapter).length !== adapter.factors.length) {
    return `its einsum ${adapter.delta} has another number of operands than the ${adapter.factors.length} factors`;
  }
  for (const { id, uses } of sites) {
    if (uses.length === 0) return `site "${id}" has no use`;
    const fault = list(use)(uses);
    if (fault !== null) return `site "${id}" is incomplete: its uses: ${fault}`;
  }
  return null;
}
