import { describe, expect, test } from 'vitest';
import { blocksAtOnce } from '../../../src/backends/kernel/device/blocks.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { define, id, type Kernel, mul, type Stmt, u32 } from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { ringBytes, type WarpgroupType } from '../../../src/backends/kernel/ir/warpgroups.js';
import type { Product } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { scheduleText } from '../../../src/backends/kernel/plan/schedule.js';
import { ofWarpgroups, whyNoWarpgroups } from '../../../src/backends/kernel/plan/warpgroup-schedule.js';
import { printWgsl } from '../../../src/backends/kernel/print/wgsl/print.js';
import { hasCompiler } from '../../support/compilers.js';
import { contractionOf } from '../../support/contraction.js';
import { compileCuda, ptxOf, runOnCpu } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING, everyNth, everySecond, typesInTurn } from '../../support/everything.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { warpgroupCases } from '../../support/warpgroup-cases.js';

const TYPES: readonly WarpgroupType[] = ['bf16', 'f16'];
const cases = TYPES.flatMap((type) => warpgroupCases(type)).map((one) => ({
  ...one,
  kernel: kernelOf(one.launch),
}));
const h100 = profile('h100', 'cuda');

/** Sums of at most 350 products in f32, and one rounding of results to their type. */
const ROUNDING = { f32: 2e-6, f16: 5e-4, bf16: 4e-3 } as const;
const roundingOf = ({ launch }: (typeof cases)[number]): number =>
  ROUNDING[(launch.work as Product).out.dtype];

/** In CI every kernel in both types; elsewhere in one, and compiled for the CPU every second. */
const names = new Set(typesInTurn(TYPES, warpgroupCases).map(({ name }) => name));
const sampled = cases.filter(({ name }) => names.has(name));

describe.each(sampled.map((one) => [one.name, one] as const))('%s', (_, one) => {
  test('keeps the rules', () => {
    expect(one.kernel.ring).toBeDefined();
    expect(verifyKernel(one.kernel, h100)).toEqual([]);
  });

  test('agrees with float64', () => {
    const buffers = Object.fromEntries(
      Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]),
    );
    interpret(one.kernel, { buffers, uniforms: one.bound, grid: gridOf(one.launch, one.bound) });
    expect(worstError(buffers[one.out]!, one.expected)).toBeLessThan(roundingOf(one));
  });
});

describe.skipIf(!hasCompiler('g++'))('CUDA source run on the CPU', () => {
  test('agrees with float64 for every kernel', { timeout: 300_000 }, () => {
    const compiled = everyNth(2, sampled);
    const close = runOnCpu(compiled).map((actual, index) => [
      compiled[index]!.name,
      worstError(actual, compiled[index]!.expected) < roundingOf(compiled[index]!),
    ]);
    expect(close).toEqual(compiled.map(({ name }) => [name, true]));
  });

  const MISTAKES = [
    ['a tile is overwritten while it is multiplied', 'await_products<1>();', 'await_products<2>();'],
    ['a tile is read before it has come', 'await(&full[stage], round);', ''],
    ['a tile is brought to where one still stands', 'await(&empty[stage], round ^ 1);', ''],
    ['sums are read while products are under way', 'await_products<0>();', ''],
    ['the last place of a tile is not released', '    release();\n    busy = -1;\n', '    busy = -1;\n'],
    [
      'columns of the next box are looked for elsewhere',
      'uint64_t(next >> 4) << 16',
      'uint64_t(512 >> 4) << 16',
    ],
    ['the wrong steps of a row are read', 'tile_at(at_b + step * 2, 0)', 'tile_at(at_b + step * 4, 0)'],
    ['rows are taken for columns', 'add<TRANSPOSED_A, !TRANSPOSED_B>', 'add<TRANSPOSED_A, TRANSPOSED_B>'],
  ] as const;
  /** Of what the copy engine takes away, in a kernel with several boxes. */
  const SENDING = [
    ['the copy engine is not told what threads have put', '      show_results();\n', ''],
    ['a box is filled while it is read', '      if (own == 0) await_read();\n', ''],
    [
      'a box is filled before the others know that it has been read',
      '      meet(group);\n#pragma',
      '#pragma',
    ],
    ['a box is sent before all have filled it', '      meet(group);\n      if', '      if'],
    ['a block ends while a box is read', 'if (threadIdx.x % 128 == 0) await_arrival();', ''],
    ['results lie elsewhere in a box', '(j ^ r % 8) * 16', 'j * 16'],
  ] as const;
  /** Of what a pair shares, in a kernel whose tiles along the rows are an odd number. */
  const OWN_RELEASE =
    'if (BLOCKS > 1 && threadIdx.x % 32 < BLOCKS) arrive_at(&empty[busy], threadIdx.x % 32);';
  const PAIRED = [
    ['a place is not released to the other block', 'threadIdx.x % 32 < BLOCKS', 'threadIdx.x % 32 < 1'],
    [
      'the other block is not waited for before its place is overwritten',
      [OWN_RELEASE, 'BLOCKS * ROWS / 16'],
      [OWN_RELEASE.replace('threadIdx.x % 32);', 'own_number());').replace('< BLOCKS', '< 1'), 'ROWS / 16'],
    ],
    ['a half is brought to one block', '(1 << BLOCKS) - 1', '1 << own_number()'],
    ['a half is brought elsewhere', 'bring_shared(to_b + n * 128', 'bring_shared(to_b + (n - own) * 128'],
    ['both bring the same half', 'own_number() * OWN_COLS', '0'],
    ['half of the shared tile is expected', 'A_BYTES + B_BYTES);\n', 'A_BYTES + B_BYTES / 2);\n'],
    ['a block ends while the other works', 'leave() {\n    if (BLOCKS > 1) meet_blocks();', 'leave() {'],
    [
      'a block begins before the other has barriers',
      'if (BLOCKS > 1) meet_blocks();\n    else __syncthreads();',
      '__syncthreads();',
    ],
    ['a pair has tiles of two columns', 'own / rows, (', '(own / rows + n % BLOCKS) % across, ('],
    ['a block without results takes no part', 'across * steps() * BLOCKS', 'across * down'],
  ] as const;
  const all = [
    ...MISTAKES.map((row) => [...row, 'all_ways_to_store_bf16'] as const),
    ...SENDING.map((row) => [...row, 'sent_in_boxes_bf16'] as const),
    ...everySecond(PAIRED).map((row) => [...row, 'pairs_bf16'] as const),
  ];
  // outside of CI one of each
  test.each(everyNth(MISTAKES.length, all))('found out: %s', { timeout: 300_000 }, (_, from, to, of) => {
    const one = cases.find(({ name }) => name === of)!;
    let changed = false;
    const [froms, tos] = [[from].flat(), [to].flat()];
    const change = (text: string) => {
      changed ||= froms.every((part) => text.includes(part));
      return froms.reduce((all, part, at) => all.replace(part, tos[at]!), text);
    };
    const error = (): number => {
      try {
        return worstError(runOnCpu([one], { change })[0]!, one.expected);
      } catch (cause) {
        // it waits for ever, or does what an instruction forbids; it does compile
        expect(String(cause)).toMatch(/Command failed: \S+\/out |undefined behaviour/);
        return Number.POSITIVE_INFINITY;
      }
    };
    expect(error()).toBeGreaterThan(Math.max(1e-3, 10 * roundingOf(one)));
    expect(changed).toBe(true);
  });

  test('a kernel for pairs runs without clusters', { timeout: 300_000 }, () => {
    const one = cases.find(({ name }) => name === 'pairs_with_all_ways_to_store_f16')!;
    const change = (text: string) =>
      text.replace(/^(#ifdef LOTRC_NO_CLUSTERS)$/m, '#define LOTRC_NO_CLUSTERS\n$1');
    const [actual] = runOnCpu([one], { change });
    expect(worstError(actual!, one.expected)).toBeLessThan(roundingOf(one));
  });
});

/** The kernels for warpgroups of a training plan, with tiles of a real size. */
function planned(dtype: WarpgroupType, width: number, tokens = 4096): readonly Kernel[] {
  const sketch = { factors: 3, in: width, out: width, rank: 16, inputs: [['q', 'k', 'v'], ['o']] } as const;
  const plan = choose(
    { ...contractionOf(sketch), dtype },
    { device: h100, tokens, purpose: 'train', strategy: 'split' },
  );
  return plan.regions
    .flatMap(({ forward, backward }) => [...forward, ...backward])
    .flatMap((launch) => (ofWarpgroups(launch.schedule) ? [kernelOf(launch)] : []));
}

/** How many segments the copy engine brings. */
const feeds = ({ body }: Kernel): number => JSON.stringify(body).split('"s":"feed"').length - 1;

test.each([
  // [rows, tiles, bytes under way on a multiprocessor while a tile is multiplied]
  [8192, '128x256x64, 4 stages, 12 warps, in pairs', 144 << 10],
  [1024, '128x256x64, 4 stages, 12 warps, in pairs', 144 << 10],
  // an odd number of tiles along the rows: 160 blocks are two waves, and so are 192
  [600, '128x256x64, 4 stages, 12 warps, in pairs', 144 << 10],
  // 528 blocks are four waves, 544 five
  [4200, '128x256x64, 4 stages, 12 warps', 144 << 10],
  // nothing to share, and 64 blocks instead of 32
  [128, '128x64x64, 8 stages, 12 warps', 168 << 10],
] as const)('y of %i rows of 4096 numbers: %s, one block on a multiprocessor', (tokens, tiles, underWay) => {
  const sketch = { factors: 3, in: 4096, out: 4096, rank: 16, inputs: [['q', 'k', 'v']] } as const;
  const contraction = { ...contractionOf(sketch), dtype: 'bf16' } as const;
  const plan = choose(contraction, { device: h100, tokens, purpose: 'train', strategy: 'split' });
  const launch = plan.regions[0]!.forward.find(({ name }) => name === 'layer_0')!;
  expect(scheduleText(launch.schedule)).toBe(tiles);
  const { BM, BN, BK, stages } = launch.schedule;
  expect((stages - 1) * (BM + BN) * BK * 2).toBe(underWay);
  expect(blocksAtOnce(ringBytes(kernelOf(launch).ring!), h100)).toBe(1);
});

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test.each(allOrFirst(TYPES))(
    'compiles all products over tokens of a plan within the budget, %s',
    { timeout: 300_000 },
    (type) => {
      // all of them in one type is enough; outside of CI y of the first layer, and dx of an input. The last tile of each is shorter
      const all = planned(type, 1000);
      // y of every layer, and dx of both inputs
      expect(all.length).toBe(4 + 2);
      // in the other type y of few rows, whose narrow tiles do not run in pairs
      const kernels = type === 'bf16' ? everyNth(4, all) : planned(type, 1024, 256).slice(0, 1);
      expect(kernels.map(({ ring }) => ring!.cols)).toEqual(kernels.map(() => (type === 'bf16' ? 256 : 64)));
      for (const kernel of kernels) expect(verifyKernel(kernel, h100)).toEqual([]);
      const compiled = compileCuda(kernels, 'sm_90a');
      expect(compiled.length).toBe(kernels.length);
      for (const { kernel, registers, spills, sharedBytes, loop, ...has } of compiled) {
        // a tile is four products of 64 x 256 x 16, which take 128 cycles each, or a quarter of that; what else there is takes one or two
        expect(loop).toMatchObject({ kind: 'HGMMA', products: 4, spills: 0, fences: 0 });
        // of each segment a box of x and one half of the other tile, in boxes that ptxas may write out
        const segments = feeds(kernels.find(({ name }) => name === kernel)!);
        if (type === 'bf16') {
          expect(has.boxes).toBe(segments);
          expect(has.multicasts).toBeGreaterThanOrEqual(segments);
        } else expect(has.multicasts).toBe(0);
        expect(has.exchanges).toBe(2);
        expect(has.injected).toBe(0);
        expect(loop!.instructions).toBeLessThan(110);
        expect(spills).toBe(0);
        // what a block of three warpgroups has, neither more nor less: they exchange these among them
        expect(registers).toBe(168);
        // the ring is none of it
        expect(sharedBytes).toBe(0);
      }
    },
  );

  test.skipIf(!EVERYTHING)('other devices get a kernel that is not run', { timeout: 300_000 }, () => {
    expect(compileCuda(planned('bf16', 1024).slice(0, 1), 'sm_80')).toHaveLength(1);
  });

  test('products run on warpgroups, fed by the copy engine', { timeout: 300_000 }, () => {
    const ptx = ptxOf(planned('bf16', 1024).slice(0, 1), 'compute_90a');
    // four steps of 16 in a tile of x W, and one for P L': the rest of its only tile is zeros
    expect(ptx.match(/wgmma\.mma_async\.sync\.aligned\.m64n256k16\.f32\.bf16\.bf16/g)).toHaveLength(4 + 1);
    expect(ptx).toMatch(
      /cp\.async\.bulk\.tensor\.2d\.shared::cluster\.global\.mbarrier::complete_tx::bytes \[/,
    );
    expect(ptx).toMatch(/mbarrier::complete_tx::bytes\.multicast::cluster/);
    expect(ptx).toMatch(/\.reqnctapercluster 2, 1, 1/);
    expect(ptx.match(/barrier\.cluster\.wait\.acquire/g)).toHaveLength(2);
    // the other block and the copy engine see barriers before anything arrives there, which the CPU cannot show
    const begins =
      /mbarrier\.init.*fence\.mbarrier_init\.release\.cluster.*barrier\.cluster\.arrive\.release.*setmaxnreg/s;
    expect(ptx).toMatch(begins);
    expect(ptx.split('fence.mbarrier_init')[1]).not.toMatch(/mbarrier\.init/);
    expect(ptx).toMatch(/setmaxnreg\.dec\.sync\.aligned\.u32\s+40/);
    expect(ptx).toMatch(/setmaxnreg\.inc\.sync\.aligned\.u32\s+232/);
    expect(ptx).not.toMatch(/\.local/);
    // four boxes of 64 columns: threads put them, the copy engine takes them away
    expect(ptx.match(/cp\.async\.bulk\.tensor\.2d\.global\.shared::cta\.bulk_group/g)).toHaveLength(4);
    expect(ptx.match(/fence\.proxy\.async\.shared::cta/g)).toHaveLength(4);
    expect(ptx).toMatch(/cp\.async\.bulk\.wait_group\.read\s+1/);
    expect(ptx).toMatch(/cp\.async\.bulk\.wait_group\s+0/);
    expect(ptx).not.toMatch(/st\.global/);
  });
});

/** A kernel with statements changed; null drops one. */
function changed(kernel: Kernel, change: (stmt: Stmt) => Stmt | null): Kernel {
  const block = (body: readonly Stmt[]): Stmt[] =>
    body.flatMap((stmt) => {
      const inner =
        stmt.s === 'roles'
          ? { ...stmt, first: block(stmt.first), rest: block(stmt.rest) }
          : stmt.s === 'each'
            ? { ...stmt, body: block(stmt.body) }
            : stmt;
      const after = change(inner);
      return after ? [after] : [];
    });
  return { ...kernel, body: block(kernel.body) };
}

describe('a kernel that is wrong is found out', () => {
  const { kernel } = cases.find(({ name }) => name === 'forward_bf16')!;
  const rules = (broken: Kernel) =>
    verifyKernel(broken, h100)
      .map(({ message }) => message)
      .join();

  test('tiles that are brought and never multiplied', () => {
    const broken = changed(kernel, (stmt) =>
      stmt.s === 'drain' && stmt.tiles.a.map === 'map_0_x' ? null : stmt,
    );
    expect(rules(broken)).toMatch(/what is brought is not what is multiplied/);
  });

  test('sums that are read too early', () => {
    expect(rules(changed(kernel, (stmt) => (stmt.s === 'drained' ? null : stmt)))).toMatch(
      /sums are read while/,
    );
  });

  test('products that not all threads reach', () => {
    const broken = changed(kernel, (stmt) =>
      stmt.s === 'drain' ? { s: 'if', cond: { type: 'bool', e: 'lit', value: 1 }, body: [stmt] } : stmt,
    );
    expect(rules(broken)).toMatch(/a drain that not all of its threads reach/);
  });

  test('results that are sent while products are under way, by some threads, or that do not leave', () => {
    const { kernel: sending } = cases.find(({ name }) => name === 'sent_bf16')!;
    expect(rules(sending)).toBe('');
    expect(rules(changed(sending, (stmt) => (stmt.s === 'sent' ? null : stmt)))).toMatch(
      /a block ends before its results have left/,
    );
    const early = changed(sending, (stmt) => (stmt.s === 'drained' ? null : stmt));
    expect(rules(early)).toMatch(/sums are read while/);
    const some = changed(sending, (stmt) =>
      stmt.s === 'send' ? { s: 'if', cond: { type: 'bool', e: 'lit', value: 1 }, body: [stmt] } : stmt,
    );
    expect(rules(some)).toMatch(/results are sent that not all threads bring/);
    const { sends: _, ...ring } = sending.ring!;
    expect(rules({ ...sending, ring })).toMatch(/or from no place/);
    const buffers = sending.buffers.map((buffer) =>
      buffer.name === 'y' ? { ...buffer, access: 'read_write' as const } : buffer,
    );
    expect(rules({ ...sending, buffers })).toMatch(/y has no write access as bf16/);
  });

  test('a pair that ends early, whose shared tiles are those of two columns, or that has no halves', () => {
    const { kernel: pair } = cases.find(({ name }) => name === 'pairs_for_dx_of_siblings_bf16')!;
    expect(rules(pair)).toBe('');
    expect(rules(changed(pair, (stmt) => (stmt.s === 'leave' ? null : stmt)))).toMatch(
      /a block of a pair ends while the other may write to it/,
    );
    const astray = changed(pair, (stmt) =>
      stmt.s === 'let' && stmt.name === 'col0' ? define('col0', mul(id('group', 1), u32(128))) : stmt,
    );
    expect(rules(astray)).toMatch(/the blocks of a pair share tiles of different columns/);
    expect(rules({ ...pair, ring: { ...pair.ring!, cols: 192 } })).toMatch(
      /a pair with halves of 192 columns/,
    );
    const { pair: _, ...alone } = pair.ring!;
    expect(rules({ ...pair, ring: alone })).toMatch(/have 64 rows, not 128.*an end of a pair .*of none/);
  });

  test('a ring that some threads do not make ready', () => {
    const roles = kernel.body.findIndex(({ s }) => s === 'roles');
    const moved = changed(kernel, (stmt) =>
      stmt.s === 'roles' ? { ...stmt, first: [{ s: 'ring' }, ...stmt.first] } : stmt,
    );
    expect(roles).toBeGreaterThan(0);
    expect(rules(moved)).toMatch(/some threads do not make ready/);
  });

  test('rows that do not begin at multiples of 16 bytes', () => {
    const [map, ...maps] = kernel.maps!;
    const broken = {
      ...map!,
      view: { ...map!.view, strides: [{ type: 'u32', e: 'lit', value: 9 }, map!.view.strides[1]!] },
    } as const;
    expect(rules({ ...kernel, maps: [broken, ...maps] })).toMatch(/do not begin at multiples of 16 bytes/);
  });

  test('boxes of another height than the operand needs', () => {
    const [map, ...maps] = kernel.maps!;
    expect(rules({ ...kernel, maps: [{ ...map!, rows: 32 }, ...maps] })).toMatch(/have 32 rows, not 128/);
  });

  test('sums in too few registers, too few threads, a ring that is too large', () => {
    expect(rules({ ...kernel, arrays: [{ ...kernel.arrays[0]!, size: 16 }] })).toMatch(
      /does not hold the 32 results/,
    );
    expect(rules({ ...kernel, workgroup: [256, 1, 1] })).toMatch(/256 threads for 128 rows, which take 384/);
    expect(rules({ ...kernel, ring: { ...kernel.ring!, stages: 12 } })).toMatch(
      /296128 bytes of workgroup memory/,
    );
  });

  test('registers that no warpgroup has released, or that are not what they are called', () => {
    const counted = (counts: readonly number[]) =>
      rules(
        changed(kernel, (stmt) =>
          stmt.s === 'registers' ? { ...stmt, count: counts[stmt.more ? 1 : 0]! } : stmt,
        ),
      );
    expect(counted([40, 232])).toBe('');
    expect(counted([40, 240])).toMatch(/40 and 240 registers of a thread are more than 168 for each/);
    expect(counted([176, 160])).toMatch(/176 registers are not fewer than 168.*160 registers are not more/);
    expect(rules(changed(kernel, (stmt) => (stmt.s === 'registers' && !stmt.more ? null : stmt)))).toMatch(
      /168 and 232 registers of a thread are more than 168 for each/,
    );
  });

  test('a pointer to what only maps reach', () => {
    const buffers = kernel.buffers.map((buffer) =>
      buffer.name === 'bias' ? { ...buffer, mapped: true as const } : buffer,
    );
    expect(rules({ ...kernel, buffers })).toMatch(/bias is reached through maps only/);
  });
});

test('what warpgroups do not take is told', () => {
  const { work, schedule } = cases[0]!.launch;
  const product = work as Product;
  const [segment] = product.segments;
  const matrix = { ...segment!.a.matrix, rowStride: 17 };
  const why = (changes: Partial<Product>, tiles = schedule) =>
    whyNoWarpgroups({ ...product, ...changes }, tiles);
  expect(why({})).toBeNull();
  expect(why({ segments: [{ ...segment!, a: { ...segment!.a, matrix } }] })).toBe(
    'rows of x do not begin at multiples of 16 bytes',
  );
  expect(
    why({
      segments: [{ ...segment!, a: { ...segment!.a, matrix: { ...segment!.a.matrix, dtype: 'f32' } } }],
    }),
  ).toBe('its operands are f32');
  expect(why({ parts: 2 })).toBe('its sums are taken in parts');
  expect(why({}, { ...schedule, warps: 4 })).toBe('its schedule is none of warpgroups');
  expect(() => kernelOf({ ...cases[0]!.launch, work: { ...product, parts: 2 } })).toThrowError(
    /LOTR6101.*in parts/,
  );
});

test('LOTR6103: WGSL has no warpgroups', () => {
  expect(() => printWgsl(cases.find(({ name }) => name === 'forward_f16')!.kernel)).toThrowError(/LOTR6103/);
});
