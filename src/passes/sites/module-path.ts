import type { NameSource } from '../../ir/adapter.js';
import type { Model, Node } from '../../ir/model.js';
import { type Candidate, resultOf } from './candidates.js';
import { fromNodeName } from './names/node-name.js';
import { fromNameScopes, fromNamespace, fromOnnxscriptScopes } from './names/scopes.js';
import { fromBias, fromFoldedFrom, fromSharedWeight, fromWeight } from './names/tensors.js';

/** A candidate's module path and where it was found; null path: only the ordinal is known. */
export interface Naming {
  readonly path: string | null;
  readonly from: NameSource;
}

export interface Namings {
  readonly of: ReadonlyMap<Candidate, Naming>;
  /** the segment that was dropped from the front of every path, or '' */
  readonly wrapper: string;
}

type Source = (candidate: Candidate, all: ReadonlyMap<Node, Candidate>) => string | null;

/** In order of trust; see the design of site names (adapters, 3.3). */
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

/** Sources that name a parameter, and so can see a module that the scopes do not (a projection called as a function). */
const FINER: ReadonlySet<NameSource> = new Set(['folded_from', 'weight', 'bias']);

/** Module paths of all candidates. */
export function nameCandidates(model: Model, candidates: readonly Candidate[]): Namings {
  const byNode = new Map(candidates.map((candidate) => [resultOf(candidate.node), candidate]));
  const raw = new Map(candidates.map((candidate) => [candidate, nameOf(candidate, byNode)]));
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

function nameOf(candidate: Candidate, byNode: ReadonlyMap<Node, Candidate>): Naming {
  let found: Naming | null = null;
  for (const [from, source] of SOURCES) {
    if (found && !FINER.has(from)) continue;
    const path = source(candidate, byNode);
    if (path !== null && (!found || path.startsWith(`${found.path}.`))) found = { path, from };
  }
  return found ?? { path: null, from: 'ordinal' };
}

/**
 * Names that exporting scripts give to a model inside a wrapper module. Only these are dropped, since a real model may
 * have one child too (`decoder`, `network`), and its paths must stay what the training code calls them.
 */
const WRAPPERS: ReadonlySet<string> = new Set(['m', 'module', 'wrapped', 'wrapped_model', 'inner']);

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
