import { notFinite } from './codes/verify.js';
import { constantData, constantTensor } from './constants.js';
import { countNotFinite } from './count-not-finite.js';
import type { Diagnostic } from './diagnostics.js';
import type { Model } from './model.js';

/** LOTR2013 for every stored tensor of the model with NaN or infinite elements. Reads all weights, each once. */
export function reportNotFinite(model: Model): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const graph of model.everyGraph()) {
    const stored = [
      ...graph.initializers.values(),
      ...[...graph.nodes].filter((node) => constantTensor(node)).map(({ outputs }) => outputs[0]!),
    ];
    for (const value of stored) {
      const { name } = value;
      const data = constantData(value);
      const count = data && countNotFinite(data);
      if (count) found.push(notFinite({ name, dtype: data.dtype, shape: data.shape, ...count }));
    }
  }
  return found;
}
