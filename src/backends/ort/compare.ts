import { cannotFeed, inputsDiffer, outputsDiffer } from '../../ir/codes/cli.js';
import { fail } from '../../ir/diagnostics.js';
import { dtypeText, isFloat } from '../../ir/dtype.js';
import { bare, own } from '../../ir/keys.js';
import type { Model } from '../../ir/model.js';
import { shapeText } from '../../ir/shape.js';
import { MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { toF64, toIntegers } from '../../ir/values.js';
import { requireFit } from '../../options/check.js';
import { pick } from '../../options/define.js';
import { VERIFY } from '../../options/sets/models.js';
import { type InputOptions, makeInputs, requiredInputs } from './inputs.js';
import type { Feeds, GraphOptimization, HostTensor } from './messages.js';
import { OrtProcess } from './process.js';

/** One side of a comparison: the file to run and the model that was read from it. */
export interface Side {
  readonly path: string;
  /** its name in messages; default its path */
  readonly label?: string | undefined;
  readonly model: Model;
  /** values of inputs that only this side takes: factors that a model takes as inputs */
  readonly own?: ReadonlyMap<string, TensorData> | undefined;
}

export interface CompareOptions extends InputOptions {
  /** values of inputs by name; the others are generated */
  readonly inputs?: ReadonlyMap<string, TensorData> | undefined;
  readonly optimization?: GraphOptimization | undefined;
  /** seconds that one run may take; default no limit */
  readonly timeout?: number | undefined;
  /** the process to use; by default one is started and ended */
  readonly host?: OrtProcess | undefined;
}

/** How far one output of B is from that of A. */
export interface OutputDifference {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** largest |a - b|; infinite where one is NaN and the other is not; 1 where strings differ */
  readonly absolute: number;
  /** largest |a - b| over the largest finite magnitude of the two */
  readonly relative: number;
  /** elements that are NaN in both, which count as equal */
  readonly bothNaN: number;
}

/** The result of a comparison. */
export interface Comparison {
  readonly outputs: readonly OutputDifference[];
  /** outputs that are not tensors (sequences, maps): ONNX Runtime's JavaScript interface cannot give them */
  readonly notCompared: readonly string[];
}

/**
 * Runs two models in ONNX Runtime, in another process, on the same inputs, and compares their tensor outputs. Inputs with a
 * default keep it: give a model made by `freeInputs` to feed them. Throws LOTR8003 to LOTR8008, LOTR8010 and LOTR8013 when the models
 * cannot be run or compared.
 */
export async function compareModels(a: Side, b: Side, options: CompareOptions = {}): Promise<Comparison> {
  requireFit(pick(VERIFY, 'dims', 'seed', 'timeout', 'optimization'), options);
  const shared = sharedInputs(a, b, options);
  const notCompared = [a, b].flatMap(({ model }) =>
    model.graph.outputs.filter(({ type }) => type && type.kind !== 'tensor').map(({ name }) => name),
  );
  const outputs = (side: Side) => tensorOutputs(side, new Set(notCompared));
  const host = options.host ?? new OrtProcess();
  const { optimization = 'all' } = options;
  try {
    const run = (side: Side) =>
      host.run(side.path, feedsFor(side, shared), {
        optimization,
        timeout: options.timeout,
        label: side.label,
        outputs: outputs(side),
      });
    const left = await run(a);
    const right = await run(b);
    return { outputs: compareOutputs(left, right), notCompared: [...new Set(notCompared)] };
  } finally {
    if (!options.host) host.close();
  }
}

/** Names of the outputs to compare; undefined for all. Throws LOTR8007 when none is left. */
function tensorOutputs({ model }: Side, left: ReadonlySet<string>): readonly string[] | undefined {
  if (left.size === 0) return undefined;
  const names = model.graph.outputs.map(({ name }) => name);
  const kept = names.filter((name) => !left.has(name));
  if (kept.length === 0)
    fail(outputsDiffer({ name: names[0]!, why: 'is not a tensor, and there is no other output to compare' }));
  return kept;
}

/** Values of the inputs that both sides take. */
function sharedInputs(a: Side, b: Side, options: CompareOptions): ReadonlyMap<string, HostTensor> {
  const names = [a, b].map((side) => new Map(requiredInputs(side.model).map((input) => [input.name, input])));
  for (const [mine, theirs, side] of [
    [names[0]!, names[1]!, a],
    [names[1]!, names[0]!, b],
  ] as const) {
    for (const [name, input] of mine) {
      if (side.own?.has(name)) continue;
      const other = theirs.get(name);
      if (!other) fail(inputsDiffer({ name, why: `is needed by ${side.label ?? side.path} only` }));
      const [left, right] = [input.type, other.type];
      if (left?.kind === 'tensor' && right?.kind === 'tensor' && left.dtype !== right.dtype) {
        fail(
          inputsDiffer({
            name,
            why: `is ${dtypeText(left.dtype)} in one model and ${dtypeText(right.dtype)} in the other`,
          }),
        );
      }
    }
  }
  const given = options.inputs ?? new Map<string, TensorData>();
  for (const name of given.keys()) {
    if (!names[0]!.has(name) && !names[1]!.has(name))
      fail(cannotFeed({ name, why: 'neither model has such an input' }));
  }
  for (const side of [a, b]) {
    const inputs = new Set(requiredInputs(side.model).map(({ name }) => name));
    for (const name of side.own?.keys() ?? []) {
      const why = `${side.label ?? side.path} does not take it as an input`;
      if (!inputs.has(name)) fail(cannotFeed({ name, why }));
    }
  }
  const taken = new Set([...given.keys(), ...(a.own?.keys() ?? []), ...(b.own?.keys() ?? [])]);
  const made = makeInputs(a.model, options, taken);
  return new Map([...made, ...[...given].map(([name, data]) => [name, hosted(data)] as const)]);
}

function feedsFor({ model, own }: Side, shared: ReadonlyMap<string, HostTensor>): Feeds {
  const feeds = bare<HostTensor>();
  for (const { name } of model.graph.inputs) {
    const mine = own?.get(name);
    const value = mine ? hosted(mine) : shared.get(name);
    if (value) feeds[name] = value;
  }
  return feeds;
}

/** A tensor as the process of ONNX Runtime takes it. */
export function hosted(data: TensorData): HostTensor {
  return { dtype: data.dtype, shape: data.shape, data: data.bytes() };
}

/** Compares outputs by name. Throws LOTR8007 when names, types or shapes differ. */
export function compareOutputs(a: Feeds, b: Feeds): readonly OutputDifference[] {
  for (const name of Object.keys(b))
    if (!own(a, name)) fail(outputsDiffer({ name, why: 'is missing in the first model' }));
  return Object.entries(a).map(([name, left]) => {
    const right = own(b, name) ?? fail(outputsDiffer({ name, why: 'is missing in the second model' }));
    const [one, two] = [left, right].map(({ dtype, shape }) => `${dtypeText(dtype)}${shapeText(shape)}`);
    if (one !== two)
      fail(outputsDiffer({ name, why: `is ${one} in the first model and ${two} in the second` }));
    return { name, dtype: dtypeText(left.dtype), shape: left.shape, ...distance(left, right) };
  });
}

function distance(a: HostTensor, b: HostTensor): Pick<OutputDifference, 'absolute' | 'relative' | 'bothNaN'> {
  if (a.dtype === 'string') {
    const equal = (a.data as readonly string[]).every((text, i) => text === b.data[i]);
    return { absolute: equal ? 0 : 1, relative: equal ? 0 : 1, bothNaN: 0 };
  }
  const [left, right] = [numbers(a), numbers(b)];
  let absolute = 0;
  let largest = 0;
  let bothNaN = 0;
  for (let i = 0; i < left.length; i++) {
    const [x, y] = [left[i]!, right[i]!];
    for (const size of [Math.abs(x), Math.abs(y)])
      if (size > largest && size !== Number.POSITIVE_INFINITY) largest = size;
    if (Number.isNaN(x) && Number.isNaN(y)) bothNaN++;
    if (Object.is(x, y) || x === y) continue;
    const difference = Math.abs(x - y);
    absolute = Math.max(absolute, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  return { absolute, relative: absolute === 0 ? 0 : absolute / largest, bothNaN };
}

function numbers({ dtype, shape, data }: HostTensor): ArrayLike<number> {
  const tensor = new MemoryTensor(dtype, shape, data as Uint8Array);
  return isFloat(dtype) ? toF64(tensor) : toIntegers(tensor);
}
