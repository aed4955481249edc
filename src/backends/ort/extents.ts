import { LotrcError } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';
import { type CompareOptions, type Comparison, compareModels, hosted, type Side } from './compare.js';
import { makeInputs, requiredInputs } from './inputs.js';
import type { Feeds } from './messages.js';
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
  try {
    return await onSome(a.model, async (choice) => {
      const dims = new Map([...choice, ...(options.dims ?? [])]);
      return { ...(await compareModels(a, b, { ...options, dims, host })), dims: choice };
    });
  } finally {
    if (!options.host) host.close();
  }
}

/**
 * Runs a model on given inputs, or on generated ones with extents that it runs with; `some` are values of single inputs.
 * Throws LOTR80xx when it does not run.
 */
export async function runOnSome(
  { path, label, model, own }: Side,
  {
    host,
    inputs,
    some = new Map(),
    dims = new Map(),
    seed,
    ...how
  }: Pick<CompareOptions, 'dims' | 'seed' | 'optimization' | 'timeout'> & {
    readonly host: OrtProcess;
    readonly inputs?: Feeds | undefined;
    readonly some?: ReadonlyMap<string, TensorData> | undefined;
  },
): Promise<{
  readonly inputs: Feeds;
  readonly outputs: Feeds;
  /** see `SomeComparison` */
  readonly dims: ReadonlyMap<string, number>;
}> {
  // the JavaScript interface gives tensors only
  const outputs = model.graph.outputs.filter(({ type }) => type === null || type.kind === 'tensor');
  const names = outputs.map(({ name }) => name);
  const given = new Map([...some, ...(own ?? [])].map(([name, data]) => [name, hosted(data)] as const));
  const run = async (feeds: Feeds, choice: ReadonlyMap<string, number>) => ({
    inputs: feeds,
    outputs: await host.run(path, feeds, { ...how, label, outputs: names }),
    dims: choice,
  });
  if (inputs) return run({ ...inputs, ...Object.fromEntries(given) }, new Map());
  const taken = new Set(given.keys());
  return onSome(model, (choice) => {
    const made = makeInputs(model, { dims: new Map([...choice, ...dims]), seed }, taken);
    return run(Object.fromEntries([...made, ...given]), choice);
  });
}

/** Acts with the first choice of extents with which a model runs. Throws what the first of all choices throws. */
async function onSome<T>(model: Model, act: (dims: ReadonlyMap<string, number>) => Promise<T>): Promise<T> {
  let first: LotrcError | null = null;
  for (const choice of choices(model)) {
    try {
      return await act(choice);
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
