import { noForeignPlace } from '../ir/codes/interop.js';
import { fail } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import { ComputedTensor, MemoryTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import { findStacks, type Stack } from '../passes/unpack/stacks.js';
import type { ModuleNames } from './bind.js';
import type { ForeignAdapter, ForeignLayer, ForeignStack } from './foreign.js';

/** The layers of stacked experts in a model, one for each matrix, and which stacks have some. */
interface StackLayers {
  readonly layers: readonly ForeignLayer[];
  readonly stacks: ReadonlySet<string>;
}

type Pair = ForeignStack['pairs'][number];

/** A pair of matrices for all experts of a parameter. */
interface Placed {
  readonly pair: Pair;
  readonly parameter: ForeignStack['parameters'][number];
  readonly stack: Stack;
}

/** Puts LoRA of stacked matrices in its places. Throws LOTR7301 where a parameter has none, or may be several. */
export function layersOfStacks(model: Model, foreign: ForeignAdapter, names: ModuleNames): StackLayers {
  if (foreign.stacks.length === 0) return { layers: [], stacks: new Set() };
  const known = stacksByName(model);
  const arrange = oneAtATime();
  const placed = foreign.stacks.flatMap((own) => {
    const wrong = (parameter: string, why: string): never =>
      fail(
        noForeignPlace({
          module: `${own.module}.${parameter}`,
          why,
          near: [],
          file: foreign.file,
          what: 'parameter',
          more: [],
        }),
      );
    const present = own.parameters.flatMap((parameter) => {
      const { found } = names.among(`${own.module}.${parameter.name}`, known.keys());
      const stacks = [...new Set(found.map((path) => known.get(path)!))];
      if (stacks.length > 1)
        wrong(parameter.name, `it may be ${stacks.map(({ path }) => `"${path}"`).join(' or ')}`);
      return stacks.map((stack) => ({ parameter, stack }));
    });
    const ways = waysOf(own.pairs, present);
    if (ways.length === 1) return ways[0]!.map((one) => ({ own, one, wrong }));
    const missing = own.parameters.find(
      ({ name }) => !present.some(({ parameter }) => parameter.name === name),
    );
    const sizes = own.pairs.map(({ a, b }) => `[${a.shape}] and [${b.shape}]`).join(', ');
    const first = own.parameters[0]!.name;
    if (ways.length > 1)
      return wrong(
        first,
        `matrices of ${sizes} fit several parameters of "${own.module}", and the file does not say which`,
      );
    if (missing)
      return wrong(missing.name, 'the model has no stacked matrices of that name that products read');
    return wrong(first, `matrices of ${sizes} do not fit ${present.map(textOf).join(' and ')}`);
  });
  return {
    layers: placed.flatMap(({ own, one, wrong }) => layersOf(own, one, arrange, wrong)),
    stacks: new Set(placed.map(({ one }) => one.stack.path)),
  };
}

/** The stacks of which an adapter has single matrices as layers. */
export function stacksOfExperts(
  model: Model,
  foreign: ForeignAdapter,
  names: ModuleNames,
): readonly string[] {
  const parameters = new Set(foreign.layers.flatMap(({ expert }) => (expert ? [expert.parameter] : [])));
  if (parameters.size === 0) return [];
  const known = stacksByName(model);
  return [...parameters].flatMap((parameter) =>
    names.among(parameter, known.keys()).found.map((path) => known.get(path)!.path),
  );
}

/** The stacks of a model by their paths, with and without the first segment, which may be a wrapper. */
function stacksByName(model: Model): ReadonlyMap<string, Stack> {
  return new Map(
    findStacks(model).flatMap((stack) => {
      const inner = stack.path.slice(stack.path.indexOf('.') + 1);
      return [[stack.path, stack] as const, [inner, stack] as const];
    }),
  );
}

const textOf = ({ parameter, stack: { path, count, rows, columns } }: Omit<Placed, 'pair'>): string =>
  `"${path}" (${count} of ${rows}x${columns}, rank ${parameter.rank})`;

/** All ways to give each pair a parameter of its own that it fits. */
function waysOf(
  [pair, ...rest]: readonly Pair[],
  present: readonly Omit<Placed, 'pair'>[],
): readonly (readonly Placed[])[] {
  if (!pair) return [[]];
  return present
    .filter(({ parameter, stack }) => fits(pair, parameter.rank, stack))
    .flatMap((here) =>
      waysOf(
        rest,
        present.filter((other) => other !== here),
      ).map((others) => [{ pair, ...here }, ...others]),
    );
}

function fits({ a, b }: Pair, rank: number, { count, rows, columns }: Stack): boolean {
  const sides = [a.shape[1]!, b.shape[0]!].sort((x, y) => x - y);
  return a.shape[0] === rank * count && `${sides}` === `${[rows, columns].sort((x, y) => x - y)}`;
}

type Arrange = ReturnType<typeof oneAtATime>;

function layersOf(
  own: ForeignStack,
  { pair: { a, b }, parameter, stack }: Placed,
  arrange: Arrange,
  wrong: (parameter: string, why: string) => never,
): readonly ForeignLayer[] {
  const { rank, spec, name } = parameter;
  const { count, rows, columns, layout } = stack;
  const [inn, out] = layout === 'io' ? [rows, columns] : [columns, rows];
  if (inn === out && !(own.squares === 'in of (out, in)' && layout === 'oi'))
    wrong(name, `its matrices are ${inn}x${out}, and the file does not say which side lora_A is on`);
  // A is (experts, rank, one side), B (other side, rank, experts): each as (experts, rank, side)
  const sideOf = (expert: number, ofA: boolean, turned: boolean): TensorData => {
    const width = ofA ? a.shape[1]! : b.shape[0]!;
    const shape = turned ? [width, rank] : [rank, width];
    return new ComputedTensor('f32', shape, 'expert', () => {
      const whole = ofA
        ? partOf(a, expert * rank * width, rank * width)
        : arrange(b, count).subarray(expert * rank * width, (expert + 1) * rank * width);
      if (!turned) return encodeFloats('f32', whole);
      const made = new Float64Array(whole.length);
      for (let r = 0; r < rank; r++)
        for (let k = 0; k < width; k++) made[k * rank + r] = whole[r * width + k]!;
      return encodeFloats('f32', made);
    });
  };
  const inFirst = a.shape[1] === inn;
  return Array.from({ length: count }, (_, expert): ForeignLayer => {
    const factors = [sideOf(expert, inFirst, true), sideOf(expert, !inFirst, false)];
    return { module: `${own.module}.${name}.${expert}`, in: inn, out, rank, spec, factors };
  });
}

/** Some elements of a matrix. */
function partOf(data: TensorData, from: number, count: number): Float64Array {
  const width = data.byteLength / (data.shape[0]! * data.shape[1]!);
  return toF64(new MemoryTensor(data.dtype, [count], data.slice(from * width, count * width)));
}

/**
 * B (side, rank, experts) as (experts, rank, side). The last one that was asked for is held: the experts of one parameter are written one
 * after another, and there may be many.
 */
function oneAtATime(): (b: TensorData, experts: number) => Float64Array {
  let held: { readonly of: TensorData; readonly values: Float64Array } | null = null;
  return (b, experts) => {
    if (held?.of !== b) {
      const [side, row] = b.shape as [number, number];
      const rank = row / experts;
      const from = toF64(b);
      const values = new Float64Array(side * row);
      for (let s = 0; s < side; s++) {
        for (let r = 0; r < rank; r++) {
          for (let e = 0; e < experts; e++)
            values[(e * rank + r) * side + s] = from[s * row + r * experts + e]!;
        }
      }
      held = { of: b, values };
    }
    return held.values;
  };
}
