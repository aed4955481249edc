import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { VERA } from '../../../src/adapter/methods/vera.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { legalise } from '../../../src/backends/kernel/ir/legalise.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { runLaunch } from '../../../src/backends/kernel/model/by-definition.js';
import type { KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, inTurn } from '../../support/everything.js';
import { contraction } from '../../support/host-layers.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';

const device = profile('h100', 'cuda');
const planFor = (found: ReturnType<typeof contraction>, adapters: number) =>
  choose(found, { device, tokens: 3, purpose: 'serve', adapters, mostRank: 6, dtype: 'f32' });

test('there are as many launches for any number of adapters', () => {
  const found = contraction(LOTR);
  const names = [1, 2, 200].map((adapters) =>
    planFor(found, adapters).regions.flatMap(({ forward }) => forward.map(({ name }) => name)),
  );
  expect(names[0]).toEqual(['down_0', 'added_0', 'layer_0', 'layer_1', 'down_1', 'added_1', 'layer_2']);
  for (const other of names) expect(other).toEqual(names[0]);
});

test('a method whose factors cannot be cut to a rank is refused', () => {
  expect(() => planFor(contraction(VERA), 2)).toThrow(/LOTR6012.*vera computes what P = x A/);
});

test('rows read the matrices of their adapters alone, as far as their ranks', () => {
  // two rounds of 128 threads with eight numbers each
  const [inn, out, most] = [1032, 16, 6];
  const found = contraction(LOTR, ['o'], { in: inn, out, rank: 2 });
  const [down, added] = planFor(found, 2).regions[0]!.forward.slice(0, 2);
  const ranks = [5, 1];
  const rows = [1, 7, 0];
  const x = values(3 * inn, 1);
  const [R, M, L] = [most * inn, most * most, most * out].map((size, k) => values(2 * size, 2 + k));
  const buffers = {
    x_0: x,
    rowAdapter: Uint32Array.from(rows),
    ranks_0: Uint32Array.from(ranks),
    scales_0: Float32Array.of(0.5, -2),
    R_rows_0_0: R!,
    L_rows_0_0: L!,
    M_rows_0_0: M!,
    P_0: new Float32Array(3 * most).fill(Number.NaN),
    D_0: new Float32Array(3 * out).fill(Number.NaN),
  };
  const run = (launch: typeof down) => {
    const kernel = kernelOf(launch!);
    const own = Object.fromEntries(kernel.buffers.map(({ name }) => [name, buffers[name as 'x_0']]));
    const order = { seed: 3 } as const;
    return interpret(kernel, { buffers: own, uniforms: { M: 3 }, grid: gridOf(launch!, { M: 3 }), order });
  };
  const counts = run(down);
  run(added);
  const expected = rows.flatMap((adapter, row) => {
    const rank = ranks[adapter] ?? 0;
    const p = Array.from({ length: rank }, (_, j) => {
      const at = (adapter * most + j) * inn;
      return Array.from({ length: inn }, (__, i) => x[row * inn + i]! * R![at + i]!).reduce(
        (a, b) => a + b,
        0,
      );
    });
    return Array.from({ length: out }, (_, col) => {
      let sum = 0;
      for (let i = 0; i < rank; i++)
        for (let j = 0; j < rank; j++)
          sum += p[i]! * M![(adapter * most + i) * most + j]! * L![(adapter * most + j) * out + col]!;
      return sum * (buffers.scales_0[adapter] ?? 0);
    });
  });
  expect(worstError(buffers.D_0, expected)).toBeLessThan(2e-6);
  // x for every four ranks, R for every rank (one of the first row, five of the last), the adapter and its rank for every thread
  expect(counts.loads).toBe(inn * (1 + 2) + inn * (1 + 5) + 128 * (6 + 4));
});

const laptop = profile('webgpu-laptop', 'webgpu');
const RANKS = [33, 1, 0, 7, 16, 4];

/** A plan for rows, and what its buffers hold: rows of adapters in any order, some of which are none. */
function rowsOnWebgpu(plan: KernelPlan, rows: number) {
  const sizes = (shape: readonly (number | string)[]) =>
    shape.reduce<number>((all, extent) => all * (extent === 'M' ? rows : Number(extent)), 1);
  return Object.fromEntries(
    plan.buffers.map(({ name, dtype, shape, life, ofRows }, n) => {
      const size = sizes(shape);
      if (name === 'rowAdapter')
        return [
          name,
          Uint32Array.from({ length: size }, (_, row) => [5, 0, 0xffffffff, 3, 1, 4, 2][row % 7]!),
        ];
      if (dtype === 'u32') return [name, Uint32Array.from({ length: size }, (_, adapter) => RANKS[adapter]!)];
      const made = life === 'scratch' || name.startsWith('y_');
      const data = made ? new Float32Array(size).fill(Number.NaN) : values(size, n + 1);
      if (ofRows) {
        // nothing beyond the rank of an adapter is read
        const [lines, line] = shape as [number, number];
        const part = lines / RANKS.length;
        const most = part / ofRows.tensors.length;
        data.forEach((_, at) => {
          const [place, col] = [Math.floor(at / line), at % line];
          const rank = RANKS[Math.floor(place / part)]!;
          if (place % most >= rank || (ofRows.length === null && col >= rank)) data[at] = Number.NaN;
        });
      }
      return [name, data];
    }),
  ) as Record<string, Float32Array>;
}

describe('on WebGPU', () => {
  const CASES = [
    ['lotr, in vectors', LOTR, { in: 20, out: 12, rank: 2 }, true],
    ['lora, odd widths', LORA, { in: 19, out: 13, rank: 2 }, false],
    ['lora, in vectors', LORA, { in: 516, out: 260, rank: 2 }, true],
    ['lotr, odd widths', LOTR, { in: 131, out: 11, rank: 2 }, false],
  ] as const;
  const ROWS = allOrFirst([6, 1, 33]);

  test.each(
    CASES.flatMap(([name, method, layers, wide], n) =>
      inTurn(['f32', 'f16'] as const, n).flatMap((dtype) =>
        ROWS.map((rows) => [`${name}, ${rows} rows, ${dtype}`, method, layers, wide, rows, dtype] as const),
      ),
    ),
  )('%s: ranks of 1 to 33 agree with float64', (_, method, layers, wide, rows, dtype) => {
    const options = { device: laptop, tokens: rows, purpose: 'serve', dtype } as const;
    const plan = choose(contraction(method, undefined, layers), { ...options, adapters: 6, mostRank: 33 });
    const memory = rowsOnWebgpu(plan, rows);
    const exact = new Map(Object.entries(memory).map(([name, data]) => [name, Float64Array.from(data)]));
    for (const launch of plan.regions[0]!.forward) {
      if (launch.family !== 'rows') continue;
      const kernel = kernelOf(launch);
      expect(verifyKernel(kernel, laptop), launch.name).toEqual([]);
      const given = (from: Record<string, Float32Array>) =>
        Object.fromEntries(kernel.buffers.map(({ name }) => [name, from[name]!.slice()]));
      const [own, legal] = [given(memory), given(memory)];
      const grid = gridOf(launch, { M: rows });
      interpret(kernel, { buffers: own, uniforms: { M: rows }, grid, order: { seed: 3 } });
      interpret(legalise(kernel), { buffers: legal, uniforms: { M: rows }, grid });
      runLaunch(launch, exact, { M: rows });
      const out = kernel.buffers.find(({ access }) => access !== 'read')!.name;
      expect(legal[out], launch.name).toEqual(own[out]);
      expect(worstError(own[out]!, exact.get(out)!), launch.name).toBeLessThan(dtype === 'f32' ? 2e-6 : 1e-3);
      memory[out] = own[out]!;
      // x, R and L are read four neighbours at a time; the tables, P and a core are not
      const four = kernel.buffers.filter(({ vector }) => vector).map(({ name }) => name.replace(/_.*/, ''));
      expect(four, launch.name).toEqual(
        wide
          ? launch.work.kind === 'row-down'
            ? ['x', expect.stringMatching(/^[RA]s?$/)]
            : [expect.stringMatching(/^[LB]s?$/), 'D']
          : [],
      );
    }
  });
});
