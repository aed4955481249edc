import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { askDevice } from '../../../cli/doctor/ask.js';
import { main } from '../../../cli/program.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { noWebgpu, wrongKernel } from '../../../src/backends/codes/doctor.js';
import { type CheckedKernel, checksOf } from '../../../src/backends/doctor/checks.js';
import { type Answer, type Gpu, type Job, openDevice } from '../../../src/backends/doctor/examine.js';
import { doctorPage, doctorScript } from '../../../src/backends/doctor/page.js';
import { parseRecord } from '../../../src/backends/doctor/read-record.js';
import { ALLOWED, type DeviceRecord, recordOf } from '../../../src/backends/doctor/record.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { pickSchedule } from '../../../src/backends/kernel/plan/schedule.js';
import { codeOf } from '../../support/code-of.js';
import { dawnEnvironment, runDawn, validationEnvironment } from '../../support/dawn.js';
import { denoCommand, denoEnvironment, denoProgram } from '../../support/deno.js';
import { profile } from '../../support/devices.js';
import { EVERYTHING } from '../../support/everything.js';
import { contraction } from '../../support/host-layers.js';

const device = profile('webgpu-laptop', 'webgpu');
const checked = checksOf(device);
const checks = checked.map(({ check }) => check);
const named = (of: string) => checks.find((check) => check.of === of)!;
const adapter = {
  name: 'a device',
  software: false,
  features: ['shader-f16', 'subgroups'],
  limits: {
    maxComputeWorkgroupStorageSize: 16384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxStorageBuffersPerShaderStage: 10,
    maxStorageBufferBindingSize: 1 << 30,
  },
};
/** The record of a device that is wrong in these checks. */
const recordWith = (...wrong: readonly string[]): DeviceRecord => {
  for (const of of wrong) expect(checks.map((check) => check.of)).toContain(of);
  const answers = checks.map(
    ({ name, of }): Answer => ({ name, error: wrong.includes(of) ? 0.3 : 1e-7, said: '' }),
  );
  return recordOf(device, checks, { adapter, answers }, ALLOWED);
};

const without = (feature: string) => new Set(device.features.filter((name) => name !== feature));

test('every schedule of a profile is checked, in each form that it has, and what has no schedule', () => {
  expect(new Set(checks.map(({ row }) => row))).toEqual(new Set([...device.tiles.keys(), null]));
  const families = new Set(checks.map(({ family }) => family));
  for (const family of [
    'gemm',
    'gemv',
    'skinny',
    'skinnyT',
    'rankBatched',
    'reducePartials',
    'rows',
    'einsum',
    'step',
  ])
    expect(families).toContain(family);
  expect(new Set(checks.map(({ of }) => of)).size).toBe(checks.length);
});

describe('the record of a device', () => {
  test('that is right in everything has all schedules', () => {
    const record = recordWith();
    expect(record.profile.tiles).toEqual(device.tiles);
    expect(record.profile).toMatchObject({ storageBuffers: 10, bindingBytes: 1 << 30 });
    expect(new Set(record.profile.features)).toEqual(new Set(device.features));
    expect(record.unsafe).toEqual([]);
  });

  test('keeps a schedule element by element where its vectors are wrong, and leaves it out where elements are', () => {
    const of = 'f32 gemm 64x64x16, 8x4 each';
    const at = named(of).row!;
    const { schedule } = device.tiles[at]!;
    expect(recordWith(`${of}, in vectors`).profile.tiles[at]!.schedule).toEqual({ ...schedule, vec: 1 });
    const without = recordWith(of).profile.tiles;
    expect(without).toHaveLength(device.tiles.length);
    expect(without.filter(({ dtype }) => dtype === 'f32').map((row) => row.schedule)).not.toContainEqual(
      schedule,
    );
    // nothing else is open for every shape
    expect(without.at(-1)).toMatchObject({
      family: 'gemm',
      dtype: 'f32',
      schedule: { BM: 8, TM: 1, vec: 1 },
    });
  });

  test('names kernels that have no other', () => {
    expect(recordWith('f32 einsum').unsafe).toEqual(['f32 einsum']);
    const spare = ['f32 rankBatched 32x32x16, 4x4 each', 'f32 rankBatched 8x8x8, 1x1 each'];
    expect(recordWith(...spare).unsafe).toEqual(['f32 rankBatched 8x8x8, 1x1 each']);
    expect(recordWith(spare[1]!).unsafe).toEqual([]);
  });

  test('leaves packed weights alone where one of their kernels is wrong', () => {
    const record = recordWith('f32 gemm, weight packed: nf4, vectors');
    expect(new Set(record.profile.features)).toEqual(without('packed'));
    expect(record.unsafe).toEqual([]);
  });

  test('LOTR6141: takes no rows with adapters of their own where one of their kernels is wrong', () => {
    const plan = (record: DeviceRecord) => {
      const found = parseRecord(JSON.stringify(record), 'device.json', [device]);
      const options = { device: found, tokens: 3, purpose: 'serve', adapters: 2, mostRank: 4 } as const;
      return () => loweredWgsl(choose(contraction(LOTR), options));
    };
    const wrong = recordWith('f16 D of rows, vectors');
    expect(new Set(wrong.profile.features)).toEqual(without('rows'));
    expect(wrong.unsafe).toEqual([]);
    expect(plan(wrong)).toThrow(/LOTR6141/);
    expect(plan(recordWith())).not.toThrow();
  });

  test('has matrices of subgroups in the types of sums that are right', () => {
    const tiles = 'f16 gemm 32x64x16, 2 stages, 4 subgroups, matrices f16-8x8x8';
    const [wide, half] = [`${tiles}, in vectors`, `${tiles}, sums of 16 in float16, in vectors`];
    const wrong = recordWith(half);
    expect(new Set(wrong.profile.features)).toEqual(without('f16 to f16, 8x8x8'));
    expect(wrong.profile.tiles).toEqual(device.tiles);
    const neither = recordWith(wide, half).profile;
    expect(neither.features.filter((name) => name.endsWith('8x8x8'))).toEqual(['f32 to f32, 8x8x8']);
    expect(neither.tiles).toEqual(device.tiles.filter(({ schedule }) => schedule.matrix !== 'f16-8x8x8'));
    const read = parseRecord(JSON.stringify(wrong), 'device.json', [device]);
    expect(read.tiles.filter(({ schedule }) => schedule.matrix)).toHaveLength(4);
    expect(read.features).not.toContain('f16 to f16, 8x8x8');
  });

  test('without 16-bit floats has no schedules for them', () => {
    const narrow = { ...adapter, features: [] };
    const answers = checks
      .filter(({ dtype }) => dtype === 'f32')
      .map(({ name }): Answer => ({ name, error: 0, said: '' }));
    const { profile: found } = recordOf(device, checks, { adapter: narrow, answers }, ALLOWED);
    expect(found.flops.f16).toBeNull();
    expect(new Set(found.tiles.map(({ dtype }) => dtype))).toEqual(new Set(['f32']));
  });

  test('is a profile for plans, which take the schedules that are left', () => {
    const problem = {
      family: 'gemm',
      dtype: 'f32',
      rows: 1,
      cols: 4096,
      inner: 4096,
      vectors: true,
    } as const;
    const picked = (record: DeviceRecord) => {
      const found = parseRecord(JSON.stringify(record), 'device.json', [device]);
      const db = found.tiles.filter(({ schedule }) => !schedule.subgroups);
      return pickSchedule(db, found, problem).schedule;
    };
    expect(picked(recordWith())).toMatchObject({ gemv: true, BM: 1, BN: 32 });
    const wrong =
      'f32 gemm 1x32, 8 invocations along the columns, 32 along the inner dimension, W stored (out, in)';
    expect(picked(recordWith(wrong))).toMatchObject({ gemv: true, BM: 4, BN: 32 });
  });

  test('that computes on the processor has tiles for few rows', () => {
    const answers = checks.map(({ name }): Answer => ({ name, error: 1e-7, said: '' }));
    const record = recordOf(device, checks, { adapter: { ...adapter, software: true }, answers }, ALLOWED);
    expect(record.profile.tiles).toEqual(device.tiles.filter(({ schedule }) => !schedule.gemv));
  });

  test.each([
    ['not JSON', '{', /not JSON/],
    ['no version', '{}', /version/],
    ['another profile', { profile: { name: 'h100' } }, /profile is not webgpu-laptop/],
    ['a limit', { profile: { ...recordWith().profile, invocations: -1 } }, /whole number/],
  ])('LOTR6044: %s', (_, given, why) => {
    const text = typeof given === 'string' ? given : JSON.stringify({ ...recordWith(), ...given });
    const parse = () => parseRecord(text, 'device.json', [device]);
    expect(codeOf(parse)).toBe('LOTR6044');
    expect(parse).toThrow(why);
  });

  test('LOTR6043: of a device on which no module can run is refused', () => {
    const text = JSON.stringify(recordWith('f32 einsum'));
    expect(codeOf(() => parseRecord(text, 'device.json', [device]))).toBe('LOTR6043');
  });
});

test('matrices of subgroups are run where the adapter lists them, in subgroups of a known size', async () => {
  const jobs = checked.filter(({ check }) => /^f\d+ to/.test(check.feature ?? '')).map(({ job }) => job());
  const adapterOf = (info: object, features: readonly string[]) => ({
    requestAdapter: async () => ({
      info: info as Record<string, unknown>,
      features: new Set(features),
      limits: {},
      // it computes nothing: what is asked of it fails
      requestDevice: async () => ({ lost: new Promise(() => undefined) }),
    }),
  });
  const config = { componentType: 'f16', resultComponentType: 'f32', M: 8, N: 16, K: 16 };
  const sizes = { subgroupMinSize: 16, subgroupMaxSize: 32 };
  const all = [...new Set(jobs.flatMap(({ features }) => features))];
  const asked = async (info: object, features = all) => {
    const opened = await openDevice(adapterOf(info, features) as unknown as Gpu);
    const answers = await Promise.all(jobs.map((job) => opened.answer(job)));
    return answers.flatMap((answer, n) => (answer ? matrixTextOf(jobs[n]!) : []));
  };
  const matrixTextOf = ({ matrix }: Job) => `${matrix!.resultComponentType} ${matrix!.N}`;
  expect(await asked({ ...sizes, subgroupMatrixConfigs: [config] })).toEqual(['f32 16', 'f32 16']);
  expect(await asked({ ...sizes, subgroupMatrixConfigs: [] })).toEqual([]);
  expect(await asked(sizes)).toEqual([]);
  const eight = { ...config, resultComponentType: 'f16', N: 8, K: 8 };
  expect(await asked({ ...sizes, subgroupMatrixConfigs: [eight] })).toEqual([]);
  const fixed = { subgroupMinSize: 32, subgroupMaxSize: 32 };
  expect(await asked({ ...fixed, subgroupMatrixConfigs: [eight] })).toEqual(['f16 8', 'f16 8']);
  expect(await asked({ ...fixed, subgroupMatrixConfigs: [eight] }, ['shader-f16', 'subgroups'])).toEqual([]);
});

const validator = validationEnvironment();
test.skipIf(!validator)('kernels of what only some devices have are valid WGSL', { timeout: 300_000 }, () => {
  const jobs = checked.flatMap(({ check, job }) => (check.feature === undefined ? [] : job()));
  const answers = runDawn(
    'null',
    validator!,
    jobs.map(({ code, layout }) => ({ code, layout })),
  );
  expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
});

test('the page has all kernels, and no text of them ends its script', () => {
  const text = doctorPage(device, checked.slice(0, 3), true);
  expect(text.split('</script>')).toHaveLength(2);
  expect(text).toContain(JSON.stringify(checks[0]));
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lotrc-doctor-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

test('-o with --page or for one family is refused, and the page is written', async () => {
  const said: string[] = [];
  const io = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) };
  const page = join(folder, 'doctor.html');
  const some = ['doctor', '--page', page, '--family', 'step'];
  expect(await main([...some, '-o', 'device.json'], io)).not.toBe(0);
  expect(await main(['doctor', '--family', 'step', '-o', 'device.json'], io)).not.toBe(0);
  expect(said.join('')).toContain('needs the kernels of every family');
  expect(await main(some, io)).toBe(0);
  expect(readFileSync(page, 'utf8')).toContain('Runs 3 kernels');
});

test('LOTR6041: no device; LOTR6042: a wrong kernel', () => {
  expect(noWebgpu({ why: 'it finds no device' })).toMatchObject({ code: 'LOTR6041', severity: 'error' });
  const found = wrongKernel({ of: 'f32 einsum', why: 'its error is 3.0e-1' });
  expect(found).toMatchObject({ code: 'LOTR6042', severity: 'warning' });
  expect(found.message).toMatch(/f32 einsum: its error/);
});

/** In CI: drivers on the CPU take about a second to compile a kernel. */
const [driver, deno] = EVERYTHING ? [dawnEnvironment(), denoProgram()] : [null, null];
/** Kernels in vectors and element by element; the one in vectors computes with the wrong numbers. */
const some = checked.filter(({ check }) => /^f32 (rankBatched 32|einsum|D of rows, vectors)/.test(check.of));
const FAULTY = 'f32 rankBatched 32x32x16, 4x4 each, in vectors';
const faulty = some.map(
  ({ check, job }): CheckedKernel => ({
    check,
    job: () => {
      const { code, ...rest } = job();
      return { ...rest, code: check.of === FAULTY ? code.replace('col_a_0.y', 'col_a_0.x') : code };
    },
  }),
);
const jobsOf = (list: readonly CheckedKernel[]): readonly Job[] => list.map(({ job }) => job());
const wrongIn = ({ checks: found }: Pick<DeviceRecord, 'checks'>) =>
  found.filter(({ passed }) => !passed).map(({ of }) => of);

test.skipIf(!driver)(
  'Dawn: a kernel with a fault is found and named; others are right',
  { timeout: 300_000 },
  async () => {
    for (const [name, value] of Object.entries(driver!)) vi.stubEnv(name, value);
    const broken = { ...some[0]!.job(), name: 'broken', code: 'fn main( {' };
    const examined = await askDevice([broken, ...jobsOf(faulty)]);
    expect(examined.answers[0]).toMatchObject({ name: 'broken', error: null });
    expect(examined.answers[0]!.said).not.toBe('');
    const record = recordOf(
      device,
      faulty.map(({ check }) => check),
      examined,
      ALLOWED,
    );
    expect(record.checks).toHaveLength(4);
    expect(wrongIn(record)).toEqual([FAULTY]);
  },
);

test.skipIf(!deno)('the script of the page, in another WebGPU (naga, lavapipe)', { timeout: 300_000 }, () => {
  const [script, output] = [join(folder, 'doctor.mjs'), join(folder, 'record.json')];
  const half = checked.filter(({ check }) => /^f16 (rankBatched 32|P of rows, vectors)/.test(check.of));
  const end = `Deno.writeTextFileSync('${output}', JSON.stringify(await doctor(navigator.gpu, () => {})));`;
  writeFileSync(script, `${doctorScript(device, [...faulty, ...half])}\n${end}\n`);
  const [file, ...flags] = denoCommand(deno!);
  execFileSync(file, [...flags, script], {
    env: { ...process.env, ...denoEnvironment(folder) },
    stdio: 'pipe',
  });
  const record = JSON.parse(readFileSync(output, 'utf8')) as DeviceRecord;
  expect(record.checks).toHaveLength(7);
  expect(wrongIn(record)).toEqual([FAULTY]);
});
