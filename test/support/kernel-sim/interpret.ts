import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { Banks } from './banks.js';
import { Compiler } from './code.js';
import {
  Buffers,
  type Counts,
  type Elements,
  KernelFault,
  type Order,
  permutation,
  registersOf,
  sharedOf,
} from './memory.js';
import { type Division, divided, untilBarrier, WARPS } from './subgroups.js';

export interface Launched {
  readonly buffers: Readonly<Record<string, Elements>>;
  readonly uniforms?: Readonly<Record<string, number>>;
  readonly grid: readonly [number, number, number];
  /** order of workgroups, and of invocations between two barriers */
  readonly order?: Order;
  /** count bank conflicts too, which takes time */
  readonly banks?: boolean;
  /** how workgroups fall into subgroups; warps of 32 when absent */
  readonly subgroups?: Division;
}

/**
 * Runs a kernel on buffers in place, f32 arithmetic rounded at every step. All invocations of a workgroup run in
 * lockstep from barrier to barrier, in any order between two. Throws a `KernelFault` for an access outside of a view,
 * buffer or array, a race, a read of an element that nothing wrote, and a barrier or a sum over a subgroup that some
 * invocations do not reach. Returns what was counted: loads and stores of buffer elements, floating-point operations,
 * and bank conflicts.
 */
export function interpret(
  kernel: Kernel,
  { buffers, uniforms = {}, grid, order = 'forward', subgroups = WARPS, banks: counted = false }: Launched,
): Counts {
  const counts: Counts = { loads: 0, stores: 0, fetches: 0, peeks: 0, flops: 0, bankConflicts: 0 };
  const memory = new Buffers(kernel.buffers, buffers, counts);
  const [width, height, depth] = kernel.workgroup;
  const threads = width * height * depth;
  const banks = counted ? new Banks(kernel.arrays, threads) : null;
  const steps = new Compiler(kernel, memory, uniforms, counts, banks).steps();
  const groups = grid[0] * grid[1] * grid[2];
  for (const g of permutation(groups, order, 1)) {
    const group = split(g, grid[0], grid[1]);
    const workgroup = sharedOf(kernel.arrays);
    const members = divided(threads, subgroups, g);
    const running = Array.from({ length: threads }, (_, index) =>
      steps({
        global: g * threads + index,
        local: split(index, width, height),
        group,
        workgroup,
        register: registersOf(kernel.arrays),
        copies: [[]],
        matrices: 0,
        ...members[index]!,
      }),
    );
    let ended = 0;
    for (let interval = 0; ended === 0; interval++) {
      for (const array of workgroup.values()) array.nextInterval();
      const turns = permutation(threads, order, interval + 2 + g);
      ended = untilBarrier(running, (index) => members[index]!.subgroup, turns);
      counts.bankConflicts += banks?.take() ?? 0;
    }
    for (const { peeks } of workgroup.values()) counts.peeks += peeks;
    if (ended !== threads)
      throw new KernelFault(
        'barrier',
        `${threads - ended} invocations wait at a barrier that the others miss`,
      );
  }
  return counts;
}

const split = (index: number, x: number, y: number) =>
  [index % x, Math.floor(index / x) % y, Math.floor(index / (x * y))] as const;
