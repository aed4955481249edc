import { isFloat } from '../../../../ir/dtype.js';
import type { Graph, Model, Node, Value } from '../../../../ir/model.js';
import { topologicalOrder, valuesReadBy } from '../../../../ir/topo.js';
import { isPure } from '../../../../passes/dce.js';

/** Layers that kernels compute in place of the graph: from the value x the values y. */
export interface CutRegion {
  readonly x: string;
  readonly y: readonly string[];
}

/** A part of a model between adapted layers, which a session of its own computes. */
export interface CutSegment {
  /** what it reads: inputs of the model, and values that earlier segments and kernels give */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** regions whose x is there after it, by their numbers */
  readonly regions: readonly number[];
}

/**
 * Cuts a model at regions, with as few segments as the chain of regions allows: a segment computes all that follows from
 * the kernels before it. Between segments go floating numbers; whole numbers and truth values, such as shapes and masks of
 * them, are computed again where they are read, so that what lies on a device stays there. An operator with effects or of
 * an unknown kind is in one segment alone.
 */
export function segmentsOf(model: Model, regions: readonly CutRegion[]): readonly CutSegment[] {
  const { graph } = model;
  const given = new Set(graph.inputs.filter(({ constant }) => !constant));
  const made = new Map(regions.flatMap((region) => region.y.map((y) => [graph.own(y)!, region] as const)));
  const levels = levelsOf(graph, given, made);
  const levelOf = (value: Value) => levels.get(value) ?? 0;
  const stages = regions.map(({ x }) => levelOf(graph.own(x)!));
  const computed = (value: Value) => !given.has(value) && !made.has(value);
  const wanted = Array.from(
    { length: 1 + Math.max(...stages, ...graph.outputs.map(levelOf)) },
    () => new Set<Value>(),
  );
  for (const value of [...regions.map(({ x }) => graph.own(x)!), ...graph.outputs])
    if (computed(value)) wanted[levelOf(value)]!.add(value);
  const inputs = wanted.map(() => new Set<Value>());
  for (const [level, outputs] of [...wanted.entries()].reverse()) {
    const seen = new Set<Value>();
    const stack = [...outputs];
    for (let value = stack.pop(); value; value = stack.pop()) {
      if (seen.has(value)) continue;
      seen.add(value);
      const { producer } = value;
      if (!computed(value)) inputs[level]!.add(value);
      else if (producer && levels.has(value) && levelOf(value) < level && crosses(value, producer)) {
        inputs[level]!.add(value);
        wanted[levelOf(value)]!.add(value);
      } else if (producer) stack.push(...valuesReadBy(producer, graph));
    }
  }
  const inOrder = (values: ReadonlySet<Value>) => names(graph, values);
  return wanted.map((outputs, level) => ({
    inputs: inOrder(inputs[level]!),
    outputs: inOrder(outputs),
    regions: [...stages.keys()].filter((region) => stages[region] === level),
  }));
}

/** Number of regions, one after another, that a value depends on; absent: it depends on no input of the model. */
function levelsOf(
  graph: Graph,
  given: ReadonlySet<Value>,
  made: ReadonlyMap<Value, CutRegion>,
): ReadonlyMap<Value, number> {
  const levels = new Map<Value, number>([...given].map((value) => [value, 0]));
  for (const node of topologicalOrder(graph)) {
    let level = -1;
    for (const value of valuesReadBy(node, graph)) level = Math.max(level, levels.get(value) ?? -1);
    for (const output of node.outputs) {
      const region = made.get(output);
      if (region) levels.set(output, 1 + (levels.get(graph.own(region.x)!) ?? 0));
      else if (level >= 0) levels.set(output, level);
    }
  }
  return levels;
}

/** Whether later segments get a value, and do not compute it again. */
function crosses({ type }: Value, producer: Node): boolean {
  return (type?.kind === 'tensor' && isFloat(type.dtype)) || !isPure(producer);
}

/** Names in the order in which the graph has the values. */
function names(graph: Graph, values: ReadonlySet<Value>): readonly string[] {
  return [...graph.ownValues()].filter((value) => values.has(value)).map(({ name }) => name);
}
