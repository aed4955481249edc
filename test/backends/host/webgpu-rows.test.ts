import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { launchesOf, placesOf } from '../../../src/backends/host/shared/tables.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { runLaunch } from '../../../src/backends/kernel/model/by-definition.js';
import type { KernelDtype, KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { fromF16 } from '../../../src/ir/half.js';
import { profile } from '../../support/devices.js';
import { inTurn } from '../../support/everything.js';
import { contraction } from '../../support/host-layers.js';
import { type EmittedModule, loadModule } from '../../support/host-module.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { packedContraction, packedTensors } from '../../support/packed-layers.js';
import { recordingDevice } from '../../support/recording-device.js';
import { rowFactors, rowReference } from '../../support/row-adapters.js';
import { tensorsOf } from '../../support/two-passes.js';

const device = profile('webgpu-laptop', 'webgpu');
const TOKENS = 7;
const ADAPTERS = [
  { rank: 3, scale: 2 },
  { rank: 1, scale: 0.5 },
  { rank: 6, scale: -1.25 },
  { rank: 4, scale: 0.75 },
];

/** A module's calls: those that the tests make. */
interface Host {
  setWeights(tensors: object): void;
  setPacked(tensors: object): void;
  setAdapter(tensors: object, adapter?: unknown, options?: unknown): void;
  setRows(adapters: readonly unknown[]): void;
  write(name: string, data: Float32Array): void;
}

const planOf = (spec: typeof LOTR, layers: Parameters<typeof contraction>[2], dtype: KernelDtype = 'f32') => {
  const found = contraction(spec, undefined, layers);
  const options = { device, tokens: TOKENS, purpose: 'serve', adapters: 4, mostRank: 6, dtype } as const;
  return { found, plan: loweredWgsl(choose(found, options)) };
};

async function hostOf(plan: KernelPlan) {
  const module: EmittedModule = await loadModule(webgpuHost(plan)[0]!.text);
  const { requiredLimits: limits, requiredFeatures: features } = module.requirements(TOKENS);
  const { device: recording, made } = recordingDevice({ limits, features });
  const host = (await module.createAdapters(recording, { tokens: TOKENS })) as unknown as Host;
  return { module, host, made };
}

/** What the buffers of a plan hold after all writes. */
function written(plan: KernelPlan, made: Awaited<ReturnType<typeof hostOf>>['made']) {
  const bytes = new Map(made.buffers.map(({ label, size }) => [label, new Uint8Array(size)]));
  for (const { label, offset, data } of made.written) {
    expect(offset % 4, label).toBe(0);
    expect(data.byteLength % 4, label).toBe(0);
    bytes.get(label)!.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  }
  return Object.fromEntries(
    plan.buffers.map(({ name, dtype, shape }) => {
      const { buffer } = bytes.get(name)!;
      if (dtype === 'u32') return [name, new Uint32Array(buffer)];
      if (dtype === 'u8') return [name, new Uint8Array(buffer)];
      if (dtype === 'f32') return [name, new Float32Array(buffer)];
      // an odd number of halves is followed by another
      const size = shape.reduce<number>((all, length) => all * (length === 'M' ? TOKENS : Number(length)), 1);
      return [name, Float32Array.from(new Uint16Array(buffer, 0, size), fromF16)];
    }),
  ) as Record<string, Float32Array>;
}

/** A packed weight is read as words, its zero points as bytes. */
function asRead(data: Float32Array | Uint8Array, elem: string): Float32Array | Uint32Array {
  if (data instanceof Float32Array || data instanceof Uint32Array) return data;
  return elem === 'u32' ? new Uint32Array(data.buffer) : Uint32Array.from(data);
}

/** Runs the launches of a plan in the interpreter. */
function run(plan: KernelPlan, memory: Record<string, Float32Array>): void {
  for (const launch of launchesOf(plan)) {
    const kernel = kernelOf(launch);
    const buffers = Object.fromEntries(
      kernel.buffers.map(({ name, elem }) => [name, asRead(memory[name]!, elem)] as const),
    );
    interpret(kernel, { buffers, uniforms: { M: TOKENS }, grid: gridOf(launch, { M: TOKENS }) });
  }
}

const CASES = [
  ['lotr, in vectors', LOTR, { in: 20, out: 12, rank: 5 }],
  ['lora, odd widths', LORA, { in: 17, out: 11, rank: 5 }],
  ['lora, in vectors', LORA, { in: 12, out: 8, rank: 5 }],
] as const;

describe.each(
  CASES.flatMap(([name, spec, layers], n) =>
    inTurn(['f32', 'f16'] as const, n + 1).map(
      (dtype) => [`${name}, ${dtype}`, spec, layers, dtype] as const,
    ),
  ),
)('rows with adapters of their own, %s', (_, spec, layers, dtype) => {
  test('get what float64 says, in any order; a slot takes an adapter of another rank', async () => {
    const { found, plan } = planOf(spec, layers, dtype);
    const { host, made } = await hostOf(plan);
    const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
    const adapters = ADAPTERS.map((one, n) => ({ ...one, factors: rowFactors(plan, one.rank, 20 + 30 * n) }));
    const inputs = Object.fromEntries(
      ['x_0', 'x_1'].map((name, n) => [name, values(TOKENS * layers.in, 31 + n)] as const),
    );
    host.setWeights(Object.fromEntries(Object.entries(weights).map(([k, v]) => [k, Float32Array.from(v)])));
    // in the place of another, larger one, factor by factor
    host.setAdapter(adapters[2]!.factors, 1, { scale: 9 });
    for (const [n, { factors, rank, scale }] of adapters.entries()) {
      const [first, ...rest] = Object.entries(factors);
      if (n === 1) {
        host.setAdapter(Object.fromEntries([first!]), n, { rank, scale });
        expect(() => host.setRows([1])).toThrow(/adapter 1 has no .*: setAdapter comes first/);
        host.setAdapter(Object.fromEntries(rest), n);
      } else host.setAdapter(factors, n, { scale });
    }
    for (const [name, data] of Object.entries(inputs)) host.write(name, data);
    const rows = [2, null, 0, 3, 2, 1];
    host.setRows(rows);
    const memory = written(plan, made);
    // rows beyond the last have none
    const none = 0xffffffff;
    expect([...memory.rowAdapter!]).toEqual([2, none, 0, 3, 2, 1, none]);
    run(plan, memory);
    const expected = rowReference(found, adapters, weights, inputs, [...rows, null]);
    for (const name of ['y_0', 'y_1', 'y_2'])
      expect(worstError(memory[name]!, expected(name)), name).toBeLessThan(dtype === 'f32' ? 2e-6 : 4e-3);
  });
});

test('rows get their adapters over weights of 4 bits too', async () => {
  const how = { bits: 4, block: 32, scales: 'f32', zeros: 'u8', out: 40 } as const;
  const found = packedContraction(LOTR, how, 4);
  const plan = loweredWgsl(
    choose(found, { device, tokens: TOKENS, purpose: 'serve', adapters: 4, mostRank: 6 }),
  );
  const { host, made } = await hostOf(plan);
  const { stored, packed, dense } = packedTensors(how);
  const adapters = ADAPTERS.map((one, n) => ({ ...one, factors: rowFactors(plan, one.rank, 20 + 30 * n) }));
  const bias = values(40, 2);
  const floats = { ...stored, 'q.bias': bias };
  host.setWeights(Object.fromEntries(Object.entries(floats).map(([k, v]) => [k, Float32Array.from(v)])));
  host.setPacked(Object.fromEntries(Object.entries(packed).map(([k, v]) => [k, Uint8Array.from(v)])));
  for (const [n, { factors, scale }] of adapters.entries()) host.setAdapter(factors, n, { scale });
  const inputs = { x_0: values(TOKENS * 72, 31), x_1: values(TOKENS * 72, 32) };
  for (const [name, data] of Object.entries(inputs)) host.write(name, data);
  const rows = [2, null, 0, 3, 2, 1, 1];
  host.setRows(rows);
  const memory = written(plan, made);
  run(plan, memory);
  const expected = rowReference(found, adapters, { ...dense, 'q.bias': bias }, inputs, rows);
  for (const name of ['y_0', 'y_1', 'y_2'])
    expect(worstError(memory[name]!, expected(name)), name).toBeLessThan(2e-6);
});

test('what does not fit is refused, before anything is written', async () => {
  const { found, plan } = planOf(LOTR, { in: 20, out: 12, rank: 5 });
  const { host, made } = await hostOf(plan);
  const { length } = made.written;
  const factors = rowFactors(plan, 3, 5);
  const [name] = Object.keys(factors) as [string];
  const R = factors[name]!;
  const core = Object.keys(factors).find((one) => factors[one]!.length === 9)!;
  for (const [tensors, adapter, options, says] of [
    [factors, 4, {}, 'there is no adapter 4, only 4'],
    [factors, 0, { rank: 7 }, 'rank is 7, not a whole number from 1 to 6'],
    [factors, 0, { rank: 2 }, `${name} of rank 2 is 20 x 2, not 60 numbers`],
    [factors, 0, { scale: Number.NaN }, 'scale is not a finite number'],
    [{ ...factors, nobody: R }, 0, {}, 'there is no factor nobody here'],
    [
      { [name]: R.slice(1) },
      0,
      {},
      `${name} is rank x 20 or turned, with a rank from 1 to 6, not 59 numbers`,
    ],
    [{ ...factors, [core]: R }, 0, {}, `${core} of rank 3 is 3 x 3, not 60 numbers`],
  ] as const)
    expect(() => host.setAdapter(tensors, adapter, options), says).toThrow(says);
  expect(() => host.setRows([0, 4])).toThrow('adapter 0 has no');
  expect(() => host.setRows(Array<null>(8).fill(null))).toThrow('8 rows are more than 7');
  expect(() => host.write('ranks_0', new Float32Array(4))).toThrow('ranks_0 is filled by setAdapter');
  expect(made.written).toHaveLength(length);
  // one that the model has, in its own scale
  host.setAdapter(factors);
  host.setRows([0]);
  const memory = written(plan, made);
  expect([...memory.ranks_0!]).toEqual([3, 0, 0, 0]);
  expect(memory.scales_0![0]).toBeCloseTo(found.groups[0]!.scale);
});

test('a weight that a device does not bind at once is read in slices, of which the first adds what adapters do', () => {
  const found = contraction(LORA, ['k'], { in: 132, out: 44, rank: 5 });
  const small = { ...device, bindingBytes: 20000 };
  const options = { device: small, tokens: 3, purpose: 'serve', adapters: 4, mostRank: 8 } as const;
  const plan = loweredWgsl(choose(found, options));
  const [, , first, last] = plan.regions[0]!.forward;
  expect([first!.name, last!.name]).toEqual(['layer_0_slice_1', 'layer_0']);
  const memory = new Map(
    plan.buffers.map(({ name, dtype, shape }, n) => {
      const size = shape.reduce<number>((all, extent) => all * (extent === 'M' ? 3 : Number(extent)), 1);
      return [
        name,
        dtype === 'u32' ? new Float64Array(size).fill(2) : Float64Array.from(values(size, n + 1)),
      ];
    }),
  );
  const given = new Map([...memory].map(([name, data]) => [name, data.slice()]));
  for (const launch of launchesOf(plan)) runLaunch(launch, memory, { M: 3 });
  for (const launch of choose(found, { ...options, device }).regions[0]!.forward)
    runLaunch(launch, given, { M: 3 });
  expect(worstError(memory.get('y_0')!, given.get('y_0')!)).toBeLessThan(1e-12);
});

test('as many launches for any number of adapters; products of layers are cut into parts as without', () => {
  const names = [1, 300].map((adapters) => {
    const found = contraction(LOTR, undefined, { in: 20, out: 12, rank: 5 });
    const options = { device, tokens: 3, purpose: 'serve', mostRank: 6 } as const;
    return launchesOf(loweredWgsl(choose(found, { ...options, adapters }))).map(({ name }) => name);
  });
  expect(names[0]).toEqual(names[1]);
});

test('LOTR6140: adapters that a device does not bind at once are refused', () => {
  const small = { ...device, bindingBytes: 2100 };
  const options = { device: small, tokens: 3, purpose: 'serve', mostRank: 8, adapters: 4 } as const;
  const plan = choose(contraction(LOTR, undefined, { in: 20, out: 12, rank: 5 }), options);
  expect(() => loweredWgsl(plan)).toThrow(
    /LOTR6140: R_rows_0_0 holds a factor of all adapters in 2.56 kB, and kernels on webgpu-laptop are given at most 2.10 kB of a buffer/,
  );
});
