import { isObject } from '../../../adapter/fields.js';
import { fail } from '../../../ir/diagnostics.js';
import { parsePlain } from '../../../ir/files/json.js';
import { badSchedules } from '../../codes/kernels.js';
import { SCHEDULED } from '../device/families.js';
import { MATRIX_SHAPES } from '../device/subgroup-matrices.js';
import type { DeviceProfile, ScheduleRow, TileSchedule } from '../model/types.js';
import { illegal, inBucket } from './schedule.js';

const DTYPES: readonly ScheduleRow['dtype'][] = ['f32', 'f16', 'bf16', 'tf32'];

/** Rows as the JSON that a tuner writes and {@link parseSchedules} reads: one row per line. */
export function schedulesJson(rows: readonly ScheduleRow[]): string {
  const lines = rows.map(({ target, dtype, family, bucket, schedule, source }) =>
    JSON.stringify({ target, dtype, family, bucket, schedule, source }),
  );
  return `{ "version": 1,\n  "rows": [\n    ${lines.join(',\n    ')}\n  ] }\n`;
}

/** Reads rows of a tuner for some of `targets`. Throws LOTR6007 with the first error. */
export function parseSchedules(
  text: string,
  file: string,
  targets: readonly string[],
): readonly ScheduleRow[] {
  const refuse = (why: string): never => fail(badSchedules({ file, why }));
  const data = firstVersion(text, refuse);
  if (!Array.isArray(data.rows)) return refuse('it has no list "rows"');
  return scheduleRowsOf(data.rows, targets, refuse);
}

/** The object of a JSON file of version 1; `refuse` is told why it is none. */
export function firstVersion(
  text: string,
  refuse: (why: string) => never,
): Readonly<Record<string, unknown>> {
  let data: unknown;
  try {
    data = parsePlain(text);
  } catch {
    return refuse('it is not JSON');
  }
  return isObject(data) && data.version === 1 ? data : refuse('it has no "version": 1');
}

/** Rows of a parsed file; `refuse` is told the first error. */
export const scheduleRowsOf = (
  rows: readonly unknown[],
  targets: readonly string[],
  refuse: (why: string) => never,
): readonly ScheduleRow[] =>
  rows.map((row, index) => rowOf(row, targets, (why) => refuse(`row ${index + 1}: ${why}`)));

/** Throws LOTR6007 for the first row that is meant for a device and that the device cannot run, whatever the shape is. */
export function refuseIllegal(rows: readonly ScheduleRow[], device: DeviceProfile, file: string): void {
  for (const [index, { target, dtype, family, schedule }] of rows.entries()) {
    if (target !== device.target) continue;
    const [reason] = illegal(schedule, device, { family, dtype, rows: 1, cols: 1, inner: 1, vectors: true });
    if (reason !== undefined)
      fail(badSchedules({ file, why: `row ${index + 1}: ${device.name} cannot run it: ${reason}` }));
  }
}

function rowOf(row: unknown, targets: readonly string[], refuse: (why: string) => never): ScheduleRow {
  if (!isObject(row)) return refuse('it is not an object');
  const { target, bucket, schedule, source } = row;
  const family = SCHEDULED.find((name) => name === row.family) ?? refuse('"family" is unknown');
  const dtype = DTYPES.find((name) => name === row.dtype) ?? refuse('"dtype" is not f32, tf32, f16 or bf16');
  if (typeof target !== 'string') return refuse('"target" is not a string');
  if (!targets.includes(target)) return refuse(`"target" is not ${targets.join(', ')}`);
  if (typeof bucket !== 'string' || !isBucket(bucket)) return refuse('"bucket" is not a shape class');
  if (source !== 'tuned' && source !== 'heuristic') return refuse('"source" is not tuned or heuristic');
  if (!isObject(schedule)) return refuse('it has no schedule');
  return { target, dtype, family, bucket, schedule: scheduleOf(schedule, refuse), source };
}

function scheduleOf(given: Readonly<Record<string, unknown>>, refuse: (why: string) => never): TileSchedule {
  const length = (name: keyof TileSchedule, least = 1): number => {
    const value = given[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > 4096) {
      return refuse(`"${name}" is not a whole number from ${least} to 4096`);
    }
    return value;
  };
  const vec = length('vec');
  if (vec !== 1 && vec !== 2 && vec !== 4) return refuse('"vec" is not 1, 2 or 4');
  const { subgroups = false, gemv = false, pairs = false } = given;
  if (subgroups !== true && subgroups !== false) return refuse('"subgroups" is not true or false');
  if (gemv !== true && gemv !== false) return refuse('"gemv" is not true or false');
  const matrix = MATRIX_SHAPES.find((shape) => shape === given.matrix);
  if (given.matrix !== undefined && !matrix) return refuse(`"matrix" is not ${MATRIX_SHAPES.join(', ')}`);
  if (pairs !== true && pairs !== false) return refuse('"pairs" is not true or false');
  return {
    BM: length('BM'),
    BN: length('BN'),
    BK: length('BK'),
    TM: length('TM'),
    TN: length('TN'),
    vec,
    stages: length('stages'),
    warps: length('warps', 0),
    splitK: length('splitK'),
    ...(subgroups ? { subgroups } : {}),
    ...(gemv ? { gemv } : {}),
    ...(matrix ? { matrix } : {}),
    ...(pairs ? { pairs } : {}),
    ...(given.pad === undefined ? {} : { pad: length('pad', 0) }),
  };
}

function isBucket(bucket: string): boolean {
  try {
    inBucket(bucket, { rows: 1, cols: 1, inner: 1 });
    return true;
  } catch {
    return false;
  }
}
