import { derivativeBy } from '../../../adapter/derivative.js';
import type { FormSide } from '../../../adapter/kernel-form.js';
import { type Group, type GroupFactor, variesBySite } from '../model/layers.js';
import type { Launch } from '../model/types.js';
import type { Buffers } from './buffers.js';
import { einsumLaunch, type Target } from './launches.js';
import { ADAPTERS, type Lettered, SITES } from './lettered.js';
import { type NamedArray, type TermRequest, termLaunches } from './term-launches.js';

/** What is computed of the factors alone, and their gradients from sums over tokens: terms over all sites of a group. */

/** The launches that compute the computed sides of a group: L' = s M L of all sites in one. */
export function prologueOf(group: Group, buffers: Buffers, target: Target): readonly Launch[] {
  return SIDES.flatMap((which) =>
    sitesOf(group, which).flatMap((site) =>
      sideLaunches(group, which, site, buffers.computed(group.id, which, site), '', buffers, target),
    ),
  );
}

const SIDES = ['down', 'up'] as const;
type Which = (typeof SIDES)[number];

/**
 * The sites that launches of a side are made for: null is all of them at once, each factor shared or one per site. None
 * where the side is a factor.
 */
function sitesOf({ form, factors, sites }: Group, which: Which): readonly (string | null)[] {
  const side = form[which];
  if (side.bare !== null) return [];
  return side.operands.every((k) => ['site', 'group', 'model'].includes(factors[k]!.share)) ? [null] : sites;
}

/** The launches of one side for some sites, the last of which writes `out`; `into` says where that is. */
export function sideLaunches(
  group: Group,
  which: Which,
  site: string | null,
  out: Lettered,
  into: string,
  buffers: Buffers,
  target: Target,
): readonly Launch[] {
  const side = group.form[which];
  const operands = factorsOf(group, side, site, buffers);
  const scaled = which === 'up';
  return termLaunches(target, {
    ...common(group, buffers, `fold_${out.buffer}`, site, group.form[which]),
    ...(into === '' ? {} : { name: `fold_${out.buffer}`, where: into }),
    term: { operands: operands.map(({ value }) => value.letters), result: out.letters },
    operands,
    out,
    scale: scaled ? group.scale : 1,
    accumulate: false,
    makes: `${sideName(group, which)} = ${scaled ? 's ' : ''}`,
  });
}

const factorsOf = (
  group: Group,
  { operands }: FormSide,
  site: string | null,
  buffers: Buffers,
): readonly NamedArray[] =>
  operands.map((k) => ({ value: buffers.lettered(group.id, k, site), name: group.factors[k]!.name }));

/** What all launches of a side have. */
function common(
  group: Group,
  buffers: Buffers,
  name: string,
  site: string | null,
  side: FormSide,
): Pick<TermRequest, 'extent' | 'name' | 'where' | 'between'> {
  const extent = (letter: string) =>
    letter === SITES ? group.sites.length : letter === ADAPTERS ? buffers.adapters : group.extents[letter]!;
  const all = group.sites.length === 1 ? 'site' : 'sites';
  return {
    extent,
    name: site === null ? name : `${name}_${group.sites.indexOf(site)}`,
    where:
      site !== null ? `, ${site}` : variesBySite(side, group.factors) ? `, ${group.sites.length} ${all}` : '',
    between: (letters) => {
      const value = buffers.between(group.id, letters, extent);
      return { value, name: value.buffer, launch: `between_${value.buffer}` };
    },
  };
}

/**
 * The gradients of the factors that sides are computed of: dM = s Z L^T for all sites in one launch, and dL = s (stack of
 * M)^T (stack of Z). Frozen factors have no gradients. What several launches add to is zero before them.
 */
export function epilogueOf(groups: readonly Group[], buffers: Buffers, target: Target): readonly Launch[] {
  const wanted = groups.flatMap((group) =>
    SIDES.flatMap((which) =>
      group.form[which].bare === null
        ? group.form[which].operands.flatMap((k, at) =>
            group.factors[k]!.trainable
              ? sitesOf(group, which).map((site) => ({ group, which, at, k, site }))
              : [],
          )
        : [],
    ),
  );
  const writers = new Map<string, number>();
  const placeOf = ({ buffer, offset }: Lettered) => `${buffer} ${offset}`;
  const all = wanted.map((one) => ({ ...one, out: buffers.letteredGradient(one.group.id, one.k, one.site) }));
  for (const { out } of all) writers.set(placeOf(out), (writers.get(placeOf(out)) ?? 0) + 1);
  const names = new Map<string, number>();
  return all.flatMap(({ group, which, at, k, site, out }) => {
    const several = writers.get(placeOf(out))! > 1;
    const nth = (names.get(placeOf(out)) ?? 0) + 1;
    names.set(placeOf(out), nth);
    const side = group.form[which];
    const operands = factorsOf(group, side, site, buffers);
    const sums = buffers.computedSums(group.id, which, site);
    const term = { operands: operands.map(({ value }) => value.letters), result: sums.letters };
    const name = `gradient_${out.buffer}${several ? `_${groups.indexOf(group)}` : ''}`;
    const scaled = which === 'up';
    const factor = group.factors[k]!.name;
    return [
      ...(several && nth === 1 ? [cleared(target, out, group.factors[k]!)] : []),
      ...termLaunches(target, {
        ...common(group, buffers, name, site, side),
        term: derivativeBy(term, at),
        operands: [
          { value: sums, name: scaled ? 'Z' : `d${sideName(group, which)}` },
          ...operands.filter((_, other) => other !== at),
        ],
        out,
        scale: scaled ? group.scale : 1,
        accumulate: several,
        makes: `d${factor} ${several ? '+=' : '='} ${scaled ? 's ' : ''}`,
      }),
    ];
  });
}

/** Zero in all of a gradient: not every launch that adds to it writes all of it. */
function cleared(target: Target, { buffer, offset }: Lettered, { shape }: GroupFactor): Launch {
  const elements = shape.reduce((all, extent) => all * extent, 1);
  return einsumLaunch(target, {
    name: `clear_${buffer}_${offset}`,
    does: `${buffer} = 0`,
    extents: [elements],
    kept: 1,
    operands: [],
    scale: 1,
    accumulate: false,
    out: { buffer, dtype: 'f32', offset, strides: [1] },
  });
}

/** What a side is called: a factor, or the one of most axes with a mark: L' of M L. */
export function sideName({ form, factors }: Pick<Group, 'form' | 'factors'>, which: Which): string {
  const { bare, operands, term } = form[which];
  if (bare !== null) return factors[bare]!.name;
  const most = Math.max(...term.operands.map(({ length }) => length));
  const widest = operands.filter((_, k) => term.operands[k]!.length === most);
  return `${factors[widest.at(which === 'up' ? -1 : 0)!]!.name}'`;
}
