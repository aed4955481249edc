import { notLinear } from '../../ir/codes/refused-sites.js';
import {
  allExcluded,
  conflict,
  headsLeftOut,
  noLinears,
  noMatch,
  partlyRefused,
} from '../../ir/codes/sites.js';
import { type Diagnostic, fail, LotrcError, type Note } from '../../ir/diagnostics.js';
import { isConvolution, isStacked } from './candidates.js';
import type { Linears, RefusedSite } from './find.js';
import { headSites } from './heads.js';
import {
  ALL_LINEAR,
  layerNumber,
  type Named,
  nearestPaths,
  type Pattern,
  parseLayers,
  parsePattern,
  pathsSeen,
} from './patterns.js';
import type { Site } from './site.js';

/** Which layers to adapt. Patterns: see patterns.ts. */
export interface Selection {
  /** default: `all-linear`, every layer but the output heads, convolutions and stacked experts */
  readonly targets?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** `0-5,8`: numbers of the first numbered segment of the path */
  readonly layers?: string | undefined;
}

/** A chosen site and the first target that chose it. */
export interface Chosen {
  readonly site: Site;
  readonly target: string;
}

export interface Selected {
  readonly chosen: readonly Chosen[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Chooses sites, in their order in the model. Throws LOTR3001 when there are none to choose from, LOTR3002 when a target, an
 * exclude pattern or the layer range matches nothing, LOTR3003 when nothing is left, LOTR3004 and LOTR3007 for options that cannot
 * be read or contradict each other, and the reasons of the refused layers when a target matches only those.
 */
export function chooseSites(linears: Linears, selection: Selection): Selected {
  const { sites, refused, wrapper } = linears;
  if (sites.length === 0) fail(noLinears({ refused: refused.map(noteOf), ...linears.instead() }));
  const matches = (pattern: Pattern, site: Named) =>
    pathsSeen(site, wrapper).some((name) => pattern.matches(name));

  const targets = readTargets(selection.targets ?? [ALL_LINEAR]);
  const all = targets.some(({ kind }) => kind === 'all-linear');
  const heads: ReadonlySet<Site> = all ? headsOf(linears) : new Set();
  const byTarget = new Map<Site, string>();
  const blocked = new Set<RefusedSite>();
  for (const target of targets) {
    const hits = sites.filter((site) =>
      target.kind === 'all-linear'
        ? !heads.has(site) && !isFilter(site) && !isExpert(site)
        : matches(target, site),
    );
    const misses = refused.filter((site) => matches(target, site));
    if (hits.length === 0) failUnmatched(target, misses, linears);
    for (const site of misses) blocked.add(site);
    for (const site of hits) if (!byTarget.has(site)) byTarget.set(site, target.text);
  }

  const away: string[] = [];
  const excludes = (selection.exclude ?? []).map((text) => readExclude(text, linears, matches));
  const isExcluded = (site: Named) => excludes.some((pattern) => matches(pattern, site));
  if (excludes.length > 0) away.push('--exclude');
  const inLayers = layerTest(selection.layers, sites);
  if (selection.layers !== undefined) away.push('--layers');
  for (const site of byTarget.keys()) {
    if (linears.tiedByContent.has(site))
      refuseSplit(site, (each) => !isExcluded(each) && inLayers(each), away);
  }
  const chosen = sites
    .filter((site) => byTarget.has(site) && !isExcluded(site) && inLayers(site))
    .map((site) => ({ site, target: byTarget.get(site)! }));
  if (chosen.length === 0) fail(allExcluded({ matched: byTarget.size, by: away }));
  const diagnostics: Diagnostic[] = [];
  const named = [...heads].filter((site) => !isExcluded(site) && inLayers(site));
  if (named.length > 0) diagnostics.push(headsLeftOut({ heads: named.map(({ id }) => id) }));
  const left = [...blocked].filter((site) => !isExcluded(site) && inLayers(site));
  if (left.length > 0) diagnostics.push(partlyRefused({ refused: left.map(noteOf) }));
  return { chosen, diagnostics };
}

/**
 * Throws LOTR3007 when --layers or --exclude takes some of the layers of a site and leaves others: their weights are
 * stored apart and equal, and whether they are one parameter or copies only the user knows.
 */
function refuseSplit(site: Site, takes: (each: Named) => boolean, by: readonly string[]): void {
  const names = [site.modulePath ?? site.id, ...site.aliases];
  const taken = names.filter((name) => takes({ id: name, modulePath: name }));
  const left = names.filter((name) => !taken.includes(name));
  if (taken.length === 0 || left.length === 0) return;
  fail(
    conflict({
      options: by.join(' and '),
      why: `layer "${taken[0]}" is taken and layer "${left[0]}" is not, but their weights are equal and so they count as one layer`,
      hint: '--tie initializer if the weights are copies that may differ after training; otherwise take both or neither',
    }),
  );
}

function readTargets(texts: readonly string[]): readonly Pattern[] {
  const targets = [...new Set(texts)].map((text) => parsePattern(text, '--target'));
  if (targets.length === 0) targets.push(parsePattern(ALL_LINEAR, '--target'));
  if (targets.length > 1 && targets.some(({ kind }) => kind === 'all-linear')) {
    fail(
      conflict({
        options: '--target all-linear with other targets',
        why: 'all-linear already takes every layer but the output heads',
        hint: "name the heads alone, or use --target '.*' for every layer",
      }),
    );
  }
  return targets;
}

function readExclude(
  text: string,
  linears: Linears,
  matches: (pattern: Pattern, site: Named) => boolean,
): Pattern {
  const pattern = parsePattern(text, '--exclude');
  if (pattern.kind === 'all-linear') {
    fail(
      conflict({
        options: '--exclude all-linear',
        why: 'it would leave only the output heads',
        hint: 'name the heads with --target',
      }),
    );
  }
  const all: readonly Named[] = [...linears.sites, ...linears.refused];
  if (!all.some((site) => matches(pattern, site))) {
    fail(noMatch({ option: '--exclude', pattern: text, near: nearestPaths(text, all) }));
  }
  return pattern;
}

function failUnmatched(target: Pattern, misses: readonly RefusedSite[], linears: Linears): never {
  const { sites, refused, wrapper } = linears;
  if (misses.length > 0) throw new LotrcError(misses.slice(0, 10).map(({ diagnostic }) => diagnostic));
  if (target.kind === 'all-linear') {
    const near = sites.map(({ id }) => id).slice(0, 3);
    const count = refused.length;
    const slides = sites.filter(isFilter).length;
    const others = `${slides} convolution${slides === 1 ? '' : 's'}`;
    const why =
      slides === sites.length
        ? `the model has no linear layers but ${others}, which must be named to be adapted`
        : slides > 0
          ? `the linear layers that can be adapted are output heads, which must be named, and so must the ${others}`
          : count === 0
            ? 'every linear layer is an output head, which must be named to be adapted'
            : `${count} linear layer${count === 1 ? '' : 's'} cannot carry an adapter, and the others are output heads, which must be named`;
    return fail(noMatch({ option: '--target', pattern: target.text, near, why, notes: refused.map(noteOf) }));
  }
  const other = linears
    .others()
    .find((site) => pathsSeen(site, wrapper).some((name) => target.matches(name)));
  if (other) fail(notLinear({ ...other, layer: other.modulePath ?? other.id }));
  return fail(noMatch({ option: '--target', pattern: target.text, near: nearestPaths(target.text, sites) }));
}

function headsOf({ sites, candidates }: Linears): ReadonlySet<Site> {
  return headSites(
    sites,
    candidates.map(({ node }) => node),
  );
}

/** Whether some node of a site is a convolution, which `all-linear` leaves out. */
function isFilter({ uses }: Site): boolean {
  return uses.some(({ node }) => isConvolution(node));
}

/** Whether a site is a matrix of a stack, which `all-linear` leaves out. */
function isExpert({ uses }: Site): boolean {
  return uses.every(({ node }) => isStacked(node));
}

/** Throws LOTR3002 when a number or an end of a range is not that of any layer of the model. */
function layerTest(text: string | undefined, sites: readonly Site[]): (site: Named) => boolean {
  if (text === undefined) return () => true;
  const ranges = parseLayers(text);
  const numbersOf = ({ id, modulePath, aliases }: Named) =>
    [modulePath ?? id, ...(aliases ?? [])].flatMap((path) => layerNumber(path) ?? []);
  const numbers = sites.flatMap(numbersOf);
  const unmatched = (pattern: string, why: string) =>
    fail(noMatch({ option: '--layers', pattern, near: [], why }));
  if (numbers.length === 0) unmatched(text, 'no module path has a numbered segment');
  const first = numbers.reduce((a, b) => Math.min(a, b));
  const last = numbers.reduce((a, b) => Math.max(a, b));
  for (const [low, high] of ranges) {
    const outside = low < first ? [low, Math.min(high, first - 1)] : [Math.max(low, last + 1), high];
    if (outside[0]! > outside[1]!) continue;
    const pattern = outside[0] === outside[1] ? `${outside[0]}` : outside.join('-');
    unmatched(pattern, `the layers are numbered ${first} to ${last}`);
  }
  const inRange = (layer: number) => ranges.some(([low, high]) => low <= layer && layer <= high);
  const test = (site: Named) => numbersOf(site).some(inRange);
  if (!sites.some(test)) unmatched(text, `the layers are numbered ${first} to ${last}, with gaps`);
  return test;
}

function noteOf({ diagnostic }: RefusedSite): Note {
  return {
    message: `${diagnostic.code}: ${diagnostic.message}`,
    ...(diagnostic.at ? { at: diagnostic.at } : {}),
  };
}
