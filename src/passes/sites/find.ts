import type { NameSource } from '../../adapter/saved-plan.js';
import { tiedToRefused, unmergedLora } from '../../ir/codes/refused-sites.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import { isFloat } from '../../ir/dtype.js';
import { type Model, nodePath, type Value } from '../../ir/model.js';
import { readPlan } from '../plan/plan.js';
import { findCandidates, isStacked, type SiteCandidate } from './candidates.js';
import { nameCandidates } from './module-path.js';
import { type Instead, whatInstead } from './no-linears.js';
import { type NotLinear, otherModules } from './not-linear.js';
import type { Site, SiteUse } from './site.js';
import { findUnmergedLora, type UnmergedLora } from './unmerged-lora.js';
import { type Tie, tieWeights } from './weight-identity.js';

/** A linear layer that cannot carry an adapter, with the reason. */
export interface RefusedSite {
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: NameSource;
  readonly candidate: SiteCandidate;
  readonly weight: Value;
  readonly diagnostic: Diagnostic;
}

/** All linear layers of a model. */
export interface Linears {
  /** in the order of their first nodes */
  readonly sites: readonly Site[];
  readonly refused: readonly RefusedSite[];
  /** sites whose layers were tied because their weights are equal in content */
  readonly tiedByContent: ReadonlySet<Site>;
  /** every node that multiplies by a weight, adaptable or not */
  readonly candidates: readonly SiteCandidate[];
  /** LoRA adapters that were exported unmerged; their matrices are among the refused */
  readonly unmergedLora: number;
  /** the segment dropped from the front of every module path, or '' */
  readonly wrapper: string;
  /** what a model without linear layers has instead; computed only for the message */
  readonly instead: () => Instead;
  /** modules with weights that are not linear layers; likewise */
  readonly others: () => readonly NotLinear[];
}

/**
 * Finds every linear layer of the base (products that lotrc's own adapters added are not layers): which nodes multiply by a stored matrix, which of them hold the same weight, and what the
 * layers are called. Reads at most 64 elements of each weight that shares its shape with another; whole weights only
 * where those agree.
 */
export function findLinears(model: Model, options: { readonly tie?: Tie | undefined } = {}): Linears {
  const factors = adapterTensors(model);
  const products = findCandidates(model).filter((candidate) => !readsFactor(candidate, factors));
  const lora = findUnmergedLora(products);
  const candidates = withoutLora(products, lora);
  const names = nameCandidates(model, candidates);
  const ordinals = new Map(candidates.map((candidate, index) => [candidate, index]));
  const ids = new Set<string>();
  const identify = (candidate: SiteCandidate, path: string | null): string => {
    const base = path ?? ordinalName(candidate, ordinals.get(candidate)!);
    let id = base;
    for (let count = 2; ids.has(id); count++) id = `${base}:${count}`;
    ids.add(id);
    return id;
  };

  const sites: Site[] = [];
  const refusals: {
    readonly candidate: SiteCandidate;
    readonly problem: NonNullable<SiteCandidate['problem']>;
  }[] = [];
  const tiedByContent = new Set<Site>();
  const blocked = blockedTensors(candidates);
  for (const { members, byContent } of tieWeights(candidates.filter(isMatrix), options.tie)) {
    const blocker =
      members.find(({ problem }) => problem) ??
      members.flatMap(({ stored }) => blocked.get(stored!.weight) ?? [])[0];
    const good = members.filter(({ problem }) => !problem);
    const reported = members.filter(
      ({ problem, onlyIfTied }) => problem && !(onlyIfTied && good.length === 0),
    );
    refusals.push(...reported.map((candidate) => ({ candidate, problem: candidate.problem! })));
    if (good.length === 0) continue;
    if (blocker) {
      refusals.push(...good.map((candidate) => ({ candidate, problem: becauseOf(blocker, candidate) })));
      continue;
    }
    const namings = good.map((member) => names.of.get(member)!);
    const naming = namings.find(({ path }) => path !== null) ?? namings[0]!;
    const first = good[0]!;
    const paths = namings.flatMap(({ path }) => (path === null ? [] : [path, path.replace(PEFT_BASE, '')]));
    const aliases = new Set(paths.filter((path) => path !== naming.path));
    for (const { node } of good) {
      // every matrix of a stack also has the name of the stack
      if (isStacked(node) && naming.path) aliases.add(naming.path.replace(/\.\d+$/, ''));
    }
    const site: Site = {
      id: identify(first, naming.path),
      modulePath: naming.path,
      nameFrom: naming.from,
      aliases: [...aliases],
      in: first.in!,
      out: first.out!,
      dtype: first.stored!.dtype,
      uses: good.map(useOf),
    };
    sites.push(site);
    if (byContent) tiedByContent.add(site);
  }
  for (const candidate of candidates) {
    const { problem, onlyIfTied } = candidate;
    if (problem && !isMatrix(candidate) && !onlyIfTied) refusals.push({ candidate, problem });
  }
  refusals.sort((a, b) => ordinals.get(a.candidate)! - ordinals.get(b.candidate)!);

  const refused = refusals.map(({ candidate, problem }): RefusedSite => {
    const { path, from } = names.of.get(candidate)!;
    const id = identify(candidate, path);
    return {
      id,
      modulePath: path,
      nameFrom: from,
      candidate,
      weight: candidate.stored?.weight ?? candidate.operand,
      diagnostic: problem(id),
    };
  });
  const instead = (): Instead => whatInstead(model);
  return {
    sites,
    refused,
    tiedByContent,
    candidates,
    unmergedLora: lora.length,
    wrapper: names.wrapper,
    instead,
    others: () => otherModules(model),
  };
}

/** The matrices of LoRA adapters that were exported unmerged are not layers of the base. */
function withoutLora(
  candidates: readonly SiteCandidate[],
  lora: readonly UnmergedLora[],
): readonly SiteCandidate[] {
  if (lora.length === 0) return candidates;
  const base = new Map<SiteCandidate, SiteCandidate>();
  for (const pair of lora) base.set(pair.a, pair.base).set(pair.b, pair.base);
  return candidates.map((candidate) => {
    const of = base.get(candidate);
    if (!of) return candidate;
    const { node, input } = candidate;
    const at = { path: nodePath(node), op: node.op, input, base: of.node.label };
    return { ...candidate, problem: (layer: string) => unmergedLora({ ...at, layer }) };
  });
}

/** PEFT keeps the layer that it adapted inside its own: `q_proj` becomes `q_proj.base_layer`. */
const PEFT_BASE = /\.base_layer$/;

/** Whether a candidate multiplies by one stored matrix, whatever the reasons against an adapter. */
function isMatrix({ problem, stored, in: inn, out }: SiteCandidate): boolean {
  if (!problem) return true;
  const { shape = [], dtype = 'f32' } = stored?.data ?? {};
  return shape.length === 2 && !shape.includes(0) && isFloat(dtype) && inn !== null && out !== null;
}

/** The stored tensors that refused candidates read, whole or in part, each with the first of them. */
function blockedTensors(candidates: readonly SiteCandidate[]): ReadonlyMap<Value, SiteCandidate> {
  const found = new Map<Value, SiteCandidate>();
  for (const candidate of candidates) {
    const { problem, stored, partOf } = candidate;
    const weight = stored && isMatrix(candidate) ? stored.weight : partOf;
    if (problem && weight && !found.has(weight)) found.set(weight, candidate);
  }
  return found;
}

/** Why a layer is refused when another use of its weight is. */
function becauseOf(
  blocker: SiteCandidate,
  { node, input }: SiteCandidate,
): NonNullable<SiteCandidate['problem']> {
  const other = blocker.node.label;
  return (layer) =>
    tiedToRefused({
      layer,
      path: nodePath(node),
      op: node.op,
      input,
      other,
      because: blocker.problem!(other).message,
    });
}

function useOf({ node, stored, layout }: SiteCandidate): SiteUse {
  return { node, weight: stored!.weight, layout, via: stored!.via };
}

/** `linear3_32x64`: the name of a layer without a name of its own. The number counts all linear layers from 0. */
function ordinalName(candidate: SiteCandidate, ordinal: number): string {
  const { in: inn, out } = candidate;
  return `linear${ordinal}${inn === null || out === null ? '' : `_${inn}x${out}`}`;
}

/** Tensors of the adapters that the model carries. */
function adapterTensors(model: Model): ReadonlySet<string> {
  const rows = readPlan(model)?.plans.flatMap(({ groups, sites }) => [...groups, ...sites]) ?? [];
  return new Set(rows.flatMap(({ factors }) => Object.values(factors)));
}

/** True for a product that an adapter added: its constant operand is a factor, or made of factors. */
function readsFactor({ operand }: SiteCandidate, factors: ReadonlySet<string>): boolean {
  if (factors.size === 0) return false;
  const seen = new Set<Value>([operand]);
  for (const value of seen) {
    if (factors.has(value.name)) return true;
    for (const input of value.producer?.inputs ?? []) if (input) seen.add(input);
  }
  return false;
}
