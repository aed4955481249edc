import {
  elementOf,
  type FragmentDecl,
  UNIT,
  UNIT_INNER,
  UNIT_RESULTS,
  type UnitStmt,
  type UnitType,
  WARP,
} from '../../../src/backends/kernel/ir/units.js';
import type { Banks } from './banks.js';
import type { Machine } from './code.js';
import { fragmentOf, matrixCode } from './matrices.js';
import { type Cells, KernelFault, type Registers, type Shared, type Thread } from './memory.js';

/**
 * Statements of matrix units and asynchronous copies, thread by thread. A thread keeps the part of a fragment that its
 * own results need; the hardware distributes the elements differently, with the same results, since nothing writes a
 * tile while it is read. The data of a copy is there after the `wait`; until then its target holds NaN.
 */
export function unitCode(stmt: UnitStmt, machine: Machine): string {
  if (machine.kernel.matrix) return matrixCode(stmt, machine, machine.kernel.matrix);
  switch (stmt.s) {
    case 'fragment': {
      const decl = fragmentOf(machine.kernel, stmt.fragment);
      const load = machine.constant(loader(decl, stmt));
      const [index, at] = [machine.value(stmt.index), machine.value(stmt.at)];
      const touched = machine.banks
        ? `${machine.constant(toucher(decl, stmt, machine.banks))}(t, ${at}); `
        : '';
      const one = `${touched}f_${decl.name}[${index}] = ${load}(t, a_${stmt.tile}, ${at});`;
      if (!stmt.pair) return one;
      const next = UNIT.cols * (stmt.transposed ? stmt.stride : 1);
      return `${one} f_${decl.name}[${index} + 1] = ${load}(t, a_${stmt.tile}, ${at} + ${next});`;
    }
    case 'mma': {
      const { type } = fragmentOf(machine.kernel, stmt.a);
      const inner = UNIT_INNER[type as UnitType];
      const [at, a, b] = [stmt.at, stmt.aIndex, stmt.bIndex].map((index) => machine.value(index));
      const multiply = machine.constant(multiplier(inner, stmt, type === 'tf32x3'));
      return (
        `${multiply}(f_${stmt.a}, ${a}, f_${stmt.b}, ${b}, a_${stmt.acc}, ${at}); ` +
        `flops += ${2 * inner * UNIT_RESULTS};`
      );
    }
    case 'copy': {
      const from = machine.address(stmt.view, stmt.at);
      const index = stmt.mask ? `(${machine.value(stmt.mask)} ? ${from} : -1)` : from;
      const to = machine.value(stmt.index);
      const given = [machine.buffer(stmt.view.buffer), index, `a_${stmt.array}`, to];
      const touched = machine.banks
        ? `${machine.constant(machine.banks)}.touch('${stmt.array}', ${to}, t, ${stmt.count}); `
        : '';
      return `${touched}${machine.constant(copy)}(t, ${given.join(', ')}, ${stmt.count});`;
    }
    case 'fetch': {
      const index = `(${machine.value(stmt.mask)} ? ${machine.address(stmt.view, stmt.coordinates)} : -1)`;
      const given = [machine.buffer(stmt.view.buffer), index, `a_${stmt.array}`, machine.value(stmt.at)];
      return `${machine.constant(fetchWords)}(g, ${given.join(', ')}, ${stmt.count});`;
    }
    case 'unpack': {
      const numbers = [stmt.at, stmt.index, stmt.scale].map((part) => machine.value(part));
      const of = 'zero' in stmt.of ? machine.value(stmt.of.zero) : `a_${stmt.of.table}`;
      return `${machine.constant(unpacker(stmt))}(g, a_${stmt.from}, a_${stmt.array}, ${numbers.join(', ')}, ${of});`;
    }
    case 'load8':
    case 'store8': {
      const index = `(${machine.value(stmt.mask)} ? ${machine.address(stmt.view, stmt.at)} : -1)`;
      const given = [machine.buffer(stmt.view.buffer), index, `a_${stmt.array}`, machine.value(stmt.index)];
      return `${machine.constant(stmt.s === 'load8' ? loadEight : storeEight)}(g, ${given.join(', ')});`;
    }
    case 'take':
    case 'put': {
      const [at, index] = [machine.value(stmt.at), machine.value(stmt.index)];
      const touched = machine.banks
        ? `${machine.constant(machine.banks)}.touch('${stmt.array}', ${index}, t, 4); `
        : '';
      const [move, own] = stmt.s === 'take' ? [takeFour, stmt.to] : [putFour, stmt.from];
      return `${touched}${machine.constant(move)}(g, a_${stmt.array}, ${index}, a_${own}, ${at});`;
    }
    case 'spill':
    case 'clear':
      throw new Error(`the kernel has no matrices of subgroups for a ${stmt.s}`);
    case 'commit':
      return 't.copies.push([]);';
    case 'wait':
      return `${machine.constant(arrived)}(t, ${stmt.pending});`;
  }
}

/**
 * Counts the accesses of a fragment as the hardware makes them: of 16-bit elements rows of 16 bytes, which eight threads name
 * at once (`ldmatrix`); of others every thread takes its own, one at a time.
 */
function toucher(
  { part, type }: FragmentDecl,
  { tile, stride, transposed, pair }: Extract<UnitStmt, { s: 'fragment' }>,
  banks: Banks,
) {
  // places along rows and columns of the operand as it is stored; b is stored the other way round
  const place = (outer: number, k: number) =>
    (part === 'a') === transposed ? outer + k * stride : outer * stride + k;
  return (thread: Thread, first: number): void => {
    const lane = thread.global % WARP;
    if (elementOf(type) === 'f32') {
      const [outer, k] = [lane >> 2, lane & 3];
      const rows = part === 'a' ? [0, 8] : [0];
      for (const along of [0, 4])
        for (const row of rows) banks.touch(tile, first + place(outer + row, k + along), thread);
      return;
    }
    // matrices of 8 x 8: four, or two of one operand b
    const [row, low, high] = [lane & 7, (lane >> 3) & 1, lane >> 4];
    if (part === 'b' && !pair && high > 0) return;
    const [outer, k] = part === 'a' ? [8 * low, 8 * high] : [8 * high, 8 * low];
    const rowsOuter = (part === 'a') !== transposed;
    banks.touch(tile, first + (rowsOuter ? place(outer + row, k) : place(outer, k + row)), thread, 8);
  };
}

/** Loads the part of a fragment that a thread's results need. */
function loader(
  { part, type: of }: FragmentDecl,
  { stride, transposed }: Extract<UnitStmt, { s: 'fragment' }>,
) {
  const type = of as UnitType;
  const inner = UNIT_INNER[type];
  // a's rows are stored as rows, b's columns as columns, or the other way around
  const [across, along] = (part === 'a') === transposed ? [1, stride] : [stride, 1];
  return (thread: Thread, tile: Shared, first: number): Float64Array => {
    const held = new Float64Array(type === 'tf32x3' ? 4 * inner : 2 * inner);
    const outer = ownOuter(part as 'a' | 'b', thread);
    for (let row = 0; row < 2; row++)
      tile.readAll(first + outer[row]! * across, along, inner, thread.global, held, row * inner);
    if (elementOf(type) !== 'f32') return held;
    for (let k = 0; k < 2 * inner; k++) {
      const whole = held[k]!;
      held[k] = tf32(whole);
      if (type === 'tf32x3') held[2 * inner + k] = tf32(whole - held[k]!);
    }
    return held;
  };
}

type Fragments = readonly (Float64Array | undefined)[];

/** `three`: what was rounded away of one operand times the other as well. */
function multiplier(inner: number, { a, b }: Extract<UnitStmt, { s: 'mma' }>, three: boolean) {
  const rest = 2 * inner;
  const terms = three
    ? ([
        [rest, 0],
        [0, rest],
        [0, 0],
      ] as const)
    : ([[0, 0]] as const);
  return (as: Fragments, aIndex: number, bs: Fragments, bIndex: number, acc: Registers, at: number): void => {
    const rows = as[aIndex] ?? unwritten(a, aIndex);
    const cols = bs[bIndex] ?? unwritten(b, bIndex);
    for (let e = 0; e < UNIT_RESULTS; e++) {
      const [row, col] = [(e >> 1) * inner, (e & 1) * inner];
      for (const [inRows, inCols] of terms) {
        let sum = acc.read(at + e);
        for (let k = 0; k < inner; k++) sum += rows[inRows + row + k]! * cols[inCols + col + k]!;
        acc.write(at + e, Math.fround(sum));
      }
    }
  };
}

function unwritten(name: string, index: number): never {
  throw new KernelFault('unwritten', `fragment ${name}[${index}]`);
}

/** Begins a copy from an index of a buffer; of zeros where it is negative. */
function copy(thread: Thread, buffer: Cells, from: number, array: Shared, to: number, count: number): void {
  const { global, copies } = thread;
  for (let n = 0; n < count; n++) array.write(to + n, Number.NaN, global);
  copies.at(-1)!.push(() => {
    for (let n = 0; n < count; n++) array.write(to + n, from < 0 ? 0 : buffer.read(from + n, global), global);
  });
}

/** Loads four numbers into a register array. */
function takeFour(global: number, from: Shared, index: number, to: Registers, at: number): void {
  from.peeks -= 3;
  for (let n = 0; n < 4; n++) to.write(at + n, from.read(index + n, global));
}

/** Stores four numbers of a register array. */
function putFour(global: number, to: Shared, index: number, from: Registers, at: number): void {
  for (let n = 0; n < 4; n++) to.write(index + n, from.read(at + n), global);
}

/** Loads words into a register array; zeros where the index is negative. */
function fetchWords(
  global: number,
  buffer: Cells,
  from: number,
  to: Registers,
  at: number,
  count: number,
): void {
  for (let n = 0; n < count; n++) to.write(at + n, from < 0 ? 0 : buffer.read(from + n, global));
}

function loadEight(global: number, buffer: Cells, from: number, to: Registers, at: number): void {
  for (let n = 0; n < 8; n++) to.write(at + n, from < 0 ? 0 : buffer.read(from + n, global));
}

function storeEight(global: number, buffer: Cells, to: number, from: Registers, at: number): void {
  for (let n = 0; to >= 0 && n < 8; n++) buffer.write(to + n, from.read(at + n), global);
}

/** Writes the numbers of words to an array of a workgroup. */
function unpacker({ count, bits }: Extract<UnitStmt, { s: 'unpack' }>) {
  const each = 32 / bits;
  return (
    global: number,
    words: Registers,
    to: Shared,
    at: number,
    index: number,
    scale: number,
    of: number | Shared,
  ) => {
    for (let n = 0; n < count * each; n++) {
      const word = words.read(at + Math.floor(n / each));
      const value =
        typeof of === 'number'
          ? unpacked(word, bits, n % each, of, scale)
          : Math.fround(of.read(codeOf(word, n % each), global) * scale);
      to.write(index + n, value, global);
    }
  };
}

/** The n-th code of four bits in a word, the first of a byte in its high half. */
export const codeOf = (word: number, n: number): number => (word >>> (4 * (n ^ 1))) & 15;

/** The n-th whole number of a word as kernels unpack it, in f32. */
export const unpacked = (word: number, bits: 4 | 8, n: number, zero: number, scale: number): number =>
  Math.fround(Math.fround(((word >>> (bits * n)) & (2 ** bits - 1)) - zero) * scale);

/** All groups of copies but the last `pending` have arrived; the last one is still open. */
function arrived({ copies }: Thread, pending: number): void {
  while (copies.length - 1 > pending) for (const arrive of copies.shift()!) arrive();
}

/** The two rows of `a`, or columns of `b`, that the results of a thread lie in. */
function ownOuter(part: 'a' | 'b', { local: [x] }: Thread): readonly [number, number] {
  const lane = x % WARP;
  const [g, t] = [Math.floor(lane / 4), lane % 4];
  return part === 'a' ? [g, g + UNIT.rows / 2] : [2 * t, 2 * t + 1];
}

const bits = new DataView(new ArrayBuffer(4));

/** Rounds to 10 bits of fraction, ties away from zero, as `cvt.rna.tf32` does. */
export function tf32(value: number): number {
  if (!Number.isFinite(value)) return value;
  bits.setFloat32(0, value);
  bits.setUint32(0, (bits.getUint32(0) + 0x1000) & 0xffffe000);
  return bits.getFloat32(0);
}
