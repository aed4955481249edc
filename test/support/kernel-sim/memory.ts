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
  readonly vars: Float64Array;
  readonly shared: Arrays;
  readonly registers: Arrays;
  /** fragments of matrix units by name and number: what this thread's results need of them */
  readonly fragments: Map<string, Float64Array>;
  readonly subgroup: Subgroup;
  /** number in the subgroup */
  readonly peer: number;
  /** copies under way, by group, the oldest first */
  readonly copies: (() => void)[][];
}

/** Invocations that take part in one sum. */
export interface Subgroup {
  readonly size: number;
  /** invocations that have reached the sum, each with its value and the statement that needs the sum */
  readonly waiting: Map<number, { readonly value: number; readonly at: object }>;
  /** the last sum */
  sum: number;
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

/**
 * Buffers of a launch. Invocations communicate only through workgroup memory, so an element that one writes and
 * another touches is a race, whatever their workgroups are.
 */
export class Buffers {
  readonly #buffers = new Map<
    string,
    { data: Elements; param: BufferParam; writer: Int32Array; reader: Int32Array }
  >();

  constructor(
    params: readonly BufferParam[],
    given: Readonly<Record<string, Elements>>,
    readonly counts: Counts,
  ) {
    for (const param of params) {
      const data = given[param.name];
      if (!data) throw new Error(`no contents for the buffer ${param.name}`);
      if (data instanceof Uint32Array !== (param.elem === 'u32'))
        throw new Error(`${param.name} holds ${param.elem}`);
      const marks = () => new Int32Array(data.length).fill(NOBODY);
      this.#buffers.set(param.name, { data, param, writer: marks(), reader: marks() });
    }
  }

  fault(kind: KernelFault['kind'], text: string): never {
    throw new KernelFault(kind, text);
  }

  #at(name: string, index: number) {
    const buffer = this.#buffers.get(name);
    if (!buffer) throw new Error(`the kernel binds no buffer ${name}`);
    if (index >= buffer.data.length) this.fault('bounds', `${name}[${index}] of ${buffer.data.length}`);
    return buffer;
  }

  read(name: string, index: number, thread: Thread): number {
    this.counts.loads++;
    return this.look(name, index, thread);
  }

  /** An element that another thread loads for this one. */
  look(name: string, index: number, { global }: Thread): number {
    const { data, param, writer, reader } = this.#at(name, index);
    if (param.access === 'write') this.fault('access', `${name} is only written`);
    const by = writer[index]!;
    if (by !== NOBODY && by !== global)
      this.fault('race', `${name}[${index}] is written by ${by}, read by ${global}`);
    reader[index] = global;
    return data[index]!;
  }

  write(name: string, index: number, value: number, { global }: Thread): void {
    const { data, param, writer, reader } = this.#at(name, index);
    if (param.access === 'read') this.fault('access', `${name} is only read`);
    for (const other of [writer[index]!, reader[index]!]) {
      if (other !== NOBODY && other !== global)
        this.fault('race', `${name}[${index}]: ${other} and ${global}`);
    }
    writer[index] = global;
    this.counts.stores++;
    data[index] = ROUND[param.elem](value);
  }
}

/** A value as a buffer keeps it. */
const ROUND: Readonly<Record<Storage, (value: number) => number>> = {
  f32: (value) => value,
  u32: (value) => value,
  f16: (value) => fromF16(toF16(value)),
  bf16: (value) => fromBf16(toBf16(value)),
};

interface Cells {
  readonly values: Float32Array;
  readonly round: (value: number) => number;
  /** invocation and interval of the last write and read */
  readonly written: Int32Array;
  readonly writtenIn: Int32Array;
  readonly readBy: Int32Array;
  readonly readIn: Int32Array;
}

/** Arrays of one workgroup, or the register arrays of one invocation (which are zero at first). */
export class Arrays {
  readonly #cells = new Map<string, Cells>();
  #interval = 0;

  constructor(
    decls: readonly ArrayDecl[],
    readonly space: ArrayDecl['space'],
  ) {
    const first = space === 'register' ? 0 : NOBODY;
    for (const { name, size, elem = 'f32' } of decls.filter((decl) => decl.space === space)) {
      const marks = (value: number) => new Int32Array(size).fill(value);
      this.#cells.set(name, {
        values: new Float32Array(size),
        round: ROUND[elem],
        written: marks(first),
        writtenIn: marks(NOBODY),
        readBy: marks(NOBODY),
        readIn: marks(NOBODY),
      });
    }
  }

  has(name: string): boolean {
    return this.#cells.has(name);
  }

  /** A barrier was passed. */
  nextInterval(): void {
    this.#interval++;
  }

  #at(name: string, index: number): Cells {
    const cells = this.#cells.get(name);
    if (!cells) throw new Error(`the kernel declares no array ${name}`);
    if (index >= cells.values.length)
      throw new KernelFault('bounds', `${name}[${index}] of ${cells.values.length}`);
    return cells;
  }

  read(name: string, index: number, { global }: Thread): number {
    const { values, written, writtenIn, readBy, readIn } = this.#at(name, index);
    if (this.space === 'register') return values[index]!;
    if (written[index] === NOBODY) throw new KernelFault('unwritten', `${name}[${index}]`);
    if (writtenIn[index] === this.#interval && written[index] !== global) {
      throw new KernelFault('race', `${name}[${index}]: written by ${written[index]}, read by ${global}`);
    }
    // a second reader is recorded without a number: any later writer then races with one of the two
    readBy[index] = readIn[index] === this.#interval && readBy[index] !== global ? -2 : global;
    readIn[index] = this.#interval;
    return values[index]!;
  }

  write(name: string, index: number, value: number, { global }: Thread): void {
    const { values, round, written, writtenIn, readBy, readIn } = this.#at(name, index);
    values[index] = round(value);
    if (this.space === 'register') return;
    const now = this.#interval;
    if (
      (writtenIn[index] === now && written[index] !== global) ||
      (readIn[index] === now && readBy[index] !== global)
    ) {
      throw new KernelFault('race', `${name}[${index}] is written by ${global} while another uses it`);
    }
    written[index] = global;
    writtenIn[index] = now;
  }
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
