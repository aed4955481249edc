import { describe, expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import {
  add,
  type Bool,
  define,
  type Expr,
  f32,
  id,
  type Kernel,
  lt,
  poke,
  type Stmt,
  u32,
} from '../../../src/backends/kernel/ir/kir.js';
import { legalise } from '../../../src/backends/kernel/ir/legalise.js';
import { peer, subgroupAdd } from '../../../src/backends/kernel/ir/subgroups.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { Product } from '../../../src/backends/kernel/model/types.js';
import { printCuda } from '../../../src/backends/kernel/print/cuda/print.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileCuda, ptxOf, runOnCpu } from '../../support/cuda.js';
import {
  dawnEnvironment,
  execution,
  floats,
  runDawn,
  validation,
  validationEnvironment,
} from '../../support/dawn.js';
import { profile } from '../../support/devices.js';
import { EVERYTHING, everyNth, inTurn } from '../../support/everything.js';
import type { KernelCase } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret, type Launched } from '../../support/kernel-sim/interpret.js';
import type { Order } from '../../support/kernel-sim/memory.js';
import type { Division } from '../../support/kernel-sim/subgroups.js';
import { subgroupPlanCases } from '../../support/plan-cases.js';
import { subgroupCases } from '../../support/subgroup-cases.js';

const cases = subgroupCases().map((one) => ({ ...one, kernel: kernelOf(one.launch) }));

function run(kernel: Kernel, one: KernelCase, how: Pick<Launched, 'order' | 'subgroups'>) {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  const counts = interpret(kernel, {
    buffers,
    uniforms: one.bound,
    grid: gridOf(one.launch, one.bound),
    ...how,
  });
  return { result: buffers[one.out]!, counts };
}

/** Sizes of subgroups, of neighbours or of any invocations; 7 leaves a last one that is not full, and so does 128. */
const any = (size: number) => ({ size, mapping: { seed: size } });
const DIVISIONS: readonly (readonly [Order, readonly Division[]])[] = [
  ['forward', [{ size: 4 }, { size: 8 }, { size: 16 }, { size: 32 }, { size: 64 }]],
  ['reversed', [any(7), { size: 4 }, any(32), { size: 128 }]],
  [{ seed: 5 }, [any(4), any(16), { size: 8 }]],
];

describe.each(cases.map((one, n) => [one.name, one, n] as const))('%s', (_, one, n) => {
  test.each(inTurn(DIVISIONS, n))(
    'agrees with float64 for every size of subgroups, order %j',
    (order, divisions) => {
      // in CI all of them
      for (const subgroups of everyNth(2, divisions)) {
        const { result } = run(one.kernel, one, { order, subgroups });
        expect(worstError(result, one.expected), JSON.stringify(subgroups)).toBeLessThan(2e-6);
      }
    },
  );

  // every third of them; in CI all
  test.runIf(EVERYTHING || n % 3 === 0)('computes the same bits after legalisation', () => {
    const subgroups = { size: 8, mapping: { seed: 3 } } as const;
    expect(run(legalise(one.kernel), one, { subgroups })).toEqual(run(one.kernel, one, { subgroups }));
  });

  test('keeps the rules', () => {
    expect(verifyKernel(one.kernel)).toEqual([]);
  });
});

const [driver, validator] = [dawnEnvironment(), validationEnvironment()];
const compiler = hasCompiler('g++');
/** Those that drivers and compilers run: each takes a moment. In CI all. */
const sampled = everyNth(5, cases);
const errorOf = (actual: ArrayLike<number>, index: number) =>
  worstError(actual, sampled[index]!.expected) < 2e-6;
const CLOSE = sampled.map(({ name }) => [name, true]);

/** Results of all cases by both back ends, each made once. */
let wgsl: readonly Float32Array[] | undefined;
let cuda: readonly Float32Array[] | undefined;
function byDawn(): readonly Float32Array[] {
  wgsl ??= runDawn(
    'vulkan',
    driver!,
    sampled.map((one) => execution(one.kernel, one)),
  ).map(({ messages, out }) => {
    expect(messages).toEqual([]);
    return floats(out!);
  });
  return wgsl;
}
function byWarps(): readonly Float32Array[] {
  cuda ??= runOnCpu(sampled);
  return cuda;
}

test.skipIf(!driver)('WGSL run by Dawn, in subgroups of 4, agrees with float64', { timeout: 300_000 }, () => {
  expect(byDawn().map((actual, index) => [sampled[index]!.name, errorOf(actual, index)])).toEqual(CLOSE);
});

test.skipIf(!compiler)('CUDA run on the CPU, in warps, agrees with float64', { timeout: 300_000 }, () => {
  expect(byWarps().map((actual, index) => [sampled[index]!.name, errorOf(actual, index)])).toEqual(CLOSE);
});

test.skipIf(!driver || !compiler)(
  'WGSL and CUDA agree with each other to rounding',
  { timeout: 300_000 },
  () => {
    const warps = byWarps();
    const far = byDawn().flatMap((actual, index) => {
      const error = worstError(actual, [...warps[index]!]);
      return error <= 1e-6 ? [] : [[sampled[index]!.name, error]];
    });
    expect(far).toEqual([]);
  },
);

describe.skipIf(!validator)('WGSL', () => {
  test.each(['f32', 'f16'] as const)('with %s operands is valid for every kernel', (elem) => {
    const kernels = cases.map(({ kernel }) => ({
      ...kernel,
      buffers: kernel.buffers.map((param) => (param.elem === 'f32' ? { ...param, elem } : param)),
    }));
    const answers = runDawn('null', validator!, kernels.map(validation));
    expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
  });
});

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('compiles every kernel without spills, sums over warps by shuffles', { timeout: 300_000 }, () => {
    const kernels = sampled.map(({ kernel }) => kernel);
    expect(compileCuda(kernels, 'sm_90a').map(({ spills }) => spills)).toEqual(kernels.map(() => 0));
    expect(ptxOf(kernels.slice(0, 1), 'compute_80')).toMatch(/shfl\.sync\.bfly\.b32/);
  });
});

describe('launches of plans for few rows', () => {
  const planned = subgroupPlanCases().map((one) => ({ one, kernel: kernelOf(one.launch) }));
  const device = profile('webgpu-laptop', 'webgpu');

  test('are of every family that has such schedules, keep the rules and fit the device', () => {
    expect(new Set(planned.map(({ one }) => one.launch.family))).toEqual(new Set(['skinny', 'gemm', 'gemv']));
    expect(planned.flatMap(({ kernel }) => verifyKernel(kernel, device))).toEqual([]);
  });

  test.each(inTurn([any(16), { size: 4 }], 1))(
    'agree with float64 in subgroups %j',
    { timeout: 300_000 },
    (subgroups) => {
      const far = everyNth(4, planned).flatMap(({ one, kernel }) => {
        const error = worstError(run(kernel, one, { order: { seed: 3 }, subgroups }).result, one.expected);
        return error < 2e-6 ? [] : [[one.name, error]];
      });
      expect(far).toEqual([]);
    },
  );

  test.skipIf(!validator)('are valid WGSL', { timeout: 300_000 }, () => {
    const answers = runDawn(
      'null',
      validator!,
      planned.map(({ kernel }) => validation(kernel)),
    );
    expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
  });
});

/** A kernel with statements changed; null drops one. */
function changed(kernel: Kernel, change: (stmt: Stmt) => Stmt | null): Kernel {
  const block = (body: readonly Stmt[]): Stmt[] =>
    body.flatMap((stmt) => {
      const after = change('body' in stmt ? { ...stmt, body: block(stmt.body) } : stmt);
      return after ? [after] : [];
    });
  return { ...kernel, body: block(kernel.body) };
}

describe('a kernel that is wrong is found out', () => {
  const one = cases.find(({ name }) => name === 'lanes_few_rows')!;
  const rules = (kernel: Kernel) =>
    verifyKernel(kernel)
      .map(({ code, message }) => `${code} ${message}`)
      .join();
  const off = (kernel: Kernel, subgroups: Division) =>
    worstError(run(kernel, one, { subgroups }).result, one.expected);

  /** Sums whose operand occurs only there. */
  const unsummed = (stmt: Stmt): Stmt =>
    stmt.s === 'poke' && stmt.value.e === 'subgroupAdd' ? { ...stmt, value: stmt.value.of } : stmt;
  const fixed = (name: string, init: Expr) => (stmt: Stmt) =>
    stmt.s === 'let' && stmt.name === name ? { ...stmt, init } : stmt;

  test.each<[what: string, change: (stmt: Stmt) => Stmt | null, wrong: readonly Division[]]>([
    ['without the sum over a subgroup', unsummed, [{ size: 4 }, { size: 32 }, { size: 64 }]],
    [
      'without what the other subgroups have',
      (stmt) => (stmt.s === 'for' && stmt.name === 'l_y' ? null : stmt),
      [{ size: 4 }, { size: 64 }],
    ],
    ['that takes subgroups for warps', fixed('peers', u32(32)), [{ size: 4 }, { size: 16 }]],
    [
      'that takes its number in the workgroup',
      fixed('peer', id('local', 0)),
      [{ size: 4 }, { size: 32, mapping: { seed: 1 } }],
    ],
    [
      'that counts on neighbours',
      fixed('peer', { type: 'u32', e: 'bin', op: '%', a: id('local', 0), b: u32(8) }),
      [{ size: 8, mapping: { seed: 1 } }],
    ],
  ])('%s', (_, change, wrong) => {
    const broken = changed(one.kernel, change);
    expect(broken).not.toEqual(one.kernel);
    for (const subgroups of wrong) expect(off(broken, subgroups), `${subgroups.size}`).toBeGreaterThan(1e-3);
  });

  test('without the barrier', () => {
    const broken = changed(one.kernel, (stmt) => (stmt.s === 'barrier' ? null : stmt));
    expect(rules(broken)).toMatch(/LOTR6104.*"order".*sums is read without a barrier/);
    expect(() => off(broken, { size: 4 })).toThrowError(/race|unwritten/);
  });

  test('with a sum that some invocations of a subgroup do not reach', () => {
    const broken = changed(one.kernel, (stmt) =>
      stmt.s === 'poke' && stmt.value.e === 'subgroupAdd'
        ? { s: 'if', cond: lt(id('local', 0), u32(5)), body: [stmt] }
        : stmt,
    );
    expect(rules(broken)).toMatch(/LOTR6104.*"subgroup".*a subgroupAdd that some invocations may not reach/);
    expect(() => off(broken, { size: 4 })).toThrowError(/subgroup: 1 invocations wait for others/);
  });

  test('with different sums in one subgroup', () => {
    const sum = (value: number): Stmt => poke('acc', u32(0), subgroupAdd(f32(value)));
    const either = (cond: Bool): Stmt => ({ s: 'if', cond, body: [sum(1)] });
    const [low, high] = [lt(id('local', 0), u32(2)), lt(u32(1), id('local', 0))];
    const broken = { ...one.kernel, body: [either(low), either(high)] };
    expect(() => off(broken, { size: 4 })).toThrowError(/subgroup: invocations .* different sums/);
  });

  test('with what a subgroup has in the middle of an expression, or of whole numbers', () => {
    const rule = (stmt: Stmt) => rules({ ...one.kernel, body: [stmt] });
    expect(rule(define('v', add(f32(1), subgroupAdd(f32(1)))))).toMatch(
      /a subgroupAdd is part of an expression/,
    );
    expect(rule(define('v', add(u32(1), peer)))).toMatch(/a subgroup is part of an expression/);
    const whole = { type: 'f32', e: 'subgroupAdd', of: u32(1) } as unknown as Expr;
    expect(rule(define('v', whole))).toMatch(/a sum over a subgroup of u32/);
  });

  test('for a device without subgroups', () => {
    const laptop = profile('webgpu-laptop', 'webgpu');
    expect(verifyKernel(one.kernel, laptop)).toEqual([]);
    const [problem] = verifyKernel(one.kernel, { ...laptop, features: [] });
    expect(problem).toMatchObject({
      code: 'LOTR6102',
      message: expect.stringMatching(/sums over subgroups/),
    });
  });

  test('in CUDA, with a warp that is not full; and a sum in parts', () => {
    expect(() => printCuda([{ ...one.kernel, workgroup: [48, 1, 1] }])).toThrowError(/LOTR6103.*subgroup/);
    const { launch } = one;
    const parts = { ...launch, work: { ...launch.work, parts: 2 } as Product };
    expect(() => kernelOf(parts)).toThrowError(/LOTR6101.*in parts/);
  });
});
