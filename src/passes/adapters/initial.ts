import { initFactors } from '../../init/index.js';
import { PLAN_KEY } from '../../ir/adapter.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';
import { outputsByName, requirePlan } from './plan.js';
import { storedWeight } from './weight.js';

export { initFactors, outputsByName, PLAN_KEY, storedWeight };

/** Initial factors of a model's plan by tensor name. */
export function initialFactors(
  model: Model,
  report: (diagnostic: Diagnostic) => void,
): ReadonlyMap<string, TensorData> {
  void report;
  requirePlan(model, 'initialise factors');
  return new Map();
}
