import type { OutputDifference } from '../../../src/backends/ort/compare.js';
import { compareOnSome as compare } from '../../../src/backends/ort/extents.js';
import type { InputOptions } from '../../../src/backends/ort/inputs.js';
import type { OrtProcess } from '../../../src/backends/ort/process.js';
import { readModel } from '../../../src/ir/onnx/reader.js';

export interface Compared {
  /** the inputs on which both models ran */
  readonly inputs: InputOptions;
  readonly outputs: readonly OutputDifference[];
}

/** Compares two models on made inputs. Throws what `compareModels` throws for the first choice of extents. */
export async function compareOnMade(
  base: string,
  adapted: string,
  host: OrtProcess,
  optimization: 'all' | 'disabled' = 'all',
): Promise<Compared> {
  const side = (path: string) => ({ path, model: readModel(path) });
  const options = { seed: 1, host, optimization };
  const { outputs, dims } = await compare(side(base), side(adapted), options);
  return { inputs: { seed: 1, dims }, outputs };
}
