import type { DeviceProfile, KernelDtype, ScheduleRow } from '../kernel/model/types.js';
import { onRequest } from '../kernel/plan/schedule.js';
import type { Answer, FoundAdapter } from './examine.js';

/** A check as a record and a page have it: what it is a check of. */
export interface Check {
  readonly name: string;
  /** what is wrong if it fails, in words */
  readonly of: string;
  readonly dtype: KernelDtype;
  readonly family: string;
  /** the row of the profile of which it is a kernel; null: one without a schedule, or of tiles for the worst case */
  readonly row: number | null;
  /** vector by vector, or element by element */
  readonly form: 'vectors' | 'elements';
  /** a row for a family of which no other is right */
  readonly spare?: ScheduleRow;
  /** a feature of the profile that the device has where all checks of it pass */
  readonly feature?: string;
}

/** Largest difference over the largest number of a result: sums are of float32 in an order of the kernel's. */
export const ALLOWED = 1e-5;

/** A device as it was found: what `emit wgsl --device FILE` reads. */
export interface DeviceRecord {
  readonly version: 1;
  readonly adapter: string;
  /** rates are those of the profile that it began with; tiles are the safe ones */
  readonly profile: DeviceProfile;
  /** kernels without another form that are wrong on the device */
  readonly unsafe: readonly string[];
  readonly checks: readonly {
    readonly of: string;
    readonly passed: boolean;
    readonly error: number | null;
    readonly said: string;
  }[];
}

/**
 * The record of a device: of the profile's tiles those of which every kernel is right. Where only the kernel of vectors is wrong a row
 * stays, element by element. A family without a row gets the spare one, if that is right. Kernels that a feature of the profile
 * stands for are used where all of them are right; a row of them stays where one of its features is. A device that computes on the processor has
 * no kernels for few rows: drivers spend more time on their workgroup memory than on products. Nothing outside of this function is used
 * but its arguments: its text is a page's.
 */
export function recordOf(
  profile: DeviceProfile,
  checks: readonly Check[],
  { adapter, answers }: { readonly adapter: FoundAdapter; readonly answers: readonly Answer[] },
  allowed: number,
): DeviceRecord {
  const answered = new Map(answers.map((answer) => [answer.name, answer]));
  const passed = ({ name }: { readonly name: string }) => {
    const answer = answered.get(name);
    return answer !== undefined && answer.error !== null && answer.error <= allowed;
  };
  const made = checks.filter(({ name }) => answered.has(name));
  const shown = [...new Set(made.flatMap(({ feature }) => feature ?? []))].filter((feature) =>
    made.every((check) => check.feature !== feature || passed(check)),
  );
  const tiles = profile.tiles.flatMap((row, index): ScheduleRow[] => {
    const own = made.filter((check) => check.row === index);
    if (own.length === 0 || (adapter.software && row.schedule.gemv)) return [];
    if (own.every(passed)) return [row];
    if (own.some(({ feature }) => feature !== undefined))
      return own.some(({ feature }) => feature !== undefined && shown.includes(feature)) ? [row] : [];
    const elements = own.filter(({ form }) => form === 'elements');
    return elements.length > 0 && elements.every(passed)
      ? [{ ...row, schedule: { ...row.schedule, vec: 1 } }]
      : [];
  });
  const wanted = made.filter(
    ({ spare }) =>
      spare &&
      !tiles.some(
        ({ dtype, family, bucket, schedule }) =>
          dtype === spare.dtype && family === spare.family && bucket === 'any' && !onRequest(schedule),
      ),
  );
  const spares = wanted.flatMap((check) => (passed(check) ? [check.spare!] : []));
  const { features, limits } = adapter;
  const half = features.includes('shader-f16');
  return {
    version: 1,
    adapter: adapter.name,
    profile: {
      ...profile,
      flops: { ...profile.flops, f16: half ? profile.flops.f16 : null },
      workgroupBytes: limits.maxComputeWorkgroupStorageSize!,
      invocations: limits.maxComputeInvocationsPerWorkgroup!,
      storageBuffers: limits.maxStorageBuffersPerShaderStage!,
      bindingBytes: limits.maxStorageBufferBindingSize!,
      features: [...features.filter((name) => name === 'subgroups'), ...shown],
      tiles: [...tiles, ...spares],
    },
    unsafe: [
      ...made
        .filter((check) => check.row === null && !check.spare && !check.feature && !passed(check))
        .map((check) => check.of),
      ...wanted.filter((check) => !passed(check)).map((check) => check.of),
    ],
    checks: made.map((check) => {
      const { error, said } = answered.get(check.name)!;
      return { of: check.of, passed: passed(check), error, said };
    }),
  };
}
