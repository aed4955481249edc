import {
  type AdapterSpec,
  type FactorSpec,
  formFor,
  type Share,
  shapeOfFactor,
  splitProblem,
  wrapOf,
} from '../../adapter/description.js';
import { LOTR } from '../../adapter/methods/lotr.js';
import { factorNames, groupOf } from '../../adapter/plan-factors.js';
import type {
  GroupRow,
  Lowering,
  PlanRow,
  SavedPlan,
  ShareRule,
  SiteRow,
  SiteUseRow,
} from '../../adapter/saved-plan.js';
import { alreadyAdapted, noWrap } from '../../ir/codes/adapters.js';
import { badNumber, conflict, noMatch, rankTooLarge, smallLayers } from '../../ir/codes/sites.js';
import { constantData } from '../../ir/constants.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { Model, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { requireFit } from '../../options/check.js';
import { type GivenOf, pick } from '../../options/define.js';
import { FORM, SELECT } from '../../options/sets/adapters.js';
import { readPlan, withWeights } from '../plan/plan.js';
import { resultOf } from './candidates.js';
import { findLinears, type Linears } from './find.js';
import { groupBy } from './group-by.js';
import { groupSites } from './groups.js';
import { halfOf, refuseFedHalf } from './half-factors.js';
import { swapsMatrix } from './origins.js';
import { ALL_LINEAR, nearestPaths, parsePattern, pathParts, pathsSeen } from './patterns.js';
import { remarksOn } from './remarks.js';
import { type Chosen, chooseSites, type Selection } from './select.js';
import type { AdapterSite, Site } from './site.js';
import { digestIfThere, weightDigest } from './weight-digest.js';

/** Options whose values are those of the command line; others have checks of their own. */
const CHECKED = { ...pick(SELECT, 'seed', 'tie'), ...pick(FORM, 'carry', 'factorDType') };

/** What to adapt, and how. */
export interface SelectOptions extends Selection, GivenOf<typeof CHECKED> {
  readonly rank: number;
  /** default: LoTR. The scale of the adapter is `spec.scale`. */
  readonly spec?: AdapterSpec | undefined;
  /** ranks of single layers; the first pattern that matches counts */
  readonly rankPatterns?: readonly (readonly [string, number])[] | undefined;
  /** scales of single layers; layers of another scale make a plan, and groups, of their own */
  readonly scalePatterns?: readonly (readonly [string, number])[] | undefined;
  readonly share?: ShareRule | undefined;
  readonly lowering?: Lowering | 'function' | undefined;
  /** plan a model whose weights are not there; such a plan is for reading, adapters cannot be inserted by it */
  readonly withoutData?: boolean | undefined;
}

export interface SelectedSites {
  /** what goes into the model's metadata; one row per scale and form of the method, so mostly one */
  readonly plan: SavedPlan;
  readonly sites: readonly AdapterSite[];
  /** remarks and warnings */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Chooses layers, groups them and names their factors. Changes nothing in the model (names of factors are reserved).
 * Throws LotrcError: LOTR3302 when the model carries adapters already, LOTR30xx for options that match nothing,
 * contradict each other or do not fit, LOTR31xx when a target names only layers that cannot be adapted, LOTR1102 when
 * weights are missing.
 */
export function selectSites(model: Model, options: SelectOptions, known?: Linears): SelectedSites {
  if (readPlan(model)) fail(alreadyAdapted({ doing: 'select layers' }));
  const spec = options.spec ?? LOTR;
  requireFit(CHECKED, options);
  checkRank('--rank', options.rank);
  checkScale('--scale', spec.scale);
  const linears = known ?? findLinears(model, { tie: options.tie });
  const { chosen: matched, diagnostics } = chooseSites(linears, options);
  const ownRank = byPattern('--rank-pattern', options.rankPatterns, matched, linears, checkRank);
  const ownScale = byPattern('--scale-pattern', options.scalePatterns, matched, linears, checkScale);
  const rankOf = (site: Site) => ownRank(site) ?? options.rank;
  const scaleOf = (site: Site) => ownScale(site) ?? spec.scale;
  const { chosen, small } = withoutSmall(matched, options.rank, ownRank);
  const share = options.share ?? 'shape';
  const sites = groupSites(chosen, share, options.rank, rankOf);
  checkRanks(sites);
  checkWrap(spec, sites);

  const digestOf = digester(options.withoutData ?? false);
  const rows: PlanRow[] = [];
  const scales = new Map(chosen.map(({ site }) => [site.id, scaleOf(site)]));
  const placed: AdapterSite[] = [];
  const wideNames = new FactorNames(model, spec.method);
  const tallNames = new FactorNames(model, `${spec.method}/tall`);
  const half = options.factorDType === 'model' ? halfOf(sites.map(({ dtype }) => dtype)) : null;
  refuseFedHalf(half, options.carry ?? 'embedded');
  const isTall = (site: Site) => spec.tall !== undefined && site.in > site.out;
  for (const ofScale of groupBy(sites, (site) => `${scales.get(site.id)}/${isTall(site)}`).values()) {
    const form = formFor(spec, ofScale[0]!);
    const names = isTall(ofScale[0]!) ? tallNames : wideNames;
    const scale = scales.get(ofScale[0]!.id)!;
    const members =
      scale === spec.scale ? ofScale : ofScale.map((site) => ({ ...site, group: `${site.group}/s${scale}` }));
    placed.push(...members);
    rows.push({
      spec: { ...form, scale },
      share,
      carry: options.carry ?? 'embedded',
      lowering: options.lowering ?? 'fold',
      seed: options.seed ?? 0,
      ...(half ? { factorDType: half } : {}),
      groups: groupRows(form, members, names),
      sites: members.map((site) => siteRow(form, site, names, digestOf)),
    });
  }
  checkShared(rows);
  const remarks = [...diagnostics, ...small, ...remarksOn(rows, placed, chosen, linears)];
  return { plan: withWeights({ version: 1, plans: rows }, []), sites: placed, diagnostics: remarks };
}

function groupRows(spec: AdapterSpec, sites: readonly AdapterSite[], names: FactorNames): GroupRow[] {
  return [...groupBy(sites, ({ group }) => group)].map(([id, [first]]) => ({
    id,
    in: first!.in,
    out: first!.out,
    rank: first!.rank,
    factors: names.of(
      spec.factors.filter(({ share }) => share === 'group'),
      () => id,
    ),
  }));
}

function siteRow(
  spec: AdapterSpec,
  site: AdapterSite,
  names: FactorNames,
  digestOf: (weight: Value) => string,
): SiteRow {
  const { id, modulePath, nameFrom, aliases, group } = site;
  const uses = useRows(site, digestOf);
  const own = spec.factors.filter(({ share }) => share !== 'group');
  const factors = names.of(own, ({ share }) => (share === 'site' ? id : ownerOf(share, site, spec)));
  return { id, modulePath, nameFrom, aliases, group, factors, uses };
}

/** What a plan says of the nodes that read a layer's weight. */
export function useRows({ uses }: Site, digestOf: (weight: Value) => string): readonly SiteUseRow[] {
  return uses.map(({ node, weight, layout, via }): SiteUseRow => {
    const swaps = via.filter((step) => weightStep(step) === 'transpose' && swapsMatrix(step)).length;
    return {
      node: node.name,
      output: resultOf(node).outputs[0]!.name,
      op: node.opKey,
      weight: weight.name,
      digest: digestOf(weight),
      layout,
      transposed: swaps % 2 === 1,
    };
  });
}

/** What the layers that share a factor have in common, as a part of its tensor's name. Throws LOTR3007. */
function ownerOf(share: Share, { id, modulePath }: Site, { method }: AdapterSpec): string {
  if (share === 'model') return 'model';
  const [layer, type] = modulePath === null ? [null, null] : pathParts(modulePath);
  const key = share === 'layer' ? layer : type;
  if (key === null) {
    fail(
      conflict({
        options: `--method ${method}`,
        why: `it shares factors by ${share}, and the path of layer "${id}" ${modulePath === null ? 'is not known' : 'has no number'}`,
        hint: '--exclude the layer, or use a method without such factors',
      }),
    );
  }
  return `${share}/${key}`;
}

/** Names of factor tensors, `<prefix>/<group, site or what shares it>/<factor>`, made unique; one per factor and owner. */
class FactorNames {
  readonly #names = new Map<string, string>();

  constructor(
    readonly model: Model,
    readonly prefix: string,
  ) {}

  of(factors: readonly FactorSpec[], ownerOf: (factor: FactorSpec) => string): Record<string, string> {
    return Object.fromEntries(
      factors.map((factor) => {
        const owner = ownerOf(factor);
        const key = `${factor.share} ${owner} ${factor.name}`;
        const name =
          this.#names.get(key) ?? this.model.graph.names.freshValue(`${this.prefix}/${owner}/${factor.name}`);
        this.#names.set(key, name);
        return [factor.name, name];
      }),
    );
  }
}

/** Axes must split as the method says, and layers that share a factor need it in the same extents, unless they read its leading part. Throws LOTR3007. */
function checkShared(rows: readonly PlanRow[]): void {
  const first = new Map<string, { readonly shape: string; readonly site: string }>();
  for (const row of rows) {
    for (const site of row.sites) {
      const group = groupOf(row, site);
      const why = splitProblem(row.spec, group);
      if (why !== null)
        fail(
          conflict({
            options: `--method ${row.spec.method}`,
            why: `layer "${site.id}" is ${group.in}x${group.out}, and ${why}`,
            hint: 'choose layers with --target, or give the letters another extent in the method ("sqrt" fits every layer)',
          }),
        );
      for (const [k, name] of factorNames(row, site).entries()) {
        const { slice, share, name: factor } = row.spec.factors[k]!;
        const shape = shapeOfFactor(row.spec, k, group).join('x');
        const held = first.get(name) ?? { shape, site: site.id };
        first.set(name, held);
        if (slice || held.shape === shape) continue;
        fail(
          conflict({
            options: `--method ${row.spec.method}`,
            why: `factor ${factor} is shared by ${share}, and "${held.site}" needs it as ${held.shape}, "${site.id}" as ${shape}`,
            hint: 'choose layers of one shape and rank with --target, or give the factor "slice": true in the method',
          }),
        );
      }
    }
  }
}

/** Digests of weights, each read once. */
export function digester(withoutData: boolean): (weight: Value) => string {
  const digests = new Map<Value, string>();
  return (weight) => {
    const data = constantData(weight)!;
    const digest = digests.get(weight) ?? (withoutData ? digestIfThere(data) : weightDigest(data));
    digests.set(weight, digest);
    return digest;
  };
}

function checkRank(option: string, value: number): void {
  if (SELECT.rank.type.problem(value) !== null)
    fail(
      badNumber({
        option,
        value,
        wanted: SELECT.rank.type.wanted,
        hint: 'LoTR is useful from rank 8 on; its authors use ranks of 32 to 88',
      }),
    );
}

function checkScale(option: string, value: number): void {
  const inFloat32 = Math.fround(value);
  if (!Number.isFinite(inFloat32) || inFloat32 === 0)
    fail(
      badNumber({
        option,
        value,
        wanted: 'a finite number other than 0 (in float32)',
        hint: 'leave it out for the scale of the method; with --init fan-in a scale near the rank trains well',
      }),
    );
}

/** The value of the first pattern that matches a site. Throws LOTR3002 for patterns without a match. */
function byPattern(
  option: string,
  pairs: SelectOptions['rankPatterns'],
  chosen: readonly Chosen[],
  { wrapper }: Linears,
  check: (option: string, value: number) => void,
): (site: Site) => number | undefined {
  const seen = new Map<string, number>();
  const patterns = (pairs ?? []).map(([text, value]) => {
    check(`${option} ${text}`, value);
    const before = seen.get(text);
    if (before !== undefined && before !== value) {
      const why = `the pattern is given ${before} and ${value}`;
      fail(conflict({ options: `${option} ${JSON.stringify(text)}`, why, hint: 'keep one of the two' }));
    }
    seen.set(text, value);
    const pattern = parsePattern(text, option);
    const matches = (site: Site) =>
      pattern.kind === 'all-linear' || pathsSeen(site, wrapper).some((name) => pattern.matches(name));
    if (!chosen.some(({ site }) => matches(site))) {
      const near = nearestPaths(
        text,
        chosen.map(({ site }) => site),
      );
      fail(noMatch({ option, pattern: text, near, why: 'none of the chosen layers fits' }));
    }
    return { matches, value };
  });
  return (site) => patterns.find(({ matches }) => matches(site))?.value;
}

/**
 * The chosen sites without those that `all-linear` chose and that are smaller than the general rank; a remark names
 * them. A layer that a target or a rank pattern names stays, and so does everything where nothing else would be left:
 * then the rank is refused.
 */
function withoutSmall(
  chosen: readonly Chosen[],
  rank: number,
  ownRank: (site: Site) => number | undefined,
): { chosen: readonly Chosen[]; small: readonly Diagnostic[] } {
  const isSmall = ({ site, target }: Chosen) =>
    target === ALL_LINEAR && ownRank(site) === undefined && rank > Math.min(site.in, site.out);
  const kept = chosen.filter((each) => !isSmall(each));
  if (kept.length === chosen.length || kept.length === 0) return { chosen, small: [] };
  const layers = chosen.filter(isSmall).map(({ site }) => ({ layer: site.id, in: site.in, out: site.out }));
  return { chosen: kept, small: [smallLayers({ rank, layers })] };
}

/** Other wraps than `add` put a matrix in place of the weight, which only these operators have. */
function checkWrap(spec: AdapterSpec, sites: readonly AdapterSite[]): void {
  const wrap = wrapOf(spec);
  if (wrap === 'add') return;
  for (const { id, uses } of sites) {
    const other = uses.find(({ node }) => node.opKey !== 'MatMul' && node.opKey !== 'Gemm');
    if (other) fail(noWrap({ site: id, op: other.node.opKey, wrap }));
  }
}

function checkRanks(sites: readonly AdapterSite[]): void {
  const tooLarge = sites.filter((site) => site.rank > Math.min(site.in, site.out));
  const [first] = tooLarge;
  if (!first) return;
  fail(
    rankTooLarge({
      layer: first.id,
      in: first.in,
      out: first.out,
      rank: first.rank,
      more: tooLarge.length - 1,
    }),
  );
}
