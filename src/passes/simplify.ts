import { canTakeName, type Graph, type Model, modelOf, type Node, type Value } from '../ir/model.js';
import type { Refusal } from '../ir/ops/core/define.js';
import { removeDeadIn } from './dce.js';
import { inferShapes } from './infer-shapes.js';
import { definePass } from './pipeline.js';
import { declines, type Rule } from './simplify/rule.js';
import { RULES } from './simplify/rules.js';

/** Rules by the operator they look at. */
const BY_ROOT = new Map<string, Rule[]>();
for (const rule of RULES) {
  for (const root of rule.roots) BY_ROOT.set(root, [...(BY_ROOT.get(root) ?? []), rule]);
}

/** What a run of the rules did. */
export interface Simplified {
  /** how often each rule fired */
  readonly fired: ReadonlyMap<string, number>;
  /** for rules that looked at a node and declined: the last reason */
  readonly declined: ReadonlyMap<string, Refusal>;
}

/**
 * Applies the algebraic rules until none fires: a worklist of nodes, to which the readers of everything that changed are
 * added. Types are inferred first. Every rule is exact for all values of the types it fires on, and no public name
 * changes: where an input, initializer or second output would get an output's name, the node stays.
 */
export function simplify(model: Model): Simplified {
  inferShapes(model);
  const fired = new Map<string, number>();
  const declined = new Map<string, Refusal>();
  for (const graph of model.everyGraph()) {
    const work = [...graph.nodes].reverse();
    const waiting = new Set<Node>(work);
    for (let node = work.pop(); node; node = work.pop()) {
      waiting.delete(node);
      if (node.graph !== graph) continue;
      for (const rule of BY_ROOT.get(node.opKey) ?? []) {
        const readers = [...(node.outputs[0]?.uses ?? [])].map((use) => use.node);
        const refusal = fire(rule, node);
        if (refusal) {
          declined.set(rule.name, refusal);
          continue;
        }
        fired.set(rule.name, (fired.get(rule.name) ?? 0) + 1);
        for (const next of [...readers, node]) {
          if (next.graph !== graph || waiting.has(next)) continue;
          waiting.add(next);
          work.push(next);
        }
        break;
      }
    }
    if (fired.size > 0) removeDeadIn(graph);
  }
  return { fired, declined };
}

/** Applies a rule at a node; null when it fired. */
function fire(rule: Rule, node: Node): Refusal | null {
  const result = rule.apply(node);
  if ('because' in result) return result;
  if ('reads' in result) {
    node.setInput(0, result.reads);
    return null;
  }
  const output = node.outputs[0]!;
  const { becomes } = result;
  if (output.uses.size === 0 && !output.isOutput) return declines('nothing reads it', node);
  if (output.isOutput && !mayReplace(output, becomes)) {
    return declines('its output is public and the name cannot move', output);
  }
  output.replaceAllUsesWith(becomes);
  if (node.outputs.every(({ uses, isOutput }) => uses.size === 0 && !isOutput)) node.graph!.erase(node);
  return null;
}

/** Whether a public output's name may pass to another value; branches that name outer values keep their nodes. */
function mayReplace(output: Value, other: Value): boolean {
  if (!canTakeName(output, other)) return false;
  const graph: Graph | null = output.graph;
  const model = graph ? modelOf(graph) : null;
  for (const inner of model?.everyGraph() ?? []) {
    if (inner !== graph && inner.outputs.includes(output)) return false;
  }
  return true;
}

export const simplifyPass = definePass({
  name: 'simplify',
  summary: 'apply algebraic rules: identities, pairs that cancel, neutral constants',
  options: {},
  run(model, _options, ctx) {
    const { fired } = simplify(model);
    for (const [rule, count] of fired) ctx.stat(rule, count);
    return fired.size > 0 ? 'changed' : 'unchanged';
  },
});
