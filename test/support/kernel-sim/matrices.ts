import { SUBGROUP, type SubgroupMatrix } from '../../../src/backends/kernel/device/subgroup-matrices.js';
import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { type FragmentDecl, fragmentShape, type UnitStmt } from '../../../src/backends/kernel/ir/units.js';
import { fromF16, toF16 } from '../../../src/ir/half.js';
import type { Machine } from './code.js';
import { KernelFault, type Shared, type Thread } from './memory.js';

/**
 * Matrices of subgroups, invocation by invocation. All have whole operands, which the first of them loads, and of sums every 32nd element from its number in the
 * subgroup on: a device distributes them as it likes, and a kernel cannot see how. Every addition rounds to the type of the sums, which is the
 * worst that a device may do.
 */
export function matrixCode(stmt: UnitStmt, machine: Machine, matrix: SubgroupMatrix): string {
  switch (stmt.s) {
    case 'fragment': {
      const [rows, cols] = fragmentShape(fragmentOf(machine.kernel, stmt.fragment), matrix);
      const [down, along] = stmt.transposed ? [1, stmt.stride] : [stmt.stride, 1];
      const load = (thread: Thread, tile: Shared, first: number): Float64Array => {
        requireSize(thread);
        const { matrices } = thread.subgroup;
        const known = matrices[thread.matrices];
        if (known && known.at !== first)
          throw new KernelFault('subgroup', 'a matrix is loaded from two places');
        const held = known?.held ?? new Float64Array(rows * cols);
        for (let i = 0; i < rows && !known; i++)
          tile.readAll(first + i * down, along, cols, thread.global, held, i * cols);
        matrices[thread.matrices++] ??= { at: first, held };
        return held;
      };
      const from = `t, a_${stmt.tile}, ${machine.value(stmt.at)}`;
      return `f_${stmt.fragment}[${machine.value(stmt.index)}] = ${machine.constant(load)}(${from});`;
    }
    case 'mma': {
      const [sum, a, b] = [
        `f_${stmt.acc}, ${machine.value(stmt.at)}`,
        `f_${stmt.a}[${machine.value(stmt.aIndex)}]`,
        `f_${stmt.b}[${machine.value(stmt.bIndex)}]`,
      ];
      const { rows, cols, inner } = matrix;
      const counted = (2 * rows * cols * inner) / SUBGROUP;
      return `${machine.constant(multiplier(matrix))}(t, ${sum}, ${a}, ${b}); flops += ${counted};`;
    }
    case 'spill': {
      const { rows, cols } = matrix;
      const { stride } = stmt;
      const store = (thread: Thread, sum: Float64Array | undefined, tile: Shared, first: number): void => {
        requireSize(thread);
        for (let e = thread.peer, own = 0; e < rows * cols; e += SUBGROUP, own++)
          tile.write(first + Math.floor(e / cols) * stride + (e % cols), sum?.[own] ?? 0, thread.global);
      };
      const sum = `f_${stmt.fragment}[${machine.value(stmt.index)}]`;
      return `${machine.constant(store)}(t, ${sum}, a_${stmt.tile}, ${machine.value(stmt.at)});`;
    }
    case 'clear':
      return `delete f_${stmt.fragment}[${machine.value(stmt.index)}];`;
    default:
      throw new Error(`subgroups have no ${stmt.s}`);
  }
}

const ROUND = { f32: Math.fround, f16: (value: number) => fromF16(toF16(value)) } as const;

function multiplier({ rows, cols, inner, result }: SubgroupMatrix) {
  const round = ROUND[result];
  return (
    thread: Thread,
    sums: (Float64Array | undefined)[],
    at: number,
    a: Float64Array | undefined,
    b: Float64Array | undefined,
  ): void => {
    requireSize(thread);
    if (!a || !b) throw new KernelFault('unwritten', 'a fragment');
    sums[at] ??= new Float64Array(Math.ceil((rows * cols) / SUBGROUP));
    const sum = sums[at];
    for (let e = thread.peer, own = 0; e < rows * cols; e += SUBGROUP, own++) {
      const [row, col] = [Math.floor(e / cols) * inner, e % cols];
      for (let k = 0; k < inner; k++) sum[own] = round(sum[own]! + a[row + k]! * b[k * cols + col]!);
    }
  };
}

export function fragmentOf({ fragments = [] }: Kernel, name: string): FragmentDecl {
  const found = fragments.find((decl) => decl.name === name);
  if (!found) throw new Error(`the kernel declares no fragment ${name}`);
  return found;
}

function requireSize({ subgroup }: Thread): void {
  if (subgroup.size !== SUBGROUP)
    throw new KernelFault('subgroup', `${subgroup.size} invocations multiply matrices of ${SUBGROUP}`);
}
