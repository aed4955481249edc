import type { NameSource, Site, SiteUse } from '../../ir/adapter.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import type { Model, Value } from '../../ir/model.js';
import { readPlan } from '../adapters/plan.js';
import { type Candidate, findCandidates } from './candidates.js';
import { nameCandidates } from './module-path.js';
import { type Instead, whatInstead } from './no-linears.js';
import { type NotLinear, otherModules } from './not-linear.js';
import { type Tie, tieWeights } from './weight-identity.js';

/** A linear layer that cannot carry an adapter, with the reason. */
export interface RefusedSite {
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: NameSource;
  readonly candidate: Candidate;
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
  readonly candidates: readonly Candidate[];
  /** the segment dropped from the front of every module path, or '' */
  readonly wrapper: string;
  /** what the model has where it has no such layer; looked at only to say so */
  readonly instead: () => Instead;
  /** modules with weights that are no linear layers; likewise */
  readonly others: () => readonly NotLinear[];
}

/**
 * Finds every linear layer of the base (products that lotrc's own adapters added are not layers): which nodes multiply by a stored matrix, which of them hold the same weight, and what the
 * layers are called. Reads at most 64 elements of each weight that shares its shape with another; whole weights only
 * where those agree.
 */
export function findLinears(model: Model, options: { readonly tie?: Tie | undefined } = {}): Linears {
  const factors = factorNames(model);
  const candidates = findCandidates(model).filter((candidate) => !readsFactor(candidate, factors));
  const names = nameCandidates(model, candidates);
  const ordinals = new Map(candidates.map((candidate, index) => [candidate, index]));
  const ids = new Set<string>();
  const identify = (candidate: Candidate, path: string | null): string => {
    const base = path ?? ordinalName(candidate, ordinals.get(candidate)!);
    let id = base;
    for (let count = 2; ids.has(id); count++) id = `${base}:${count}`;
    ids.add(id);
    return id;
  };

  const sites: Site[] = [];
  const tiedByContent = new Set<Site>();
  const good = candidates.filter(({ problem }) => problem === null);
  for (const { members, byContent } of tieWeights(good, options.tie)) {
    const namings = members.map((member) => names.of.get(member)!);
    const naming = namings.find(({ path }) => path !== null) ?? namings[0]!;
    const first = members[0]!;
    const aliases = new Set(
      namings.flatMap(({ path }) => (path === null || path === naming.path ? [] : [path])),
    );
    const site: Site = {
      id: identify(first, naming.path),
      modulePath: naming.path,
      nameFrom: naming.from,
      aliases: [...aliases],
      in: first.in!,
      out: first.out!,
      dtype: first.stored!.dtype,
      uses: members.map(useOf),
    };
    sites.push(site);
    if (byContent) tiedByContent.add(site);
  }

  const refused: RefusedSite[] = [];
  for (const candidate of candidates) {
    if (!candidate.problem) continue;
    const { path, from } = names.of.get(candidate)!;
    const id = identify(candidate, path);
    refused.push({
      id,
      modulePath: path,
      nameFrom: from,
      candidate,
      weight: candidate.stored?.weight ?? candidate.operand,
      diagnostic: candidate.problem(id),
    });
  }
  const instead = (): Instead => whatInstead(model);
  return {
    sites,
    refused,
    tiedByContent,
    candidates,
    wrapper: names.wrapper,
    instead,
    others: () => otherModules(model),
  };
}

function useOf({ node, stored, layout }: Candidate): SiteUse {
  return { node, weight: stored!.weight, layout, via: stored!.via };
}

/** `linear3_32x64`: what a layer is called when nothing names it. The number counts all linear layers from 0. */
function ordinalName(candidate: Candidate, ordinal: number): string {
  const { in: inn, out } = candidate;
  return `linear${ordinal}${inn === null || out === null ? '' : `_${inn}x${out}`}`;
}

/** Tensors of the adapters that the model carries. */
function factorNames(model: Model): ReadonlySet<string> {
  const rows = readPlan(model)?.plans.flatMap(({ groups, sites }) => [...groups, ...sites]) ?? [];
  return new Set(rows.flatMap(({ factors }) => Object.values(factors)));
}

/** True for a product that an adapter added: its constant operand is a factor, or made of factors. */
function readsFactor({ operand }: Candidate, factors: ReadonlySet<string>): boolean {
  if (factors.size === 0) return false;
  const seen = new Set<Value>([operand]);
  for (const value of seen) {
    if (factors.has(value.name)) return true;
    for (const input of value.producer?.inputs ?? []) if (input) seen.add(input);
  }
  return false;
}
