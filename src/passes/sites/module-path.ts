import type { NameSource } from '../../adapter/saved-plan.js';
import type { Model, Node } from '../../ir/model.js';
import { resultOf, type SiteCandidate } from './candidates.js';
import { fromNodeName } from './names/node-name.js';
import { fromNameScopes, fromNamespace, fromOnnxscriptScopes } from './names/scopes.js';
import { fromBias, fromFoldedFrom, fromSharedWeight, fromWeight } from './names/tensors.js';

/** A candidate's module path and where it was found; null path: only the ordinal is known. */
interface Naming {
  readonly path: string | null;
  readonly from: NameSource;
}

export interface Namings {
  readonly of: ReadonlyMap<SiteCandidate, Naming>;
  /** the segment that was dropped from the front of every path, or '' */
  readonly wrapper: string;
}

type Source = (candidate: SiteCandidate, all: ReadonlyMap<Node, SiteCandidate>) => string | null;

/** In order of preference: first metadata that the exporter wrote about modules, then parameters, then names of nodes. */
const SOURCES: readonly (readonly [NameSource, Source])[] = [
  ['name_scopes', ({ node }) => fromNameScopes(node)],
  ['onnxscript_scopes', ({ node }) => fromOnnxscriptScopes(node)],
  ['namespace', ({ node }) => fromNamespace(node)],
  ['folded_from', fromFoldedFrom],
  ['weight', fromWeight],
  ['bias', fromBias],
  ['node', ({ node }) => fromNodeName(node.name)],
  ['weight', fromSharedWeight],
];

const FROM_PARAMETER: ReadonlySet<NameSource> = new Set(['folded_from', 'weight', 'bias']);

/**
 * Sources that can see a module inside the one found before. A parameter's name sees a projection that is called as a
 * function, which no scope shows. A node's scope sees the module whose result a bias of the module around it is added
 * to: `decoder(x) + self.bias`.
 */
const FINER: ReadonlySet<NameSource> = new Set([...FROM_PARAMETER, 'node']);

/** Names that exporters and optimisers make up for nodes and values: they are not module paths. */
const MADE_UP = /^(?:node_\w+|(?:MatMul|Gemm|Einsum|Conv|Linear|val)(?:_?\d+)?)$/;

/** Module paths of all candidates. */
export function nameCandidates(model: Model, candidates: readonly SiteCandidate[]): Namings {
  const byNode = new Map(candidates.map((candidate) => [resultOf(candidate.node), candidate]));
  const raw = new Map(candidates.map((candidate) => [candidate, nameOf(candidate, byNode)]));
  completeScopes(raw);
  const paths = [...raw.values()].flatMap(({ path }) => (path === null ? [] : [path]));
  const wrapper = wrapperOf(paths, parameterNames(model));
  if (wrapper === '') return { of: raw, wrapper };
  const cut = (path: string) => (path.startsWith(`${wrapper}.`) ? path.slice(wrapper.length + 1) : path);
  return {
    of: new Map(
      [...raw].map(([key, { path, from }]) => [key, { path: path === null ? null : cut(path), from }]),
    ),
    wrapper,
  };
}

function nameOf(candidate: SiteCandidate, byNode: ReadonlyMap<Node, SiteCandidate>): Naming {
  let found: Naming | null = null;
  for (const [from, source] of SOURCES) {
    if (found && !FINER.has(from)) continue;
    const path = source(candidate, byNode);
    if (path === null || path.split('.').some((part) => MADE_UP.test(part))) continue;
    if (!found || path.startsWith(`${found.path}.`)) found = { path, from };
  }
  return found ?? { path: null, from: 'ordinal' };
}

/**
 * Puts modules that are not called themselves into paths that come from node scopes. OPTForCausalLM runs
 * `self.model.decoder(...)`: the scopes say `decoder.layers.0.fc1` where the parameters say `model.decoder.layers.0.fc1`.
 * Layers that have both show what is missing before which segment; layers that have only a scope get the same, where
 * all that have both agree.
 */
function completeScopes(namings: Map<SiteCandidate, Naming>): void {
  const heads = new Map<string, string | null>(); // `decoder` to `model.decoder`; null: they disagree
  for (const [{ node }, { path, from }] of namings) {
    const scope = FROM_PARAMETER.has(from) ? fromNodeName(node.name) : null;
    if (scope === null || path === null) continue;
    for (const [short, long] of headsOf(scope.split('.'), path.split('.'))) {
      const held = heads.get(short);
      heads.set(short, held === undefined || held === long ? long : null);
    }
  }
  for (const [candidate, { path, from }] of namings) {
    if (path === null || from !== 'node') continue;
    const parts = path.split('.');
    for (let length = parts.length - 1; length > 0; length--) {
      const long = heads.get(parts.slice(0, length).join('.'));
      if (!long) continue;
      namings.set(candidate, { path: [long, ...parts.slice(length)].join('.'), from });
      break;
    }
  }
}

/**
 * How each beginning of a scope that reaches into the end shared with the path is written in the path; nothing when
 * the path is not the scope with segments put in.
 */
function* headsOf(scope: readonly string[], path: readonly string[]): Iterable<readonly [string, string]> {
  let shared = 0;
  while (shared < scope.length && scope.at(-1 - shared) === path.at(-1 - shared)) shared++;
  const before = scope.length - shared;
  if (shared === 0 || scope.slice(0, before).some((part, index) => part !== path[index])) return;
  for (let length = before + 1; length < scope.length; length++) {
    yield [scope.slice(0, length).join('.'), path.slice(0, path.length - scope.length + length).join('.')];
  }
}

/**
 * Names that exporting scripts give to a model inside a wrapper module. Only these are dropped, since a real model may
 * have one child too (`decoder`, `network`), and its paths must stay what the training code calls them.
 */
export const WRAPPERS: ReadonlySet<string> = new Set(['m', 'module', 'wrapped', 'wrapped_model', 'inner']);

/** The wrapper segment: in front of every module path and every parameter, and not a list. */
function wrapperOf(paths: readonly string[], parameters: readonly string[]): string {
  const [first = ''] = paths[0]?.split('.') ?? [];
  if (!WRAPPERS.has(first)) return '';
  const inside = (name: string) => name.startsWith(`${first}.`) && !/^\d/.test(name.slice(first.length + 1));
  return paths.every(inside) && parameters.every(inside) ? first : '';
}

function parameterNames(model: Model): string[] {
  return [...model.graph.initializers.keys()].filter((name) => /^[^/:]+\.(weight|bias)$/.test(name));
}
