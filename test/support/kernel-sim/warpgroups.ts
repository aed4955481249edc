import type { Kernel, U32 } from '../../../src/backends/kernel/ir/kir.js';
import { UNIT, UNIT_INNER, WARP } from '../../../src/backends/kernel/ir/units.js';
import {
  BOX,
  type MapParam,
  type RingDecl,
  WARPGROUP,
  WARPGROUP_UNIT,
  type WarpgroupStmt,
} from '../../../src/backends/kernel/ir/warpgroups.js';
import type { Buffers, Counts, Thread } from './memory.js';

/** What the code of a statement needs from the interpreter. */
interface Machine {
  readonly kernel: Kernel;
  readonly memory: Buffers;
  readonly counts: Counts;
  value(expr: U32): (thread: Thread) => number;
}

/** Element (row, col) of a matrix as it is stored, or null outside of it. */
type Place = (row: number, col: number) => number | null;

/**
 * Statements of warpgroups. The interpreter has no ring: `drain` multiplies the matrices directly, with the sums of
 * every 16 steps rounded to f32, and `feed` counts what the copy engine loads.
 */
export function groupCode(stmt: WarpgroupStmt, machine: Machine): (thread: Thread) => void {
  if (stmt.s !== 'feed' && stmt.s !== 'drain') return () => {};
  const { counts, memory } = machine;
  const ring = ringOf(machine.kernel);
  const { a, b } = stmt.tiles;
  const [row, col, inner] = [stmt.tiles.row, stmt.tiles.col, stmt.tiles.inner].map((part) =>
    machine.value(part),
  ) as [Value, Value, Value];
  const [mapA, mapB] = [a, b].map(({ map }) => placesOf(mapOf(machine.kernel, map), machine)) as [
    ReturnType<typeof placesOf>,
    ReturnType<typeof placesOf>,
  ];
  const bufferOf = ({ map }: typeof a) => mapOf(machine.kernel, map).view.buffer;
  if (stmt.s === 'feed') {
    return (thread) => {
      if (thread.local[0] !== 0) return;
      const inside = (
        place: Place,
        transposed: boolean,
        [r0, rows]: readonly [number, number],
        [c0, cols]: readonly [number, number],
      ) => {
        for (let i = 0; i < rows; i++)
          for (let j = 0; j < cols; j++) {
            if ((transposed ? place(c0 + j, r0 + i) : place(r0 + i, c0 + j)) !== null) counts.loads++;
          }
      };
      const [k, m, n] = [inner(thread), row(thread), col(thread)];
      inside(mapA(thread), a.transposed, [m, ring.rows], [0, k]);
      inside(mapB(thread), b.transposed, [0, k], [n, ring.cols]);
    };
  }
  const step = UNIT_INNER[ring.type];
  return (thread) => {
    const [length, placeA, placeB] = [inner(thread), mapA(thread), mapB(thread)];
    const element = (place: Place, buffer: string, i: number, j: number, transposed: boolean) => {
      const at = transposed ? place(j, i) : place(i, j);
      return at === null ? 0 : memory.look(buffer, at, thread);
    };
    const lane = thread.local[0] - WARPGROUP;
    const own = row(thread) + UNIT.rows * Math.floor(lane / WARP) + Math.floor((lane % WARP) / 4);
    for (let at = 0; at < ring.cols / 2; at++) {
      const [unit, e] = [Math.floor(at / 4), at % 4];
      const i = own + (UNIT.rows / 2) * (e >> 1);
      const j = col(thread) + WARPGROUP_UNIT * unit + 2 * (lane % 4) + (e & 1);
      let sum = thread.registers.read(stmt.acc, at, thread);
      for (let k0 = 0; k0 < length; k0 += step) {
        for (let k = k0; k < Math.min(k0 + step, length); k++) {
          sum +=
            element(placeA, bufferOf(a), i, k, a.transposed) *
            element(placeB, bufferOf(b), k, j, b.transposed);
        }
        sum = Math.fround(sum);
      }
      thread.registers.write(stmt.acc, at, sum, thread);
    }
    counts.flops += ring.cols * BOX * Math.ceil(length / BOX);
  };
}

type Value = (thread: Thread) => number;

function ringOf({ ring }: Kernel): RingDecl {
  if (!ring) throw new Error('the kernel declares no ring');
  return ring;
}

function mapOf({ maps = [] }: Kernel, name: string): MapParam {
  const found = maps.find((map) => map.name === name);
  if (!found) throw new Error(`the kernel declares no map ${name}`);
  return found;
}

function placesOf({ view }: MapParam, machine: Machine): (thread: Thread) => Place {
  const [rows, cols] = view.extents.map((extent) => machine.value(extent)) as [Value, Value];
  const [offset, stride] = [machine.value(view.offset), machine.value(view.strides[0]!)];
  return (thread) => {
    const [height, width, first, pitch] = [rows(thread), cols(thread), offset(thread), stride(thread)];
    return (row, col) => (row < height && col < width ? first + row * pitch + col : null);
  };
}
