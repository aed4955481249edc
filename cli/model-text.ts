import { PLAN_KEY } from '../src/adapter/saved-plan.js';
import type { Model } from '../src/ir/model.js';
import { printModel } from '../src/ir/text/index.js';
import { readPlan } from '../src/passes/plan/plan.js';
import { planText } from './report.js';
import { weightsText } from './text.js';

/**
 * A model as a reviewer reads it: its adapters as a table, then its text form with one line for each node and each tensor. A
 * tensor that is not small is its digest.
 */
export function modelText(model: Model): string {
  const plan = readPlan(model);
  const adapters = plan ? `${planText(plan)}${weightsText(plan.weights ?? [])}\n` : '';
  return `${adapters}${printModel(model, { locations: false, hidden: new Set([PLAN_KEY]) })}`;
}
