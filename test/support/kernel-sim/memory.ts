import type { ArrayDecl, BufferParam, Storage } from '../../../src/backends/kernel/ir/kir.js';
import { fromBf16, fromF16, toBf16, toF16 } from '../../../src/ir/half.js';

/**
 * Contents of a buffer; narrower floats are kept as f32 values that the narrow type represents exactly: a store rounds,
 * the caller rounds inputs.
 */
export type Elements = Float32Array | Uint32Array;
/** Order of workgroups and invocations: as numbered, reversed, or shuffled by a seed. */
export type Order = 'forward' | 'reversed' | { readonly seed: number };

export interface Counts {
  /** elements of buffers */
  loads: number;
  stores: number;
  /** loads as instructions, of which one of a vector loads four elements; those of workgroup memory */
  fetches: number;
  peeks: number;
  /** floating-point operations; a fused multiply-add is two */
  flops: number;
  /** additional accesses of warps to workgroup memory (bank conflicts), single elements only; counted on request */
  bankConflicts: number;
}

export interface Thread {
  /** number in the whole launch */
  readonly global: number;
  readonly local: readonly [number, number, number];
  readonly group: readonly [number, number, number];
  readonly workgroup: ReadonlyMap<string, Shared>;
  readonly register: ReadonlyMap<string, Registers>;
  readonly subgroup: Subgroup;
  /** number in the subgroup */
  readonly peer: number;
  /** copies under way, by group, the oldest first */
  readonly copies: (() => void)[][];
  /** matrices that it has loaded with its subgroup */
  matrices: number;
}

/** Invocations that take part in one sum. */
export interface Subgroup {
  readonly size: number;
  /** which one of its workgroup */
  readonly number: number;
  /** invocations that have reached the sum, each with its value and the statement that needs the sum */
  readonly waiting: Map<number, { readonly value: number; readonly at: object }>;
  /** the last sum */
  sum: number;
  /** the matrices that it has loaded, each by the invocation that came first, with its place */
  readonly matrices: { readonly at: number; readonly held: Float64Array }[];
}

/** An error of a kernel at run time. */
export class KernelFault extends Error {
  constructor(
    readonly kind: 'bounds' | 'race' | 'unwritten' | 'barrier' | 'access' | 'subgroup',
    text: string,
  ) {
    super(`${kind}: ${text}`);
  }
}

const NOBODY = -1;

/** The buffers of a launch, by name. */
export class Buffers {
  readonly #buffers = new Map<string, Cells>();

  constructor(params: readonly BufferParam[], given: Readonly<Record<string, Elements>>, counts: Counts) {
    for (const param of params) {
      const data = given[param.name];
      if (!data) throw new Error(`no contents for the buffer ${param.name}`);
      if (data instanceof Uint32Array !== (param.elem === 'u32' || param.elem === 'u8'))
        throw new Error(`${param.name} holds ${param.elem}`);
      this.#buffers.set(param.name, new Cells(param, data, counts));
    }
  }

  of(name: string): Cells {
    const cells = this.#buffers.get(name);
    if (!cells) throw new Error(`the kernel binds no buffer ${name}`);
    return cells;
  }
}

/** Single elements of an array. */
const elementsOf = ({ size, vector }: ArrayDecl): number => (vector ? 4 * size : size);

const marks = (size: number) => new Int32Array(size).fill(NOBODY);

/**
 * A buffer. Invocations communicate only through workgroup memory, so an element that one writes and another touches is
 * a race, whatever their workgroups are.
 */
export class Cells {
  readonly #writer: Int32Array;
  readonly #reader: Int32Array;
  readonly #round: (value: number) => number;

  constructor(
    readonly param: BufferParam,
    readonly data: Elements,
    readonly counts: Counts,
  ) {
    this.#writer = marks(data.length);
    this.#reader = marks(data.length);
    this.#round = ROUND[param.elem];
  }

  read(index: number, global: number): number {
    this.counts.loads++;
    this.counts.fetches++;
    return this.look(index, global);
  }

  /** A vector, from a multiple of four on. */
  read4(index: number, global: number): number[] {
    this.#aligned(index);
    this.counts.loads += 4;
    this.counts.fetches++;
    return [0, 1, 2, 3].map((k) => this.look(index + k, global));
  }

  write4(index: number, values: readonly number[], global: number): void {
    this.#aligned(index);
    for (const [k, value] of values.entries()) this.write(index + k, value, global);
  }

  #aligned(index: number): void {
    const { name, vector } = this.param;
    if (!vector || index % 4 !== 0) throw new KernelFault('access', `${name}[${index}] begins no vector`);
  }

  /** An element that another thread loads for this one. */
  look(index: number, global: number): number {
    if (index >= this.data.length) this.#beyond(index);
    const by = this.#writer[index]!;
    if ((by !== NOBODY && by !== global) || this.param.access === 'write') this.#misread(index, global);
    this.#reader[index] = global;
    return this.data[index]!;
  }

  write(index: number, value: number, global: number): void {
    if (index >= this.data.length) this.#beyond(index);
    const [writer, reader] = [this.#writer[index]!, this.#reader[index]!];
    if (
      (writer !== NOBODY && writer !== global) ||
      (reader !== NOBODY && reader !== global) ||
      this.param.access === 'read'
    )
      this.#miswritten(index, global);
    this.#writer[index] = global;
    this.counts.stores++;
    this.data[index] = this.#round(value);
  }

  /** The index of an element of a matrix in the buffer, after its coordinates were checked. */
  at(i: number, j: number, rows: number, cols: number, down: number, across: number, first: number): number {
    if (i >= rows) this.#outside(i, 0, rows);
    if (j >= cols) this.#outside(j, 1, cols);
    return (first + Math.imul(i, down) + Math.imul(j, across)) >>> 0;
  }

  /** The same of an array with any number of axes. */
  place(
    at: readonly number[],
    extents: readonly number[],
    strides: readonly number[],
    first: number,
  ): number {
    let index = first;
    for (let axis = 0; axis < at.length; axis++) {
      if (at[axis]! >= extents[axis]!) this.#outside(at[axis]!, axis, extents[axis]!);
      index += Math.imul(at[axis]!, strides[axis]!);
    }
    return index >>> 0;
  }

  #outside(value: number, axis: number, extent: number): never {
    throw new KernelFault('bounds', `${this.param.name}: ${value} on axis ${axis} of ${extent}`);
  }

  #beyond(index: number): never {
    throw new KernelFault('bounds', `${this.param.name}[${index}] of ${this.data.length}`);
  }

  #misread(index: number, global: number): never {
    const { name, access } = this.param;
    if (access === 'write') throw new KernelFault('access', `${name} is only written`);
    const by = this.#writer[index];
    throw new KernelFault('race', `${name}[${index}] is written by ${by}, read by ${global}`);
  }

  #miswritten(index: number, global: number): never {
    const { name, access } = this.param;
    if (access === 'read') throw new KernelFault('access', `${name} is only read`);
    const others = [this.#writer[index]!, this.#reader[index]!];
    const other = others.find((one) => one !== NOBODY && one !== global);
    throw new KernelFault('race', `${name}[${index}]: ${other} and ${global}`);
  }
}

/** A value as a buffer keeps it. */
const ROUND: Readonly<Record<Storage, (value: number) => number>> = {
  f32: (value) => value,
  u32: (value) => value,
  u8: (value) => value,
  f16: (value) => fromF16(toF16(value)),
  bf16: (value) => fromBf16(toBf16(value)),
};

/** The register arrays of one invocation, which are zero at first. */
export const registersOf = (decls: readonly ArrayDecl[]): ReadonlyMap<string, Registers> =>
  new Map(decls.filter(({ space }) => space === 'register').map((decl) => [decl.name, new Registers(decl)]));

/** The arrays of one workgroup. */
export const sharedOf = (decls: readonly ArrayDecl[]): ReadonlyMap<string, Shared> =>
  new Map(decls.filter(({ space }) => space === 'workgroup').map((decl) => [decl.name, new Shared(decl)]));

export class Registers {
  readonly #values: Float32Array | Uint32Array;
  readonly #round: (value: number) => number;

  constructor(readonly decl: ArrayDecl) {
    this.#values = decl.elem === 'u32' ? new Uint32Array(decl.size) : new Float32Array(elementsOf(decl));
    this.#round = ROUND[decl.elem ?? 'f32'];
  }

  read4(index: number): number[] {
    return [0, 1, 2, 3].map((k) => this.read(4 * index + k));
  }

  write4(index: number, values: readonly number[]): void {
    for (const [k, value] of values.entries()) this.write(4 * index + k, value);
  }

  read(index: number): number {
    if (index >= this.#values.length) beyond(this.decl, index);
    return this.#values[index]!;
  }

  write(index: number, value: number): void {
    if (index >= this.#values.length) beyond(this.decl, index);
    this.#values[index] = this.#round(value);
  }
}

/** Bits of a mark: the invocation, as no workgroup has more of them, one that says "several", and above them the interval. */
const [SEVERAL, INTERVAL] = [1 << 10, 11];

/** An array of a workgroup. A mark says who wrote or read an element last, and in which interval between two barriers. */
export class Shared {
  readonly #values: Float32Array | Uint32Array;
  readonly #round: (value: number) => number;
  readonly #written: Int32Array;
  readonly #read: Int32Array;
  #interval = 0;
  /** reads so far; one of a vector counts once */
  peeks = 0;

  constructor(readonly decl: ArrayDecl) {
    const { elem = 'f32' } = decl;
    const size = elementsOf(decl);
    this.#values = elem === 'u32' ? new Uint32Array(size) : new Float32Array(size);
    this.#round = ROUND[elem];
    this.#written = marks(size);
    this.#read = marks(size);
  }

  /** A barrier was passed. */
  nextInterval(): void {
    this.#interval++;
  }

  read4(index: number, global: number): number[] {
    this.peeks -= 3;
    return [0, 1, 2, 3].map((k) => this.read(4 * index + k, global));
  }

  write4(index: number, values: readonly number[], global: number): void {
    for (const [k, value] of values.entries()) this.write(4 * index + k, value, global);
  }

  #mark(global: number): number {
    return (this.#interval << INTERVAL) | (global & (SEVERAL - 1));
  }

  read(index: number, global: number): number {
    if (index >= this.#values.length) beyond(this.decl, index);
    const [now, mark] = [this.#interval, this.#mark(global)];
    const writer = this.#written[index]!;
    if (writer === NOBODY || (writer !== mark && writer >> INTERVAL === now)) this.#misread(index, global);
    // after a second reader any later writer races with one of the two
    const reader = this.#read[index]!;
    this.peeks++;
    this.#read[index] = reader !== mark && reader >> INTERVAL === now ? (now << INTERVAL) | SEVERAL : mark;
    return this.#values[index]!;
  }

  /** Reads `count` elements, `step` apart. */
  readAll(from: number, step: number, count: number, global: number, to: Float64Array, at: number): void {
    const [values, written, read] = [this.#values, this.#written, this.#read];
    const [now, mark] = [this.#interval, this.#mark(global)];
    const several = (now << INTERVAL) | SEVERAL;
    for (let k = 0; k < count; k++) {
      const index = from + k * step;
      if (index >= values.length) beyond(this.decl, index);
      const writer = written[index]!;
      if (writer === NOBODY || (writer !== mark && writer >> INTERVAL === now)) this.#misread(index, global);
      const reader = read[index]!;
      read[index] = reader !== mark && reader >> INTERVAL === now ? several : mark;
      to[at + k] = values[index]!;
    }
  }

  #misread(index: number, global: number): never {
    const place = `${this.decl.name}[${index}]`;
    if (this.#written[index] === NOBODY) throw new KernelFault('unwritten', place);
    throw new KernelFault('race', `${place} was just written by another, read by ${global}`);
  }

  write(index: number, value: number, global: number): void {
    if (index >= this.#values.length) beyond(this.decl, index);
    const [now, mark] = [this.#interval, this.#mark(global)];
    const [writer, reader] = [this.#written[index]!, this.#read[index]!];
    if ((writer !== mark && writer >> INTERVAL === now) || (reader !== mark && reader >> INTERVAL === now)) {
      const place = `${this.decl.name}[${index}]`;
      throw new KernelFault('race', `${place} is written by ${global} while another uses it`);
    }
    this.#values[index] = this.#round(value);
    this.#written[index] = mark;
  }
}

function beyond({ name, size }: ArrayDecl, index: number): never {
  throw new KernelFault('bounds', `${name}[${index}] of ${size}`);
}

/** The numbers below `count` in the given order; `salt` varies shuffles. */
export function permutation(count: number, order: Order, salt: number): readonly number[] {
  const numbers = Array.from({ length: count }, (_, index) => index);
  if (order === 'forward') return numbers;
  if (order === 'reversed') return numbers.reverse();
  let state = (order.seed * 2654435761 + salt * 40503 + 1) >>> 0;
  for (let at = count - 1; at > 0; at--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (at + 1));
    [numbers[at], numbers[other]] = [numbers[other]!, numbers[at]!];
  }
  return numbers;
}
