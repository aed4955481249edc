import { compareModels, type OutputDifference } from '../../../src/backends/ort/compare.js';
import { type InputOptions, requiredInputs } from '../../../src/backends/ort/inputs.js';
import type { OrtProcess } from '../../../src/backends/ort/process.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';

export interface Compared {
  /** the inputs on which both models ran */
  readonly inputs: InputOptions;
  readonly outputs: readonly OutputDifference[];
}

/** Tried for all symbolic extents when ONNX Runtime refuses the ones that `makeInputs` chooses: some must agree. */
const EXTENTS = [1, 4];

/** Compares two models on made inputs. Throws what `compareModels` throws for the first choice of extents. */
export async function compareOnSome(base: string, adapted: string, host: OrtProcess): Promise<Compared> {
  const [a, b] = [base, adapted].map((path) => ({ path, model: readModel(path) })) as [
    { path: string; model: Model },
    { path: string; model: Model },
  ];
  const symbols = symbolsOf(a.model);
  const choices: InputOptions[] = [
    { seed: 1 },
    ...(symbols.length === 0 ? [] : EXTENTS).map((extent) => ({
      seed: 1,
      dims: new Map(symbols.map((name) => [name, extent])),
    })),
  ];
  let first: LotrcError | null = null;
  for (const inputs of choices) {
    try {
      return { inputs, outputs: await compareModels(a, b, { ...inputs, host }) };
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      first ??= error;
      // another extent helps only where the model loads and does not run
      if (error.diagnostics[0]!.code !== 'LOTR8004') break;
    }
  }
  throw first;
}

function symbolsOf(model: Model): readonly string[] {
  const names = requiredInputs(model).flatMap(({ type }) =>
    type?.kind === 'tensor' ? (type.shape ?? []) : [],
  );
  return [...new Set(names.filter((dim) => typeof dim === 'string'))];
}
