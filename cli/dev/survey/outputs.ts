import { isFloat } from '../../../src/ir/dtype.js';
import type { Model, Value } from '../../../src/ir/model.js';
import { topologicalOrder } from '../../../src/ir/topo.js';
import { dependents } from '../../../src/passes/dependents.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import type { LossKind } from '../../../src/train/signature.js';

export interface Reached {
  readonly value: Value;
  /** sites that the output depends on */
  readonly sites: readonly string[];
  /** number of all sites */
  readonly all: number;
}

/** The floating-point output that depends on most sites; the first of several. Null where there is none. */
export function bestOutput(model: Model): Reached | null {
  const { graph } = model;
  const order = topologicalOrder(graph);
  const floats = graph.outputs.filter(({ type }) => type?.kind === 'tensor' && isFloat(type.dtype));
  const sites = requirePlan(model, 'survey').plans.flatMap((row) => row.sites);
  const leadsTo = new Map(floats.map((value) => [value, [] as string[]]));
  for (const { id, factors } of sites) {
    const made = new Set(dependents(graph, order, Object.values(factors)).flatMap(({ outputs }) => outputs));
    for (const value of floats) if (made.has(value)) leadsTo.get(value)!.push(id);
  }
  let best: Reached | null = null;
  for (const [value, reached] of leadsTo) {
    if (!best || reached.length > best.sites.length) best = { value, sites: reached, all: sites.length };
  }
  return best;
}

/**
 * Losses to try. Cross-entropy where the output may be logits: a known number of classes after at least one other axis;
 * where it holds probabilities all the same, the loss hardly moves and the squared error is the next.
 */
export function lossesFor(output: Value | undefined): readonly LossKind[] {
  const shape = output?.type?.kind === 'tensor' ? output.type.shape : null;
  const classes = shape?.at(-1);
  const logits = shape && shape.length >= 2 && typeof classes === 'number' && classes > 1;
  return logits ? ['cross-entropy', 'mse'] : ['mse'];
}
