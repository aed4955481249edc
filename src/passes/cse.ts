import { attrGraphs, type HeldAttr } from '../ir/attr.js';
import { canTakeName, type Graph, type Model, type Node } from '../ir/model.js';
import { definitionOf } from '../ir/ops/index.js';
import { topologicalOrder } from '../ir/topo.js';
import { word } from '../options/types.js';
import { definePass } from './pipeline.js';

/**
 * Common subexpressions: of two nodes with the same operator, inputs and attributes the second is removed, and its readers
 * read the first. Legal because both are pure by the registry (no random or unknown operator, no subgraphs) and are in
 * the same graph. A public output name is kept: when the second node delivers one, the first takes the name over if it
 * may, else the pair stays. Optional outputs that only the second delivers keep it too.
 */
export function eliminateCommon(model: Model, scope: 'all' | 'new' = 'all'): number {
  let removed = 0;
  const ids = new Map<object, number>();
  for (const graph of model.everyGraph()) removed += eliminateIn(graph, scope, ids);
  return removed;
}

function eliminateIn(graph: Graph, scope: 'all' | 'new', ids: Map<object, number>): number {
  const known = new Map<string, Node>();
  let removed = 0;
  for (const node of topologicalOrder(graph)) {
    if (scope === 'new' && node.origin.pass === undefined) continue;
    const key = keyOf(node, ids);
    if (key === null) continue;
    const first = known.get(key);
    if (!first) known.set(key, node);
    else if (mergeInto(graph, first, node)) removed++;
  }
  return removed;
}

/** Equal keys, equal results. Null for nodes that must not be merged. */
function keyOf(node: Node, ids: Map<object, number>): string | null {
  const def = definitionOf(node);
  if (!def?.traits?.includes('pure') || node.inputs.length === 0) return null;
  const attrs: string[] = [];
  for (const [name, attr] of [...node.attrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const text = attrKey(attr);
    if (text === null) return null;
    attrs.push(`${name}=${text}`);
  }
  const inputs = node.inputs.map((value) => (value ? idOf(value, ids) : '-'));
  return `${node.opKey}:${node.overload}(${inputs.join(',')}){${attrs.join(';')}}`;
}

function attrKey(attr: HeldAttr): string | null {
  if (attrGraphs(attr).length > 0 || attr.kind === 'raw' || attr.kind === 'tensors') return null;
  if (attr.kind === 'tensor') return attr.value.digest();
  if (attr.kind === 'ref') return `@${attr.name}`;
  if (attr.kind === 'string') return JSON.stringify([...attr.value]);
  if (attr.kind === 'strings') return JSON.stringify(attr.value.map((item) => [...item]));
  // -0 and 0 are different factors; JSON writes both as 0
  const values = [attr.value].flat().map((value) => (Object.is(value, -0) ? '-0' : String(value)));
  return `${attr.kind}[${values.join(',')}]`;
}

function idOf(value: object, ids: Map<object, number>): number {
  const known = ids.get(value) ?? ids.size;
  ids.set(value, known);
  return known;
}

function mergeInto(graph: Graph, first: Node, second: Node): boolean {
  for (const [index, output] of second.outputs.entries()) {
    if (output.uses.size === 0 && !output.isOutput) continue;
    const twin = first.outputs[index];
    if (!twin || twin.name === '') return false;
    if (output.isOutput && !canTakeName(output, twin)) return false;
  }
  for (const [index, output] of second.outputs.entries()) {
    if (output.uses.size > 0 || output.isOutput) output.replaceAllUsesWith(first.outputs[index]!);
  }
  graph.erase(second);
  return true;
}

export const cse = definePass({
  name: 'cse',
  summary: 'compute equal expressions once',
  options: {
    scope: {
      type: word('scope', ['all', 'new']),
      default: 'all',
      doc: 'all nodes, or only those made by lotrc passes',
    },
  },
  run(model, { scope }, ctx) {
    const removed = eliminateCommon(model, scope);
    ctx.stat('removed', removed);
    return removed > 0 ? 'changed' : 'unchanged';
  },
});
