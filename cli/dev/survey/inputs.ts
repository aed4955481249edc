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

/** Compares two models on made inputs. Throws what `compareModels` throws for the first choice of extents. */
export async function compareOnSome(
  base: string,
  adapted: string,
  host: OrtProcess,
  optimization: 'all' | 'disabled' = 'all',
): Promise<Compared> {
  const [a, b] = [base, adapted].map((path) => ({ path, model: readModel(path) })) as [
    { path: string; model: Model },
    { path: string; model: Model },
  ];
  let first: LotrcError | null = null;
  for (const dims of choices(a.model)) {
    const inputs = { seed: 1, dims };
    try {
      return { inputs, outputs: await compareModels(a, b, { ...inputs, host, optimization }) };
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      first ??= error;
      // another extent helps only where the model loads and does not run
      if (error.diagnostics[0]!.code !== 'LOTR8004') break;
    }
  }
  throw first;
}

/**
 * Extents to try, for models of which some must agree or be 1: those that `makeInputs` chooses, a batch of one, and one
 * number for all. Past lengths stay 0, and sums follow from their parts.
 */
function choices(model: Model): readonly ReadonlyMap<string, number>[] {
  const shapes = requiredInputs(model).map(({ type }) => (type?.kind === 'tensor' ? (type.shape ?? []) : []));
  const named = (dims: readonly (number | string | null | undefined)[]): string[] =>
    [...new Set(dims)].filter((dim) => typeof dim === 'string').filter((dim) => !/past|\+/i.test(dim));
  const to = (names: readonly string[], extent: number) =>
    new Map(names.map((name) => [name, extent] as const));
  const [rows, all] = [named(shapes.map(([dim]) => dim)), named(shapes.flat())];
  return [
    new Map(),
    ...(rows.length > 0 ? [to(rows, 1)] : []),
    ...(all.length > 0 ? [to(all, 1), to(all, 4)] : []),
  ];
}
