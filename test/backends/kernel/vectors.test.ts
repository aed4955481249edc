import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { launchesOf } from '../../../src/backends/host/shared/tables.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import {
  add,
  define,
  f32,
  id,
  type Kernel,
  load,
  load4,
  mod,
  mul,
  poke,
  type Stmt,
  splat,
  store,
  u32,
  type View,
} from '../../../src/backends/kernel/ir/kir.js';
import { legalise } from '../../../src/backends/kernel/ir/legalise.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { Launch } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { printCuda } from '../../../src/backends/kernel/print/cuda/print.js';
import { changed } from '../../support/changed-kernel.js';
import { contractionOf } from '../../support/contraction.js';
import { dawnEnvironment, execution, floats, runDawn } from '../../support/dawn.js';
import { denoProgram, runDeno } from '../../support/deno.js';
import { DEVICES, profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING, everyNth, inTurn } from '../../support/everything.js';
import { type KernelCase, values } from '../../support/kernel-cases.js';
import { worstError, worstOfBound } from '../../support/kernel-run.js';
import { interpret, type Launched } from '../../support/kernel-sim/interpret.js';
import { type Packing, packedVectorCases } from '../../support/packed-cases.js';
import { packedContraction } from '../../support/packed-layers.js';
import { gemvCases, halfSumCases, vectorCases } from '../../support/vector-cases.js';

const cases = [...vectorCases(), ...gemvCases(), ...packedVectorCases()].map((one) => ({
  ...one,
  kernel: kernelOf(one.launch),
}));

function run(kernel: Kernel, one: KernelCase, how: Pick<Launched, 'order' | 'banks'> = {}) {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  const grid = gridOf(one.launch, one.bound);
  const counts = interpret(kernel, { buffers, uniforms: one.bound, grid, ...how });
  return { result: buffers[one.out]!, counts };
}

const ORDERS = ['forward', 'reversed', { seed: 5 }] as const;

describe.each(cases.map((one, n) => [one.name, one, n] as const))('%s', (_, one, n) => {
  test.each(inTurn(ORDERS, n))('agrees with float64, order %j', (order) => {
    expect(worstError(run(one.kernel, one, { order }).result, one.expected)).toBeLessThan(2e-6);
  });

  test('is of vectors, keeps the rules, computes the same bits after legalisation', () => {
    // but for words, and for scales and zero points of packed weights
    const floats = one.kernel.buffers.filter(
      ({ name, elem }) => elem !== 'u32' && !/_(scales|zeros)$/.test(name),
    );
    expect(floats.every(({ vector }) => vector)).toBe(true);
    expect(verifyKernel(one.kernel, profile('webgpu-laptop', 'webgpu'))).toEqual([]);
    // in CI all
    if (EVERYTHING || n % 4 === 0) expect(run(legalise(one.kernel), one)).toEqual(run(one.kernel, one));
  });
});

/** In CI: SwiftShader and lavapipe take seconds to compile these kernels. */
const [driver, deno] = EVERYTHING ? [dawnEnvironment(), denoProgram()] : [null, null];
const CLOSE = (some: readonly KernelCase[]) => some.map(({ name }) => [name, [], true]);
const checked = (some: readonly KernelCase[], answers: ReturnType<typeof runDawn>) =>
  answers.map(({ messages, out }, index) => {
    const { name, expected } = some[index]!;
    return [name, messages, out !== null && worstError(floats(out), expected) < 2e-6];
  });

test.skipIf(!driver)('WGSL run by Dawn agrees with float64', { timeout: 300_000 }, () => {
  // the driver has no floats of 16 bits
  const some = cases.filter(({ name }) => !name.endsWith('half'));
  const jobs = some.map((one) => execution(one.kernel, one));
  expect(checked(some, runDawn('vulkan', driver!, jobs))).toEqual(CLOSE(some));
});

test.skipIf(!deno)('WGSL by naga on lavapipe agrees with float64', { timeout: 300_000 }, () => {
  const jobs = cases.map((one) => execution(one.kernel, one));
  expect(checked(cases, runDeno(deno!, jobs))).toEqual(CLOSE(cases));
});

describe('sums of tiles in float16', () => {
  const halves = halfSumCases().map((one) => ({ ...one, kernel: kernelOf(one.launch) }));

  test.each(halves.map((one) => [one.name, one] as const))(
    '%s: within what their roundings allow',
    (_, one) => {
      const { result } = run(one.kernel, one, { order: { seed: 5 } });
      expect(worstOfBound(result, one)).toBeLessThan(1);
      // and they do round: sums in float32 are a hundred times nearer
      expect(worstError(result, one.expected)).toBeGreaterThan(2e-4);
      expect(verifyKernel(one.kernel, profile('webgpu-laptop', 'webgpu'))).toEqual([]);
      expect(run(legalise(one.kernel), one).result).toEqual(run(one.kernel, one).result);
    },
  );

  test('a vector of halves is of an array of float16', () => {
    const [{ kernel }] = halves as [(typeof halves)[0]];
    const wide = kernel.arrays.map(({ elem: _, ...rest }) => rest);
    expect(
      verifyKernel({ ...kernel, arrays: wide })
        .map(({ message }) => message)
        .join(),
    ).toMatch(/half/);
  });

  test.skipIf(!deno)('WGSL by naga on lavapipe: the same', { timeout: 300_000 }, () => {
    const answers = runDeno(
      deno!,
      halves.map((one) => execution(one.kernel, one)),
    );
    for (const [n, { messages, out }] of answers.entries()) {
      expect(messages).toEqual([]);
      expect(worstOfBound(floats(out!), halves[n]!)).toBeLessThan(1);
      expect(worstError(floats(out!), halves[n]!.expected)).toBeGreaterThan(2e-4);
    }
  });
});

describe('loads', () => {
  const elementwise = (one: KernelCase): KernelCase => ({
    ...one,
    launch: { ...one.launch, schedule: { ...one.launch.schedule, vec: 1 } },
  });

  test.each(
    everyNth(3, vectorCases())
      .filter(({ name }) => !/half|adapters/.test(name))
      .map((one) => [one.name, one] as const),
  )('%s: a fourth of the loads of the scalar kernel, which makes the same sums', (_, one) => {
    const [vectors, elements] = [one, elementwise(one)].map(
      (each) => run(kernelOf(each.launch), each).counts,
    );
    expect(vectors!.loads).toBe(elements!.loads);
    expect(vectors!.fetches).toBe(elements!.fetches / 4);
    expect(vectors!.peeks).toBeLessThan(elements!.peeks / 2);
  });

  test('8 x 4 results of an invocation take 12 loads of workgroup memory for 128 multiply-adds', () => {
    const [found] = vectorCases();
    const schedule = { ...found!.launch.schedule, TM: 8, TN: 4 };
    const one = { ...found!, launch: { ...found!.launch, schedule } };
    const { peeks, flops } = run(kernelOf(one.launch), one).counts;
    expect(flops / 2 / peeks).toBeCloseTo(128 / 12);
  });

  test('few rows: every element of W once, no tile in workgroup memory', () => {
    const one = gemvCases().find(({ name }) => name === 'gemv_three_rows')!;
    const { loads, fetches } = run(kernelOf(one.launch), one).counts;
    const [rows, inner, cols] = [3, 76 + 8, 28];
    const { BN } = one.launch.schedule;
    // x and P once for every invocation along the columns, bias and residual for every result
    const small = rows * inner * Math.ceil(cols / BN) * (BN / 4) + 2 * rows * cols;
    expect(loads).toBe(inner * cols + small);
    expect(fetches).toBe(loads / 4);
  });
});

describe('words of packed weights', () => {
  const packed = cases.filter(({ name }) => name.startsWith('packed'));
  const wordsOf = ({ buffers }: Kernel) => buffers.find(({ name }) => name === 'w')!;

  test('come 16 bytes at a time where a block has as many, and a tile', () => {
    const oneByOne = packed.filter(({ kernel }) => !wordsOf(kernel).vector).map(({ name }) => name);
    // blocks of eight bytes, and a tile of as many in its rows
    expect(oneByOne).toEqual([
      'packed_vectors_forward_of_codes',
      'packed_vectors_dx',
      'packed_vectors_few_rows_of_short_blocks',
    ]);
  });

  test('few rows: each of them once, a scale and a zero point for 16 bytes', () => {
    const one = packed.find(({ name }) => name.endsWith('_few_rows'))!;
    const { fetches } = run(one.kernel, one).counts;
    const [rows, inner, rank, cols, blocks] = [3, 148, 4, 36, 5];
    const across = (Math.ceil(cols / 16) * 16) / 4;
    // x and P for every four columns, L', the bias
    const floats = rows * across * ((inner + rank) / 4) + (rank * cols) / 4 + (rows * cols) / 4;
    expect(fetches).toBe(3 * cols * blocks + floats);
  });

  test('tiles: once for all tiles that they are of', () => {
    const one = packed.find(({ name }) => name === 'packed_vectors_forward')!;
    const { fetches } = run(one.kernel, one).counts;
    const [rows, inner, rank, cols, blocks] = [21, 84, 4, 36, 3];
    const [down, across] = [Math.ceil(rows / 16), Math.ceil(cols / 16)];
    const floats = across * rows * ((inner + rank) / 4) + (down * rank * cols) / 4 + (rows * cols) / 4;
    expect(fetches).toBe(down * 3 * cols * blocks + floats);
  });

  const FAULTS: readonly (readonly [string, string, (stmt: Stmt) => Stmt | null])[] = [
    [
      'the first of four words is taken four times',
      'few_rows',
      (stmt) => (stmt.s === 'assign' ? null : stmt),
    ],
    [
      'the scale of its neighbour',
      'forward',
      (stmt) =>
        stmt.s === 'let' && stmt.name.startsWith('scale_b0_') && stmt.init.e === 'peek'
          ? { ...stmt, init: { ...stmt.init, index: mod(add(stmt.init.index, u32(1)), u32(16)) } }
          : stmt,
    ],
    [
      'the words of the first tile for the second',
      'forward',
      (stmt) =>
        stmt.s === 'let' && stmt.name.startsWith('word_b0_') && stmt.init.e === 'peek'
          ? { ...stmt, init: { ...stmt.init, index: mod(stmt.init.index, u32(32)) } }
          : stmt,
    ],
    ['words are unpacked before all are there', 'forward', (stmt) => (stmt.s === 'barrier' ? null : stmt)],
  ];
  test.each(FAULTS)('a fault is found: %s', (_, name, change) => {
    const one = packed.find((found) => found.name === `packed_vectors_${name}`)!;
    const broken = changed(one.kernel, change);
    let error = Number.POSITIVE_INFINITY;
    try {
      error = worstError(run(broken, one, { order: { seed: 5 } }).result, one.expected);
    } catch (fault) {
      expect(String(fault)).toMatch(/race|unwritten/);
    }
    expect(error).toBeGreaterThan(1e-3);
  });

  test.each(DEVICES.filter(({ api }) => api === 'webgpu').map((device) => [device.name, device] as const))(
    'no launch of a plan for %s reads them, or anything else, one by one',
    (_, device) => {
      const found: string[] = [];
      let seen = 0;
      const kinds: readonly Packing[] = [
        { bits: 4, block: 32, scales: 'f32', zeros: 'u8', out: 64 },
        { bits: 4, table: 'nf4', block: 32, scales: 'f32', zeros: null, out: 64 },
        { bits: 8, block: 16, scales: 'f32', zeros: 'f32', out: 64 },
      ];
      for (const [n, how] of kinds.entries()) {
        const layers = packedContraction(inTurn([LOTR, LORA], n)[0]!, how, 8);
        for (const tokens of EVERYTHING ? [1, 4, 8, 9, 64, 65, 512, 1000] : [1, 8, 64, 1000])
          for (const purpose of ['serve', 'train'] as const) {
            const plan = loweredWgsl(choose(layers, { device, tokens, dtype: 'f32', purpose }));
            for (const launch of launchesOf(plan)) {
              if (launch.work.kind !== 'product') continue;
              const small = launch.work.segments.flatMap(({ b }) => {
                const { scales, zeros } = b.matrix.packed ?? {};
                return [scales?.buffer, zeros?.buffer];
              });
              const { buffers } = kernelOf(launch);
              seen++;
              for (const { name, vector } of buffers)
                if (!vector && !small.includes(name)) found.push(`${launch.name}, ${tokens} rows: ${name}`);
            }
          }
      }
      expect(found).toEqual([]);
      expect(seen).toBeGreaterThan(100);
    },
  );
});

describe('where widths and ranks are multiples of four, no launch of a plan reads element by element', () => {
  const KINDS = [
    ['train', {}],
    ['serve', {}],
    ['serve', { merging: true }],
    ['serve', { adapters: 3 }],
    ['train', { subgroups: true }],
  ] as const;
  const ranks = allOrFirst([12, 4, 8, 16]);
  const rows = EVERYTHING ? [1, 2, 4, 5, 8, 9, 16, 17, 64, 65, 512, 513, 4096] : [1, 9, 64, 1000];
  const devices = DEVICES.filter(({ api }) => api === 'webgpu');

  test.each(devices.map((device) => [device.name, device] as const))('on %s', (_, device) => {
    const seen = new Set<string>();
    const scalar: string[] = [];
    for (const rank of ranks)
      for (const tokens of rows)
        for (const [n, [purpose, options]] of KINDS.entries())
          for (const dtype of inTurn(['f32', 'f16'] as const, n))
            for (const factors of [2, 3] as const) {
              const sketch = { factors, in: 4096, out: 1408, rank, inputs: [['q', 'k'], ['o']] } as const;
              const stored = n % 2 === 0 ? 'io' : 'oi';
              const layers = contractionOf({ ...sketch, stored, activation: 'relu' });
              const plan = loweredWgsl(choose(layers, { device, tokens, dtype, purpose, ...options }));
              for (const launch of launchesOf(plan)) {
                const { name, work, schedule } = launch;
                const key = JSON.stringify([work, schedule]);
                if (seen.has(key)) continue;
                seen.add(key);
                const own = kernelOf(launch).buffers.filter(({ elem }) => elem !== 'u32');
                if (!own.every(({ vector }) => vector))
                  scalar.push(`${name}, rank ${rank}, ${tokens} rows, ${dtype}, ${purpose}`);
              }
            }
    expect(scalar).toEqual([]);
    expect(seen.size).toBeGreaterThan(20);
  });
});

/** Parts of sums that are added four neighbours at a time. */
describe('parts of sums', () => {
  const parts = (elements: number, offset: number) => {
    const job = { parts: 3, elements, accumulate: true } as const;
    const at = (buffer: string) => ({ buffer, dtype: 'f32', offset }) as const;
    const schedule = { BM: 256, BN: 1, BK: 1, TM: 1, TN: 1, vec: 4, stages: 1, warps: 0, splitK: 1 } as const;
    const launch: Launch = {
      name: 'reduce_0',
      family: 'reducePartials',
      schedule,
      work: { kind: 'reduce', jobs: [0, 1].map((n) => ({ ...job, partials: at('p'), out: at(`y${n}`) })) },
      predicted: { flops: 0, bytes: 0, seconds: 0 },
      does: 'adds',
    };
    const buffers = {
      p: values(offset + 3 * elements, 1),
      y0: values(offset + elements, 2),
      y1: values(offset + elements, 3),
    };
    const expected = Float64Array.from(buffers.y1, (y, i) =>
      i < offset ? y : [0, 1, 2].reduce((sum, n) => sum + buffers.p[i + n * elements]!, y),
    );
    return { name: 'reduce', launch, bound: { M: 1 }, buffers, out: 'y1', expected };
  };

  test.each([
    [420, 8, true],
    [421, 8, false],
    [420, 6, false],
  ])('of %i from %i on', (elements, offset, wide) => {
    const one = parts(elements, offset);
    const kernel = kernelOf(one.launch);
    expect(kernel.buffers.every(({ vector }) => vector === true)).toBe(wide);
    expect(kernel.workgroup[0]).toBe(wide ? 64 : 256);
    expect(verifyKernel(kernel, profile('webgpu-laptop', 'webgpu'))).toEqual([]);
    const { result, counts } = run(kernel, one, { order: { seed: 5 } });
    expect(worstError(result, one.expected)).toBeLessThan(2e-6);
    expect(run(legalise(kernel), one)).toEqual(run(kernel, one));
    expect(counts.fetches).toBe((wide ? 1 / 4 : 1) * counts.loads);
  });
});

test('tiles of vectors have no bank conflicts, and padding leaves few where they are turned', () => {
  const conflicts = (name: string, pad: number) => {
    const one = vectorCases().find((found) => found.name === name)!;
    const schedule = { ...one.launch.schedule, pad, BM: 32, BN: 32, BK: 16 };
    const launch = { ...one.launch, schedule };
    return run(kernelOf(launch), { ...one, launch }, { banks: true }).counts.bankConflicts;
  };
  expect(conflicts('vectors', 4)).toBe(0);
  expect(conflicts('vectors_sum_over_tokens', 4)).toBeLessThan(conflicts('vectors_sum_over_tokens', 0) / 2);
});

describe('the rule of vectors', () => {
  const view = (width: number): View => ({
    buffer: 'x',
    offset: u32(0),
    extents: [u32(8), u32(width)],
    strides: [u32(width), u32(1)],
  });
  const kernel = (...body: Stmt[]): Kernel => ({
    name: 'k',
    about: [],
    workgroup: [8, 1, 1],
    buffers: [{ name: 'x', elem: 'f32', access: 'read_write', vector: true }],
    uniforms: [],
    arrays: [{ name: 'v', space: 'register', size: 1, vector: true }],
    body,
  });
  const lane = id('local', 0);
  const broken = (...body: Stmt[]) => verifyKernel(kernel(...body)).map(({ message }) => message);

  test('four elements lie together from a multiple of four on', () => {
    expect(broken(store(view(8), [lane, u32(4)], splat(f32(1))))).toEqual([]);
    expect(broken(store(view(8), [lane, u32(2)], splat(f32(1)))).join()).toMatch(/vector/);
    expect(broken(store(view(6), [lane, u32(0)], splat(f32(1)))).join()).toMatch(/vector/);
  });

  test('a buffer or an array is accessed in vectors, or element by element', () => {
    expect(broken(define('a', load(view(8), [lane, u32(0)]))).join()).toMatch(/vector/);
    expect(broken(poke('v', u32(0), f32(1))).join()).toMatch(/vector/);
    expect(broken(poke('v', u32(0), load4(view(8), [lane, mul(u32(1), u32(4))])))).toEqual([]);
  });

  test('LOTR6103: CUDA is given kernels without vectors', () => {
    expect(() => printCuda([cases[0]!.kernel])).toThrow(/LOTR6103.*vectors/);
  });
});
