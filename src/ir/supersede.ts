import { modelOf } from './model.js';
import type { Value } from './value.js';

/**
 * Puts `fresh` in the place of `old`: it takes over the name, type, documentation, readers, graph outputs and the
 * ValueInfoProto that was read; `old` gets a fresh name. Public names stay, whatever nodes are added after them. Readers in
 * the node that makes `fresh` keep reading `old`, so a node may wrap the value it replaces (y = Add(old, delta)).
 */
export function supersede(old: Value, fresh: Value, hint = `${old.name}/base`): void {
  const graph = old.graph;
  if (!graph || fresh.graph !== graph) throw new Error(`"${fresh.name}" cannot replace "${old.name}"`);
  const { name, infoEdited } = old;
  old.rename(graph.names.freshValue(hint));
  fresh.rename(name);
  fresh.setType(old.type, true);
  fresh.docString = old.docString;
  fresh.metadata = old.metadata;
  // the name and type in the file are those of the new value now, so its ValueInfoProto is still right
  fresh.infoEdited = infoEdited;
  graph.outputInfo = graph.outputInfo.map((info) => (info.value === old ? { ...info, value: fresh } : info));
  const info = graph.valueInfo.get(old);
  if (info) {
    graph.valueInfo.delete(old);
    graph.valueInfo.set(fresh, info);
  }
  for (const use of [...old.uses]) if (use.node !== fresh.producer) use.node.setInput(use.index, fresh);
  if (!old.isOutput) return;
  graph.replaceOutput(old, fresh);
  // a branch of an If may name a value of the graph around it as its output
  if (old.isOutput) for (const inner of modelOf(graph)?.everyGraph() ?? []) inner.replaceOutput(old, fresh);
}
