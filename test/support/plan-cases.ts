import { type Memory, runLaunch } from '../../src/backends/kernel/model/by-definition.js';
import type { KernelPlan, Launch } from '../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../src/backends/kernel/plan/choose.js';
import { buffersOf } from '../../src/backends/kernel/plan/launches.js';
import { contractionOf, type Sketch } from './contraction.js';
import { profile } from './devices.js';
import { type KernelCase, values } from './kernel-cases.js';

const LAYERS = { in: 17, out: 11, inputs: [['q', 'k', 'v'], ['o']] } as const;

/** Plans of every form for small layers of odd sizes, forward and backward. */
const PLANS: readonly (readonly [
  strategy: StrategyKey,
  tokens: number,
  sketch: Pick<Sketch, 'factors' | 'rank' | 'stored'>,
])[] = [
  ['split', 13, { factors: 3, rank: 5, stored: 'oi' }],
  // sums over this many tokens are cut into parts
  ['split', 300, { factors: 3, rank: 1, stored: 'io' }],
  ['merged', 1, { factors: 3, rank: 5, stored: 'oi' }],
  ['split', 13, { factors: 2, rank: 128, stored: 'io' }],
];

/** Every launch of these plans as a case, with the tiles that a laptop gets. */
export function planCases(): readonly KernelCase[] {
  const device = profile('webgpu-laptop', 'webgpu');
  return [
    ...PLANS.flatMap(([strategy, tokens, sketch]) => {
      const contraction = contractionOf({ ...LAYERS, ...sketch });
      return casesOf(choose(contraction, { device, tokens, purpose: 'train', strategy }));
    }),
    ...casesOf(
      choose(contractionOf({ ...LAYERS, factors: 3, rank: 3, stored: 'io', activation: 'relu' }), {
        device,
        tokens: 7,
        purpose: 'serve',
        strategy: 'widen',
      }),
    ),
  ];
}

/** Plans for few rows, of which the launches sum over subgroups: one row and several, ranks from 1 to 128. */
const FEW: readonly (readonly [
  strategy: StrategyKey,
  tokens: number,
  purpose: 'train' | 'serve',
  sketch: Pick<Sketch, 'factors' | 'rank' | 'stored' | 'activation'>,
])[] = [
  ['split', 1, 'train', { factors: 3, rank: 1, stored: 'io' }],
  ['split', 3, 'train', { factors: 3, rank: 7, stored: 'oi' }],
  ['split', 13, 'train', { factors: 2, rank: 128, stored: 'io' }],
  ['merged', 4, 'train', { factors: 3, rank: 31, stored: 'oi' }],
  ['widen', 1, 'serve', { factors: 3, rank: 3, stored: 'oi', activation: 'relu' }],
  ['widen', 4, 'serve', { factors: 3, rank: 16, stored: 'io' }],
];

/** The launches of these plans that sum over subgroups. */
export function subgroupPlanCases(): readonly KernelCase[] {
  const device = profile('webgpu-laptop', 'webgpu');
  return FEW.flatMap(([strategy, tokens, purpose, sketch]) => {
    const contraction = contractionOf({ ...LAYERS, ...sketch });
    return casesOf(choose(contraction, { device, tokens, purpose, strategy, subgroups: true })).filter(
      ({ launch }) => launch.schedule.subgroups,
    );
  });
}

/** Every launch of a plan as a case. */
export function casesOf(plan: KernelPlan): KernelCase[] {
  const launches = [
    ...plan.prologue,
    ...plan.regions.flatMap(({ forward, backward }) => [...forward, ...backward]),
    ...plan.epilogue,
  ];
  const bound = { M: plan.tokens };
  return launches.flatMap((launch) =>
    writtenBy(launch).map((out): KernelCase => {
      let made: Pick<KernelCase, 'buffers' | 'expected'> | undefined;
      const contents = () => (made ??= contentsOf(plan, launch, out, bound));
      return {
        name: `${launch.name} of ${plan.regions[0]!.strategy}`,
        launch,
        bound,
        out,
        // many tests look at the launch only
        get buffers() {
          return contents().buffers;
        },
        get expected() {
          return contents().expected;
        },
      };
    }),
  );
}

function contentsOf(plan: KernelPlan, launch: Launch, out: string, bound: { readonly M: number }) {
  const touched = new Set(buffersOf(launch));
  const buffers = Object.fromEntries(
    plan.buffers.flatMap(({ name, shape }, index) => {
      if (!touched.has(name)) return [];
      const size = shape.reduce<number>(
        (all, extent) => all * (extent === 'M' ? plan.tokens : Number(extent)),
        1,
      );
      const poisoned = name === out && !adds(launch);
      return [[name, poisoned ? new Float32Array(size).fill(Number.NaN) : values(size, index + 1)]];
    }),
  );
  const memory: Memory = new Map(
    Object.entries(buffers).map(([key, data]) => [key, Float64Array.from(data as Float32Array)]),
  );
  runLaunch(launch, memory, bound);
  return { buffers: buffers as KernelCase['buffers'], expected: memory.get(out)! };
}

const writtenBy = ({ work }: Launch): readonly string[] =>
  work.kind === 'reduce' ? [...new Set(work.jobs.map(({ out }) => out.buffer))] : [work.out.buffer];

/** Whether the launch reads the buffer that it writes. */
const adds = ({ work }: Launch): boolean =>
  work.kind === 'product'
    ? work.epilogue.accumulate || work.parts > 1
    : work.kind === 'finish'
      ? work.epilogue.accumulate
      : work.kind === 'einsum'
        ? work.accumulate
        : work.kind === 'reduce' && work.jobs.some(({ accumulate }) => accumulate);
