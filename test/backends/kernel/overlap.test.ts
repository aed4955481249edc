import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { loweredPlan } from '../../../src/backends/host/cuda/lower.js';
import { overlapsOf, overlapText, whichBeginEarly } from '../../../src/backends/host/cuda/overlap.js';
import { twinsOf } from '../../../src/backends/host/cuda/warpgroups.js';
import { PLACED } from '../../../src/backends/host/shared/kernels.js';
import { kernelsOf } from '../../../src/backends/host/shared/tables.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { f32, type Kernel, ref, type Stmt, store, u32 } from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { type Bound, runLaunch } from '../../../src/backends/kernel/model/by-definition.js';
import type { Launch, Segment, TileSchedule } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { dense } from '../../../src/backends/kernel/plan/launches.js';
import { hasCompiler } from '../../support/compilers.js';
import { type Program, ptxOf, runPrograms } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { contraction } from '../../support/host-layers.js';
import { typedSegment as part, ROUND, values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';

const h100 = profile('h100', 'cuda');
const TYPE = 'bf16';

/** P = z R, and y = [x | P] [W; L], where z is y before: what P is of must not be overwritten while it is read. */
const M = 150;
const [K, N, RANK] = [72, 88, 16];
const plain = { BM: 16, BN: 8, BK: 8, TM: 2, TN: 2, vec: 1, stages: 1, warps: 0, splitK: 1 } as const;
const ring = { BM: 128, BN: 64, BK: 64, TM: 64, TN: 64, vec: 4, stages: 3, warps: 12, splitK: 1 } as const;
const product = (
  name: string,
  cols: number,
  segments: readonly Segment[],
  schedule: TileSchedule,
): Launch => ({
  ...{ name, family: 'gemm', schedule, predicted: { flops: 0, bytes: 0, seconds: 0 }, does: name },
  work: {
    ...{ kind: 'product', rows: 'M', cols, segments, parts: 1 },
    out: dense(name, TYPE, 'M', cols),
    epilogue: { scale: 1, accumulate: false },
  },
});
const first = product('P', RANK, [part(['y', 'r'], ['M', N, RANK], TYPE)], plain);
const second = product(
  'y',
  N,
  [part(['x', 'w'], ['M', K, N], TYPE), part(['P', 'l'], ['M', RANK, N], TYPE)],
  ring,
);
/** The same P in two launches: two parts, and what adds them. */
const PARTS = 2;
const inParts: Launch = {
  ...first,
  name: 'parts',
  schedule: { ...plain, splitK: PARTS },
  work: { ...first.work, parts: PARTS, out: dense('parts', 'f32', 'M', RANK) } as Launch['work'],
};
const adding: Launch = {
  ...first,
  name: 'adding',
  family: 'reducePartials',
  schedule: { ...plain, BM: 16, BN: 16 },
  work: {
    ...{ kind: 'finish', parts: PARTS, rows: 'M', cols: RANK },
    partials: { buffer: 'parts', dtype: 'f32', offset: 0 },
    epilogue: { scale: 1, accumulate: false },
    out: dense('P', TYPE, 'M', RANK),
  },
};
/** The same product, whose results threads store: they begin at no multiple of 16 bytes. */
const stored: Launch = {
  ...second,
  work: { ...second.work, out: { ...dense('y', TYPE, 'M', N), offset: 4 } } as Launch['work'],
};
/** The same product by blocks in pairs, each of which brings a half of L to both; the last has no rows. */
const paired: Launch = {
  ...second,
  schedule: { ...ring, BM: 64, BN: 128, TN: 128, warps: 8, pairs: true },
};
const buffers: Readonly<Record<string, Float32Array>> = {
  x: values(M * K, 1).map(ROUND[TYPE]),
  w: values(K * N, 2).map(ROUND[TYPE]),
  r: values(N * RANK, 3).map(ROUND[TYPE]),
  l: values(RANK * N, 4).map(ROUND[TYPE]),
  y: values(4 + M * N, 5).map(ROUND[TYPE]),
  P: values(M * RANK, 6).map(ROUND[TYPE]),
  parts: values(PARTS * M * RANK, 7),
};
/** What is in y after both launches, in float64. */
function expectedOf(before: Launch, product: Launch): Float64Array {
  const memory = new Map(Object.entries(buffers).map(([name, data]) => [name, Float64Array.from(data)]));
  for (const launch of [before, product]) runLaunch(launch, memory, { M } as unknown as Bound);
  return memory.get('y')!;
}

/** The kernel with the statements of its loading thread, or of the others, changed. */
function changed(
  kernel: Kernel,
  role: 'first' | 'rest',
  change: (body: readonly Stmt[]) => readonly Stmt[],
): Kernel {
  const inEach = (body: readonly Stmt[]): Stmt[] =>
    body.map((stmt) => (stmt.s === 'each' ? { ...stmt, body: change(stmt.body) } : stmt));
  return {
    ...kernel,
    body: kernel.body.map((stmt) => (stmt.s === 'roles' ? { ...stmt, [role]: inEach(stmt[role]) } : stmt)),
  };
}
const kernel = kernelOf(stored);
const sending = kernelOf(second);
const inPairs = kernelOf(paired);
const isWait = ({ s }: Stmt) => s === 'settle';
const without = (body: readonly Stmt[]) => body.filter((stmt) => !isWait(stmt));
const WAIT: Stmt = { s: 'settle' };
/** Something else where the results of a tile begin. */
const scribble = (): Stmt => {
  const view = { buffer: 'y', offset: u32(0), extents: [u32(M), u32(N)], strides: [u32(N), u32(1)] };
  return store(view, [ref('u32', 'row0'), ref('u32', 'col0')], f32(50));
};
const MISTAKES: readonly (readonly [string, Kernel])[] = [
  ['no wait', changed(kernel, 'first', without)],
  ['a wait after the second feed', changed(kernel, 'first', (body) => [...without(body), WAIT])],
  [
    'a store before the wait',
    changed(kernel, 'rest', (body) => [...body.slice(0, 2), scribble(), ...body.slice(2)]),
  ],
];

test('a kernel that does not wait, waits too late or stores too early breaks a rule', () => {
  const said = (broken: Kernel) =>
    verifyKernel(broken, h100)
      .map(({ message }) => message)
      .join();
  expect([kernel, sending, inPairs].map(said)).toEqual(['', '', '']);
  expect(kernel.body.flatMap((stmt) => (stmt.s === 'roles' ? stmt.first : []))).toContainEqual(
    expect.objectContaining({ s: 'each', body: expect.arrayContaining([WAIT]) }),
  );
  const rule = /launches before are not waited for between the first and the last tiles/;
  expect(said(MISTAKES[1]![1])).toMatch(rule);
  expect(said(changed(kernel, 'first', (body) => [WAIT, ...without(body)]))).toMatch(rule);
  expect(said(changed(kernel, 'first', (body) => [WAIT, ...body]))).toMatch(rule);
  expect(said(changed(kernel, 'rest', (body) => [WAIT, ...body]))).toMatch(/of a thread that does not feed/);
  expect(said(MISTAKES[2]![1])).toMatch(/results are stored before all tiles have come/);
});

type Call = Program['calls'][number];

describe.skipIf(!hasCompiler('g++'))(
  'launches that begin before the one before them has done anything',
  () => {
    /** One rounding of results to bfloat16, and one of P. */
    const ROUNDING = 1e-2;
    /** x = z R, in the place of P = z R. */
    const other = { ...first, work: { ...first.work, out: dense('x', TYPE, 'M', RANK) } as Launch['work'] };
    const behind = (before: Launch, own: Kernel, early = true, launch = stored): readonly Call[] => [
      { kernel: kernelOf(before), launch: before },
      { kernel: own, launch, early },
    ];
    const behindParts = (settles: boolean): readonly Call[] => [
      { kernel: { ...kernelOf(inParts), releases: true }, launch: inParts },
      {
        kernel: { ...kernelOf(adding), releases: true, ...(settles ? { settles } : {}) },
        launch: adding,
        early: true,
      },
      { kernel: sending, launch: second, early: true },
      { kernel: sending, launch: second, early: true },
    ];
    const cases: readonly (readonly [string, right: boolean, calls: readonly Call[], before: Launch])[] = [
      ['a wait between the feeds, results where the launch before reads', true, behind(first, kernel), first],
      ['the same, and the copy engine takes the results', true, behind(first, sending, true, second), first],
      ['the same, in pairs of blocks', true, behind(first, inPairs, true, paired), first],
      ['no wait, in pairs', false, behind(first, changed(inPairs, 'first', without), true, paired), first],
      ...MISTAKES.map(([name, broken]) => [name, false, behind(first, broken), first] as const),
      ['what the launch before writes is read in the first feed', false, behind(other, kernel), other],
      ['the same, without beginning early', true, behind(other, kernel, false), other],
      ['the launch before adds parts, and begins early too', true, behindParts(true), first],
      ['parts are added before they are there', false, behindParts(false), first],
    ];

    test('agree with float64, and mistakes are found out', { timeout: 120_000 }, () => {
      const results = runPrograms(
        cases.map(([, , calls], index) => ({
          calls: calls.map((call, at) => ({ ...call, kernel: { ...call.kernel, name: `k${index}_${at}` } })),
          bound: { M },
          buffers,
          outs: ['y'],
        })),
      );
      const found = cases.map(([name, , calls, before], index) => {
        const error = worstError(results[index]!['y']!, expectedOf(before, calls.at(-1)!.launch));
        return [name, error < ROUNDING, error < 0.1];
      });
      expect(found).toEqual(cases.map(([name, right]) => [name, right, right]));
    });
  },
);

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('what the launches before write is read after the wait', { timeout: 60_000 }, () => {
    const adds = { ...kernelOf(adding), releases: true, settles: true } as const;
    const [ptx] = [ptxOf([adds, { ...kernel, name: 'stored' }, sending], 'compute_90a')];
    const [one, two, three] = ptx.split('.entry').slice(1);
    const order = (text: string) =>
      [...text.matchAll(/griddepcontrol\.\w+|fence\.proxy\.async|ld\.global|cp\.async\.bulk|st\.global/g)]
        .map(([word]) => word)
        .filter((word, at, all) => word !== all[at - 1]);
    expect(order(one!)).toEqual([
      'griddepcontrol.launch_dependents',
      'griddepcontrol.wait',
      'ld.global',
      'st.global',
    ]);
    expect(order(two!)).toEqual([
      'cp.async.bulk',
      'griddepcontrol.wait',
      'fence.proxy.async',
      'cp.async.bulk',
      'st.global',
    ]);
    // tiles come, boxes leave
    expect(order(three!)).toEqual([
      'cp.async.bulk',
      'griddepcontrol.wait',
      'fence.proxy.async',
      'cp.async.bulk',
      'fence.proxy.async',
      'cp.async.bulk',
    ]);
  });
});

/** Launches of a plan in bfloat16 that begin early, and kernels that release or settle. */
function planned(spec: typeof LOTR, purpose: 'train' | 'serve', tokens: number, arch = 'sm_90a') {
  const size = { in: 512, out: 512, rank: 8 };
  const plan = loweredPlan(
    choose(contraction(spec, undefined, size), {
      // a second launch costs nothing, so that products of this size are cut
      device: { ...h100, launchSeconds: 0 },
      tokens,
      purpose,
      strategy: 'split',
      dtype: TYPE,
    }),
    [arch],
  );
  const twins = twinsOf(plan);
  const bare = kernelsOf(plan, PLACED.byPointer);
  return { plan, twins, bare, ...overlapsOf(plan, bare, twins) };
}

describe('which launches begin early', () => {
  test('products for warpgroups behind the first launch, and reductions in front of them', () => {
    const { plan, early, kernels } = planned(LOTR, 'train', 1024);
    const chains = plan.regions.flatMap(({ forward, backward }) => [forward, backward]);
    const told = chains.map((chain) => chain.map(({ name }) => (early.has(name) ? name : '-')).join(' '));
    expect(told).toEqual([
      '- down_0 layer_0 layer_1',
      '- - - - - - dx_0',
      '- down_1 layer_2',
      '- - - - - dx_1',
    ]);
    const flags = [...new Set([...kernels.values()].map(({ kernel }) => kernel))].flatMap(
      ({ name, releases, settles }) =>
        releases || settles ? [[name, releases ? 'releases' : '', settles ? 'settles' : '']] : [],
    );
    expect(flags).toEqual([
      ['down_0_parts', 'releases', ''],
      ['down_0', 'releases', 'settles'],
      ['reduce_0', 'releases', ''],
      ['reduce_1', 'releases', ''],
    ]);
    expect(overlapText(plan, early)).toMatchInlineSnapshot(`
      "
      on devices with warpgroups these launches begin before the one before them has ended (no prediction counts that)
        adds the parts of P = x R: 2 of 2
        y = x W + P L' + b: 1 of 1
        y = x W + P L': 2 of 2
        dx = sum of dy W^T + dP R^T: 1 of 1
        dx = dy W^T + dP R^T: 1 of 1
      "
    `);
  });

  test('none without warpgroups', () => {
    const { plan, bare } = planned(LORA, 'serve', 300);
    const { early, kernels } = overlapsOf(plan, bare, new Map());
    expect(early.size).toBe(0);
    expect(overlapText(plan, early)).toBe('');
    expect([...kernels.values()].some(({ kernel }) => kernel.releases || kernel.settles)).toBe(false);
  });

  test('none that reads before its wait what may still be written, and none after a call of a library', () => {
    const bound = (launch: Launch, names: Readonly<Record<string, string>> = {}) => {
      const own = kernelOf(launch);
      return {
        launch,
        kernel: own,
        buffers: new Map(own.buffers.map(({ name }) => [name, names[name] ?? name])),
        firsts: new Map<string, number>(),
      };
    };
    const [p, y] = [bound(first), bound(second)];
    expect(whichBeginEarly([p, y])).toEqual([false, true]);
    expect(whichBeginEarly([y, y])).toEqual([false, true]);
    expect(whichBeginEarly([p, y, y, y])).toEqual([false, true, true, true]);
    expect(whichBeginEarly([y])).toEqual([false]);
    expect(whichBeginEarly([p, null, y])).toEqual([false, false, false]);
    // it writes x, or W
    expect(whichBeginEarly([bound(first, { P: 'x' }), y])).toEqual([false, false]);
    expect(whichBeginEarly([bound(first, { P: 'w' }), y])).toEqual([false, false]);
    // one that begins early writes what the one after the next reads first: the first of them may still run then
    expect(whichBeginEarly([p, bound(second, { y: 'x' }), bound(second), y])).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(whichBeginEarly([bound(first, { P: 'x' }), bound(second, { x: 'z' }), y])).toEqual([
      false,
      true,
      false,
    ]);
    // it adds to what is written: a compiler may read that early
    const adding = bound({
      ...second,
      work: { ...second.work, epilogue: { scale: 1, accumulate: true } } as Launch['work'],
    });
    expect(whichBeginEarly([p, adding])).toEqual([false, true]);
    expect(whichBeginEarly([p, y, adding])).toEqual([false, true, false]);
  });
});
