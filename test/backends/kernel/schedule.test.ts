import { describe, expect, test } from 'vitest';
import type { Family, KernelDtype, ScheduleRow } from '../../../src/backends/kernel/model/types.js';
import {
  illegal,
  inBucket,
  invocations,
  pickSchedule,
  workgroupBytes,
} from '../../../src/backends/kernel/plan/schedule.js';
import { parseSchedules, schedulesJson } from '../../../src/backends/kernel/plan/schedule-file.js';
import { DEVICES, profile } from '../../support/devices.js';

const HEURISTICS = DEVICES.flatMap(({ tiles }) => tiles);
const TARGETS = DEVICES.map(({ target }) => target);
const laptop = profile('webgpu-laptop', 'webgpu');
const problem = { family: 'gemm', dtype: 'f32', rows: 1000, cols: 768, inner: 776 } as const;

describe('pickSchedule', () => {
  const [first, second] = HEURISTICS.filter(
    (row) =>
      row.target === laptop.target &&
      row.dtype === 'f32' &&
      row.family === 'gemm' &&
      !row.schedule.subgroups &&
      !row.schedule.gemv &&
      !row.schedule.matrix,
  ).map(({ schedule }) => schedule) as [ScheduleRow['schedule'], ScheduleRow['schedule']];
  const row = (source: ScheduleRow['source'], schedule: ScheduleRow['schedule'], bucket = 'any') => ({
    target: laptop.target,
    dtype: 'f32' as const,
    family: 'gemm' as const,
    bucket,
    schedule,
    source,
  });

  test('takes tuned rows before heuristic ones, in any order of the list', () => {
    const db = [row('heuristic', first), row('tuned', second)];
    expect(pickSchedule(db, laptop, problem)).toMatchObject({ schedule: second, source: 'tuned' });
  });

  test('takes the first row whose shape class fits', () => {
    const db = [row('heuristic', first, 'rows<=999'), row('heuristic', second, 'rows<=1000 cols<=768')];
    expect(pickSchedule(db, laptop, problem).schedule).toBe(second);
    expect(pickSchedule(db, laptop, { ...problem, rows: 999 }).schedule).toBe(first);
  });

  test('passes over what the device cannot run, and says why', () => {
    const big = { ...first, BM: 128, BN: 128, BK: 32, TM: 4, TN: 4 };
    const picked = pickSchedule([row('tuned', big), row('heuristic', second)], laptop, problem);
    expect(picked.schedule).toBe(second);
    expect(picked.passedOver).toEqual([
      '128x128x32, 4x4 each: 1024 invocations, 256 allowed, 35328 bytes of workgroup memory, 16384 allowed',
    ]);
  });

  test('LOTR6004: refuses when nothing is left', () => {
    expect(() => pickSchedule([], laptop, problem)).toThrow(/no f32 schedule of gemm on webgpu-laptop/);
  });
});

test('a widened launch needs tiles of 8 r columns and room for P', () => {
  const schedule = { BM: 16, BN: 64, BK: 16, TM: 4, TN: 4, vec: 4, stages: 1, warps: 0, splitK: 1 } as const;
  const widened = { ...problem, rows: 13, widen: 9 };
  expect(illegal(schedule, laptop, widened)).toEqual([
    'BN = 64 is below 8 r = 72: P would be computed too often',
  ]);
  expect(illegal(schedule, laptop, { ...widened, widen: 8 })).toEqual([]);
  expect(workgroupBytes(schedule, { ...widened, widen: 8 })).toBe(4 * (16 * 16 + 16 * 64 + 16 * 8 + 16 * 8));
});

test('a reduction has an invocation for each sum; warps compute whole units', () => {
  const sums = { BM: 512, BN: 1, BK: 1, TM: 4, TN: 1, vec: 1, stages: 1, warps: 0, splitK: 1 } as const;
  expect(illegal(sums, laptop, { ...problem, family: 'reducePartials' })).toEqual([
    '128 invocations for 512 sums: each has one',
  ]);
  const h100 = profile('h100', 'cuda');
  const warps = { BM: 64, BN: 64, BK: 32, TM: 32, TN: 32, vec: 4, stages: 2, warps: 4, splitK: 1 } as const;
  expect(illegal(warps, h100, problem)).toEqual([]);
  for (const change of [{ TM: 8 }, { TN: 4 }, { BK: 24 }])
    expect(illegal({ ...warps, ...change }, h100, problem).join()).toMatch(/multiples of 16 x 8/);
});

test('tiles are of float32 but on matrix units', () => {
  const tiles = { BM: 32, BN: 32, BK: 16, TM: 16, TN: 16, vec: 4, stages: 1, warps: 0, splitK: 1 } as const;
  expect(workgroupBytes(tiles, { family: 'gemm', dtype: 'f16' })).toBe(4 * 2 * 32 * 16);
  expect(workgroupBytes({ ...tiles, warps: 4 }, { family: 'gemm', dtype: 'f16' })).toBe(2 * 2 * 32 * 16);
});

test('a schedule over subgroups needs a device that has them, and a family of whole sums', () => {
  const schedule = {
    BM: 4,
    BN: 8,
    BK: 64,
    TM: 4,
    TN: 8,
    vec: 1,
    stages: 1,
    warps: 0,
    splitK: 1,
    subgroups: true,
  } as const;
  const few = { ...problem, family: 'skinny', rows: 4, cols: 8 } as const;
  expect(illegal(schedule, laptop, few)).toEqual([]);
  expect(invocations(schedule)).toBe(64);
  expect(workgroupBytes(schedule, few)).toBe(4 * 4 * 8 * 64);
  expect(illegal(schedule, { ...laptop, features: [] }, few)).toEqual(['the device has no subgroups']);
  expect(illegal({ ...schedule, TM: 2, BK: 48 }, laptop, { ...few, family: 'skinnyT' })).toEqual([
    'the invocations share all 4 rows, so TM is 4',
    '48 invocations are not a multiple of a warp of 32',
    'sums of the family skinnyT are not spread over subgroups',
  ]);
  // P of a merged launch is kept, with room for the columns that are made at a time
  expect(workgroupBytes({ ...schedule, BN: 64 }, { ...few, widen: 5 })).toBe(4 * 4 * (8 * 64 + 5 + 7));
});

test('shape classes are conditions that all hold', () => {
  expect(inBucket('any', problem)).toBe(true);
  expect(inBucket('rows<=1000 inner<=775', problem)).toBe(false);
  expect(() => inBucket('rows<5', problem)).toThrow(/not a shape class/);
});

const FAMILIES: readonly Family[] = ['gemm', 'gemv', 'skinny', 'skinnyT', 'rankBatched', 'reducePartials'];

describe.each(DEVICES.map((device) => [device.name, device] as const))(
  'heuristic rows for %s',
  (_, device) => {
    const dtypes = (['f32', 'f16', 'bf16'] as const).filter((dtype) => device.flops[dtype] !== null);
    test.each(FAMILIES.flatMap((family) => dtypes.map((dtype) => [family, dtype] as const)))(
      '%s, %s: every row is legal, and every shape has one',
      (family: Family, dtype: KernelDtype) => {
        const rows = HEURISTICS.filter(
          (row) => row.target === device.target && row.dtype === dtype && row.family === family,
        );
        for (const { schedule } of rows) {
          expect(illegal(schedule, device, { ...problem, family, dtype, vectors: true })).toEqual([]);
          if (device.name === 'software') continue;
          if (device.api === 'webgpu') expect(invocations(schedule)).toBeGreaterThanOrEqual(32);
          else expect(invocations(schedule) % 32).toBe(0);
        }
        for (const size of [1, 7, 64, 65, 300, 5000]) {
          const shape = { family, dtype, rows: size, cols: size, inner: size };
          expect(pickSchedule(HEURISTICS, device, shape).source).toBe('heuristic');
        }
      },
    );
  },
);

describe('files of schedules', () => {
  test('what is written reads back', () => {
    expect(parseSchedules(schedulesJson(HEURISTICS), 'f.json', TARGETS)).toEqual(HEURISTICS);
    expect(parseSchedules(schedulesJson([]), 'f.json', TARGETS)).toEqual([]);
  });

  const [row] = HEURISTICS;
  test.each([
    ['{', /it is not JSON/],
    ['{ "version": 2 }', /no "version": 1/],
    ['{ "version": 1 }', /no list "rows"/],
    [JSON.stringify({ version: 1, rows: [row, 5] }), /row 2: it is not an object/],
    [JSON.stringify({ version: 1, rows: [{ ...row, family: 'conv' }] }), /row 1: "family" is unknown/],
    [JSON.stringify({ version: 1, rows: [{ ...row, bucket: 'rows<8' }] }), /"bucket" is not a shape class/],
    [
      JSON.stringify({ version: 1, rows: [{ ...row, schedule: { ...row!.schedule, BM: 0 } }] }),
      /"BM" is not a whole/,
    ],
    [
      JSON.stringify({ version: 1, rows: [{ ...row, schedule: { ...row!.schedule, vec: 3 } }] }),
      /"vec" is not/,
    ],
    [
      JSON.stringify({ version: 1, rows: [{ ...row, schedule: { ...row!.schedule, subgroups: 32 } }] }),
      /"subgroups" is not/,
    ],
  ])('LOTR6007: %s', (text, why) => {
    expect(() => parseSchedules(text, 'f.json', TARGETS)).toThrow(why);
  });
});
