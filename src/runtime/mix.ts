import { cannotMix } from '../backends/codes/runtime.js';
import { fail } from '../ir/diagnostics.js';
import { fromF16, toF16 } from '../ir/half.js';
import { elementCount } from '../ir/shape.js';
import type { PlannedFactor, PlannedRow } from './adapter-plan.js';

/** Numbers of a factor; float16 as its bits. */
export interface FactorNumbers {
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint16Array;
}

/** A factor that is an input of the model. */
export interface FactorPort extends PlannedFactor {
  readonly name: string;
  /** extents, or names of extents that a caller chooses */
  readonly shape: readonly (number | string)[];
  readonly type: 'float32' | 'float16';
}

/** An adapter and how much of it: its update is multiplied by `weight`. */
export interface MixPart {
  readonly name: string;
  readonly factors: ReadonlyMap<string, FactorNumbers>;
  readonly weight: number;
  /** what the update of the layers of each tensor is multiplied by, since the model has the scale of its own rank */
  readonly ratios: ReadonlyMap<string, number>;
}

/**
 * The factors whose update is the sum of the updates of adapters, each times its weight. Exactly: where one factor alone differs
 * between the adapters, the sum of that factor; else the factors joined along their ranks, which the model must leave open.
 * Throws LOTR8123 where neither holds.
 */
export function mixed(
  ports: readonly FactorPort[],
  parts: readonly MixPart[],
): ReadonlyMap<string, FactorNumbers> {
  const rows = new Map<PlannedRow, FactorPort[]>();
  for (const port of ports) rows.set(port.row, [...(rows.get(port.row) ?? []), port]);
  const found = new Map<string, FactorNumbers>();
  for (const [row, own] of rows)
    for (const [name, factor] of mixedRow(row, own, parts)) found.set(name, factor);
  return found;
}

type Mixed = readonly (readonly [name: string, numbers: FactorNumbers])[];

function mixedRow(row: PlannedRow, ports: readonly FactorPort[], parts: readonly MixPart[]): Mixed {
  const { wrap } = row.spec;
  if (wrap === 'column-norm' && (parts.length > 1 || parts[0]!.weight !== 1))
    refuse('the wrap column-norm is not linear in the update', 'use one such adapter, with weight 1');
  const differing = new Set(ports.filter((port) => differs(port, parts)).map(({ factor }) => factor));
  const [at = row.scaled] = differing;
  const ofOneShape = ports.every(
    (port) => new Set(parts.map((part) => `${held(port, part).dims}`)).size === 1,
  );
  const sums = differing.size <= 1 && ofOneShape;
  const why = sums ? null : whyNotJoined(row, ports);
  if (why !== null)
    refuse(
      why,
      'adapters of which one factor alone differs can be mixed; `lotrc combine` makes one adapter of several',
    );
  return ports.map((port) => {
    const scaled = port.factor === (sums ? at : row.scaled);
    const all = parts.map((part) => {
      const { dims, data } = held(port, part);
      return { dims, data, by: scaled ? part.weight * ratioOf(port, part) : 1 };
    });
    if (!sums) return [port.name, joined(port, all)];
    return [port.name, scaled ? sumOf(port, all) : all[0]!];
  });
}

interface Weighted extends FactorNumbers {
  readonly by: number;
}

const held = ({ name }: FactorPort, { factors }: MixPart): FactorNumbers => factors.get(name)!;

function ratioOf({ name }: FactorPort, { name: adapter, ratios }: MixPart): number {
  return (
    ratios.get(name) ??
    refuse(
      `the layers of "${name}" have several scales in "${adapter}"`,
      'convert it with `lotrc convert --model`',
    )
  );
}

function refuse(why: string, hint: string): never {
  return fail(cannotMix({ why, hint }));
}

/** Whether a tensor is not the same, bit for bit, in all adapters. */
function differs(port: FactorPort, parts: readonly MixPart[]): boolean {
  const [first, ...rest] = parts.map((part) => held(port, part));
  return rest.some(({ dims, data }) => `${dims}` !== `${first!.dims}` || !sameBits(data, first!.data));
}

function sameBits(a: FactorNumbers['data'], b: FactorNumbers['data']): boolean {
  if (a === b) return true;
  const [x, y] = [a, b].map((data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return x!.length === y!.length && x!.every((byte, k) => byte === y![k]);
}

/**
 * Why factors cannot be joined along their ranks, or null. Blocks on the diagonal are a sum of products if every factor
 * of the product has its own block, and no path of ranks leads from the block of one adapter to that of another.
 */
function whyNotJoined(row: PlannedRow, ports: readonly FactorPort[]): string | null {
  const open = new Map<number, readonly string[]>();
  for (const { factor, letters, shape } of ports)
    open.set(
      factor,
      letters.filter((_, axis) => typeof shape[axis] === 'string'),
    );
  const ranks = Array.from({ length: row.operands }, (_, k) => open.get(k) ?? []);
  const fixed = ranks.findIndex((letters) => letters.length === 0);
  if (fixed >= 0) return `factor ${row.spec.factors[fixed]!.name} has no rank that the model leaves open`;
  const reached = new Set(ranks[0]);
  for (let before = -1; before !== reached.size; ) {
    before = reached.size;
    for (const letters of ranks)
      if (letters.some((letter) => reached.has(letter))) for (const letter of letters) reached.add(letter);
  }
  const apart = ranks.some((letters) => letters.some((letter) => !reached.has(letter)));
  return apart ? `the delta ${row.spec.delta} multiplies products of several ranks` : null;
}

/** The tensors as blocks on the diagonal of their open axes. */
function joined(port: FactorPort, parts: readonly Weighted[]): FactorNumbers {
  const dims = port.shape.map((extent, axis) =>
    typeof extent === 'number' ? extent : parts.reduce((sum, part) => sum + part.dims[axis]!, 0),
  );
  const data = zeros(port, elementCount(dims));
  const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
  const starts = dims.map(() => 0);
  for (const part of parts) {
    const numbers = times(port, part);
    const width = part.dims.at(-1) ?? 1;
    for (let row = 0, from = 0; from < numbers.length; row++, from += width) {
      let [at, rest] = [starts.at(-1) ?? 0, row];
      for (let axis = dims.length - 2; axis >= 0; axis--) {
        at += ((rest % part.dims[axis]!) + starts[axis]!) * strides[axis]!;
        rest = Math.floor(rest / part.dims[axis]!);
      }
      data.set(numbers.subarray(from, from + width), at);
    }
    for (const axis of starts.keys())
      if (typeof port.shape[axis] === 'string') starts[axis]! += part.dims[axis]!;
  }
  return { dims, data };
}

/** The sum of tensors of one shape, in float64 and rounded once. */
function sumOf(port: FactorPort, parts: readonly Weighted[]): FactorNumbers {
  const [first] = parts as [Weighted];
  if (parts.length === 1) return { dims: first.dims, data: times(port, first) };
  const sum = new Float64Array(first.data.length);
  for (const { data, by } of parts)
    for (let k = 0; k < sum.length; k++) sum[k]! += by * valueAt(port, data, k);
  return { dims: first.dims, data: rounded(port, sum) };
}

function times(port: FactorPort, { data, by }: Weighted): FactorNumbers['data'] {
  if (by === 1) return data;
  return rounded(
    port,
    Float64Array.from(data, (_, k) => by * valueAt(port, data, k)),
  );
}

const valueAt = ({ type }: FactorPort, data: FactorNumbers['data'], k: number): number =>
  type === 'float16' ? fromF16(data[k]!) : data[k]!;

const rounded = ({ type }: FactorPort, values: Float64Array): FactorNumbers['data'] =>
  type === 'float16' ? Uint16Array.from(values, toF16) : Float32Array.from(values);

const zeros = ({ type }: FactorPort, count: number): FactorNumbers['data'] =>
  type === 'float16' ? new Uint16Array(count) : new Float32Array(count);

/**
 * Factors that change nothing: of rank 0 where the model leaves the rank open, and zeros of rank 1 where a convolution reads
 * them, whose results over no channels ONNX Runtime does not write. Throws LOTR8123 for a wrap without such factors.
 */
export function switchedOff(ports: readonly FactorPort[]): ReadonlyMap<string, FactorNumbers> {
  return new Map(
    ports.map((port) => {
      if (port.row.spec.wrap === 'column-norm')
        refuse(
          'the wrap column-norm has no factors that change nothing',
          'use an adapter, or another session',
        );
      const dims = port.shape.map((extent) => (typeof extent === 'number' ? extent : port.convolved ? 1 : 0));
      return [port.name, { dims, data: zeros(port, elementCount(dims)) }];
    }),
  );
}
