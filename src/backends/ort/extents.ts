import { LotrcError } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import { type CompareOptions, type Comparison, compareModels, type Side } from './compare.js';
import { requiredInputs } from './inputs.js';
import { OrtProcess } from './process.js';

export interface SomeComparison extends Comparison {
  /** extents of symbolic dimensions with which both models ran, where `makeInputs` would have chosen others */
  readonly dims: ReadonlyMap<string, number>;
}

/**
 * Compares two models on generated inputs, with other extents where the models load and do not run on the first: a
 * batch of one, and one number for all. Extents in `options.dims` stay as they are. Throws what `compareModels` throws
 * for the first choice.
 */
export async function compareOnSome(a: Side, b: Side, options: CompareOptions = {}): Promise<SomeComparison> {
  const host = options.host ?? new OrtProcess();
  let first: LotrcError | null = null;
  try {
    for (const choice of choices(a.model)) {
      const dims = new Map([...choice, ...(options.dims ?? [])]);
      try {
        return { ...(await compareModels(a, b, { ...options, dims, host })), dims: choice };
      } catch (error) {
        if (!(error instanceof LotrcError)) throw error;
        first ??= error;
        // another extent helps only where the model loads and does not run
        if (error.diagnostics[0]!.code !== 'LOTR8004') break;
      }
    }
    throw first;
  } finally {
    if (!options.host) host.close();
  }
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
