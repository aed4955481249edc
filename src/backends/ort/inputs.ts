import { RandomStream } from '../../init/rng.js';
import { cannotFeed, unknownDim } from '../../ir/codes/cli.js';
import { fail } from '../../ir/diagnostics.js';
import { type DType, isFloat } from '../../ir/dtype.js';
import type { Model, Value } from '../../ir/model.js';
import { type Dim, elementCount, type ValueType } from '../../ir/shape.js';
import { encodeFloats } from '../../ir/values.js';
import { indexBound } from '../../passes/index-bound.js';
import type { HostTensor } from './messages.js';

export interface InputOptions {
  /** extents of symbolic dimensions by name */
  readonly dims?: ReadonlyMap<string, number> | undefined;
  readonly seed?: number | undefined;
}

/** Elements of all made inputs together: 2 GiB of float64. */
const MAX_ELEMENTS = 2 ** 28;

/** The inputs that must be fed: those without a default. */
export function requiredInputs(model: Model): readonly Value[] {
  return model.graph.inputs.filter((input) => !input.constant);
}

/**
 * Seeded inputs for the required inputs of a model. Extents: given ones, else 2 for a symbolic first dimension or one
 * called batch, 0 for past lengths, 8 for others, sums of those for `A + B`. Elements: floats are uniform in (-1, 1); integers that index a table
 * lie below its rows; masks are ones; other integers are ones and booleans true. Element k of input X depends on seed, X and k
 * alone. `skip` names inputs whose values come from elsewhere. Throws LOTR8008 for inputs that cannot be made and LOTR8010
 * for unknown dimension names.
 */
export function makeInputs(
  model: Model,
  { dims, seed = 0 }: InputOptions = {},
  skip: ReadonlySet<string> = new Set(),
): Map<string, HostTensor> {
  const inputs = requiredInputs(model);
  const names = inputs.flatMap(({ type }) => symbols(type));
  for (const dim of dims?.keys() ?? []) {
    if (!names.includes(dim)) fail(unknownDim({ dim, known: [...new Set(names)].sort() }));
  }
  const wanted = inputs.filter(({ name }) => !skip.has(name));
  let left = MAX_ELEMENTS;
  return new Map(
    wanted.map((input) => {
      const made = makeInput(input, dims ?? new Map(), seed, left);
      left -= elementCount(made.shape);
      return [input.name, made];
    }),
  );
}

function symbols(type: ValueType | null): string[] {
  if (type?.kind !== 'tensor') return [];
  return (type.shape ?? []).filter((dim): dim is string => typeof dim === 'string');
}

/** `most`: elements that it may have. */
function makeInput(input: Value, dims: ReadonlyMap<string, number>, seed: number, most: number): HostTensor {
  const { name, type } = input;
  if (type?.kind !== 'tensor') return fail(cannotFeed({ name, why: 'it is not a tensor' }));
  if (type.shape === null)
    return fail(cannotFeed({ name, why: 'the model does not say how many dimensions it has' }));
  const shape = type.shape.map((dim, axis) => extentOf(dim, axis, dims));
  const size = elementCount(shape);
  if (!(size <= most)) {
    const why = `its shape is [${shape.join(',')}], and made inputs have at most ${MAX_ELEMENTS} elements together`;
    fail(cannotFeed({ name, why }));
  }
  return {
    dtype: type.dtype,
    shape,
    data: elements(input, type.dtype, size, new RandomStream(seed, `input/${name}`)),
  };
}

function extentOf(dim: Dim, axis: number, dims: ReadonlyMap<string, number>): number {
  if (typeof dim === 'number') return dim;
  const given = dim === null ? undefined : dims.get(dim);
  if (given !== undefined) return given;
  // exporters name the length of the mask as a sum: past_seq_len + seq_len
  if (dim?.includes('+'))
    return dim.split('+').reduce((sum, part) => sum + extentOf(part.trim(), axis, dims), 0);
  if (dim !== null && /past/i.test(dim)) return 0;
  return (dim === null ? axis === 0 : axis === 0 || /batch/i.test(dim)) ? 2 : 8;
}

function elements(input: Value, dtype: DType, size: number, random: RandomStream): Uint8Array {
  const draw = (k: number) => random.uniform(k);
  const mask = /mask/i.test(input.name);
  if (isFloat(dtype)) {
    return encodeFloats(
      dtype,
      Float64Array.from({ length: size }, (_, k) => (mask ? 1 : 2 * draw(k) - 1)),
    );
  }
  const bound = mask ? null : indexBound(input, 'safe');
  return integers(
    dtype,
    input.name,
    Array.from({ length: size }, (_, k) => (bound === null ? 1 : Math.floor(draw(k) * bound))),
  );
}

function integers(dtype: DType, name: string, values: readonly number[]): Uint8Array {
  switch (dtype) {
    case 'i64':
    case 'u64':
      return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    case 'i32':
    case 'u32':
      return new Uint8Array(Int32Array.from(values).buffer);
    case 'i16':
    case 'u16':
      return new Uint8Array(Int16Array.from(values).buffer);
    case 'i8':
    case 'u8':
    case 'bool':
      return Uint8Array.from(values);
    default:
      return fail(cannotFeed({ name, why: `its elements are ${dtype}` }));
  }
}
