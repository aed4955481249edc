import type { Kernel, U32, View } from '../../../src/backends/kernel/ir/kir.js';
import {
  type FragmentDecl,
  UNIT,
  UNIT_INNER,
  UNIT_RESULTS,
  type UnitStmt,
  WARP,
} from '../../../src/backends/kernel/ir/units.js';
import type { Buffers, Counts, Thread } from './memory.js';

/** What the code of a statement needs from the interpreter. */
interface Machine {
  readonly kernel: Kernel;
  readonly memory: Buffers;
  readonly counts: Counts;
  value(expr: U32 | NonNullable<Extract<UnitStmt, { s: 'copy' }>['mask']>): (thread: Thread) => number;
  address(view: View, at: readonly U32[]): (thread: Thread) => number;
}

/**
 * Statements of matrix units and asynchronous copies, thread by thread. A thread keeps the part of a fragment that its
 * own results need; the hardware distributes the elements differently, with the same results, since nothing writes a
 * tile while it is read. The data of a copy is there after the `wait`; until then its target holds NaN.
 */
export function unitCode(stmt: UnitStmt, machine: Machine): (thread: Thread) => void {
  const { counts, memory } = machine;
  switch (stmt.s) {
    case 'fragment': {
      const decl = fragmentOf(machine.kernel, stmt.fragment);
      const [index, at] = [machine.value(stmt.index), machine.value(stmt.at)];
      const element = (i: number, j: number) => (stmt.transposed ? j * stmt.stride + i : i * stmt.stride + j);
      const inner = UNIT_INNER[decl.type];
      return (thread) => {
        const first = at(thread);
        const held = new Float64Array(2 * inner);
        for (const [row, outer] of ownOuter(decl.part, thread).entries()) {
          for (let k = 0; k < inner; k++) {
            const place = decl.part === 'a' ? element(outer, k) : element(k, outer);
            const value = thread.shared.read(stmt.tile, first + place, thread);
            held[row * inner + k] = decl.type === 'tf32' ? tf32(value) : value;
          }
        }
        thread.fragments.set(`${stmt.fragment}[${index(thread)}]`, held);
      };
    }
    case 'mma': {
      const [at, a, b] = [stmt.at, stmt.aIndex, stmt.bIndex].map((index) => machine.value(index));
      const inner = UNIT_INNER[fragmentOf(machine.kernel, stmt.a).type];
      const held = (thread: Thread, name: string, index: number) => {
        const found = thread.fragments.get(`${name}[${index}]`);
        return found ?? memory.fault('unwritten', `fragment ${name}[${index}]`);
      };
      return (thread) => {
        const [rows, cols] = [held(thread, stmt.a, a!(thread)), held(thread, stmt.b, b!(thread))];
        for (let e = 0; e < UNIT_RESULTS; e++) {
          const place = at!(thread) + e;
          let sum = thread.registers.read(stmt.acc, place, thread);
          for (let k = 0; k < inner; k++) sum += rows[(e >> 1) * inner + k]! * cols[(e & 1) * inner + k]!;
          thread.registers.write(stmt.acc, place, Math.fround(sum), thread);
        }
        counts.flops += 2 * inner * UNIT_RESULTS;
      };
    }
    case 'copy': {
      const [index, mask] = [machine.value(stmt.index), stmt.mask ? machine.value(stmt.mask) : () => 1];
      const address = machine.address(stmt.view, stmt.at);
      return (thread) => {
        const to = index(thread);
        const from = mask(thread) ? address(thread) : null;
        for (let n = 0; n < stmt.count; n++) thread.shared.write(stmt.array, to + n, Number.NaN, thread);
        thread.copies.at(-1)!.push(() => {
          for (let n = 0; n < stmt.count; n++) {
            const value = from === null ? 0 : memory.read(stmt.view.buffer, from + n, thread);
            thread.shared.write(stmt.array, to + n, value, thread);
          }
        });
      };
    }
    case 'commit':
      return ({ copies }) => void copies.push([]);
    case 'wait':
      return ({ copies }) => {
        // the last group is still open
        while (copies.length - 1 > stmt.pending) for (const arrive of copies.shift()!) arrive();
      };
  }
}

function fragmentOf({ fragments = [] }: Kernel, name: string): FragmentDecl {
  const found = fragments.find((decl) => decl.name === name);
  if (!found) throw new Error(`the kernel declares no fragment ${name}`);
  return found;
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
