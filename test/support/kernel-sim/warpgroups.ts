import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { UNIT, UNIT_INNER, WARP } from '../../../src/backends/kernel/ir/units.js';
import {
  BOX,
  type Boxed,
  isPackedOperand,
  type MapParam,
  type PackedOperand,
  type RingDecl,
  WARPGROUP,
  WARPGROUP_UNIT,
  type WarpgroupStmt,
} from '../../../src/backends/kernel/ir/warpgroups.js';
import { fromBf16, fromF16, toBf16, toF16 } from '../../../src/ir/half.js';
import { CODE_TABLES, type CodeTable } from '../../../src/ir/ops/core/code-tables.js';
import type { Machine } from './code.js';
import type { Cells, Counts, Registers, Thread } from './memory.js';
import { codeOf, unpacked } from './units.js';

/** A matrix as the copy engine sees it: its lengths, its first element, and the elements from row to row. */
type Box = readonly [rows: number, cols: number, offset: number, stride: number];

/**
 * Statements of warpgroups. The interpreter has no ring: `drain` multiplies the matrices directly, with the sums of
 * every 16 steps rounded to f32, and `feed` counts what the copy engine loads.
 */
export function groupCode(stmt: WarpgroupStmt, machine: Machine): string {
  const ring = ringOf(machine.kernel);
  if (stmt.s === 'send') {
    const map = mapOf(machine.kernel, stmt.map);
    const sender = machine.constant(sends(ring, machine.memory.of(map.view.buffer)));
    const given = [machine.value(stmt.row), machine.value(stmt.col), boxOf(map, machine)].join(', ');
    return `${sender}(t, a_${stmt.acc}, ${given});`;
  }
  if (stmt.s !== 'feed' && stmt.s !== 'drain') return '';
  const { a, b } = stmt.tiles;
  const place = [stmt.tiles.inner, stmt.tiles.row, stmt.tiles.col].map((part) => machine.value(part));
  const boxes = [a, b].map((operand) =>
    isPackedOperand(operand) ? '[]' : boxOf(mapOf(machine.kernel, operand.map), machine),
  );
  const given = [...place, ...boxes].join(', ');
  if (stmt.s === 'feed')
    return `if (l0 === 0) ${machine.constant(feeder(ring, a, b, machine.counts))}(${given});`;
  const readerOf = (operand: Boxed | PackedOperand): Reader =>
    isPackedOperand(operand)
      ? unpackedReader(operand, ring, machine)
      : boxReader(machine.memory.of(mapOf(machine.kernel, operand.map).view.buffer));
  const drain = machine.constant(drainer(ring, [a, readerOf(a)], [b, readerOf(b)], machine.counts));
  return `${drain}(t, a_${stmt.acc}, ${given});`;
}

/** Counts the elements of tiles that lie inside of their matrices. Those that a pair shares are brought once, and counted of its first block. */
function feeder(ring: RingDecl, a: Boxed, b: Boxed | PackedOperand, counts: Counts) {
  const inside = ([rows, cols]: Box, { transposed }: Boxed, r0: number, r: number, c0: number, c: number) => {
    const [height, width] = transposed ? [cols, rows] : [rows, cols];
    const within = (from: number, count: number, end: number) => Math.max(0, Math.min(count, end - from));
    return within(r0, r, height) * within(c0, c, width);
  };
  return (inner: number, row: number, col: number, boxA: Box, boxB: Box): void => {
    counts.loads += inside(boxA, a, row, ring.rows, 0, inner);
    if (!isPackedOperand(b) && (!ring.pair || (row / ring.rows) % 2 === 0))
      counts.loads += inside(boxB, b, 0, inner, col, ring.cols);
  };
}

/** An element of a matrix by row and column in memory; zero outside. */
type Reader = (box: Box, i: number, j: number, global: number) => number;

const boxReader =
  (buffer: Cells): Reader =>
  ([rows, cols, offset, stride], i, j, global) =>
    i < rows && j < cols ? buffer.look(offset + i * stride + j, global) : 0;

/** Numbers of a packed matrix, rounded to the type of the ring. */
function unpackedReader(
  { words, scales, zeros, table, how }: PackedOperand,
  ring: RingDecl,
  { memory }: Machine,
): Reader {
  const [word, scale] = [words, scales].map(({ buffer }) => memory.of(buffer)) as [Cells, Cells];
  const zero = zeros && memory.of(zeros.buffer);
  const { bits, block } = how;
  const each = 32 / bits;
  const [rows, blocks] = scales.extents.map(({ e, ...rest }) =>
    e === 'lit' ? (rest as { value: number }).value : 0,
  ) as [number, number];
  const zeroRow = zeros ? (zeros.strides[0] as { value: number }).value : 0;
  const numbers = table === null ? null : CODE_TABLES[table.replace('table_', '') as CodeTable];
  const round =
    ring.type === 'f16'
      ? (value: number) => fromF16(toF16(value))
      : (value: number) => fromBf16(toBf16(value));
  return (_, i, j, global) => {
    const own = Math.floor(j / block);
    if (i >= rows || own >= blocks) return 0;
    const place = i * blocks + own;
    const found = word.look(place * (block / each) + Math.floor((j % block) / each), global);
    const by = scale.look(place, global);
    if (numbers) return round(Math.fround(Math.fround(numbers[codeOf(found, j % each)]!) * by));
    const point =
      zero === null
        ? 2 ** (bits - 1)
        : zero.param.elem !== 'u8' || bits === 8
          ? zero.look(i * zeroRow + own, global)
          : (zero.look(i * zeroRow + (own >> 1), global) >> (4 * (own % 2))) & 15;
    return round(unpacked(found, bits, j % each, point, by));
  };
}

/** Adds the products of the tiles to a thread's results. */
function drainer(
  ring: RingDecl,
  [a, from]: readonly [{ readonly transposed: boolean }, Reader],
  [b, by]: readonly [{ readonly transposed: boolean }, Reader],
  counts: Counts,
) {
  const step = UNIT_INNER[ring.type];
  return (thread: Thread, acc: Registers, inner: number, row: number, col: number, boxA: Box, boxB: Box) => {
    const { global } = thread;
    for (let at = 0; at < ring.cols / 2; at++) {
      const [i, j] = placeOf(thread, at, row, col);
      let sum = acc.read(at);
      for (let k0 = 0; k0 < inner; k0 += step) {
        for (let k = k0; k < Math.min(k0 + step, inner); k++) {
          sum +=
            (a.transposed ? from(boxA, k, i, global) : from(boxA, i, k, global)) *
            (b.transposed ? by(boxB, j, k, global) : by(boxB, k, j, global));
        }
        sum = Math.fround(sum);
      }
      acc.write(at, sum);
    }
    counts.flops += ring.cols * BOX * Math.ceil(inner / BOX);
  };
}

/** Row and column of a thread's result. */
function placeOf(thread: Thread, at: number, row: number, col: number): readonly [number, number] {
  const lane = thread.local[0] - WARPGROUP;
  const [unit, e] = [Math.floor(at / 4), at % 4];
  const own = row + UNIT.rows * Math.floor(lane / WARP) + Math.floor((lane % WARP) / 4);
  return [own + (UNIT.rows / 2) * (e >> 1), col + WARPGROUP_UNIT * unit + 2 * (lane % 4) + (e & 1)];
}

/** Writes a thread's results that lie inside of their matrix. */
function sends(ring: RingDecl, to: Cells) {
  return (
    thread: Thread,
    acc: Registers,
    row: number,
    col: number,
    [rows, cols, offset, stride]: Box,
  ): void => {
    for (let at = 0; at < ring.cols / 2; at++) {
      const [i, j] = placeOf(thread, at, row, col);
      if (i < rows && j < cols) to.write(offset + i * stride + j, acc.read(at), thread.global);
    }
  };
}

function ringOf({ ring }: Kernel): RingDecl {
  if (!ring) throw new Error('the kernel declares no ring');
  return ring;
}

function mapOf({ maps = [] }: Kernel, name: string): MapParam {
  const found = maps.find((map) => map.name === name);
  if (!found) throw new Error(`the kernel declares no map ${name}`);
  return found;
}

const boxOf = ({ view: { extents, offset, strides } }: MapParam, machine: Machine): string =>
  `[${[...extents, offset, strides[0]!].map((part) => machine.value(part)).join(', ')}]`;
