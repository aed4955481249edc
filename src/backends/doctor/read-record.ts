import { isObject } from '../../adapter/fields.js';
import { fail } from '../../ir/diagnostics.js';
import { badDeviceRecord, unsafeDevice } from '../codes/doctor.js';
import type { DeviceProfile } from '../kernel/model/types.js';
import { firstVersion, scheduleRowsOf } from '../kernel/plan/schedule-file.js';

/**
 * The profile of a device record: one of `known` with the limits, the features and the safe schedules of the device. Throws LOTR6044
 * with the first error, LOTR6043 for a device of which no module can be run.
 */
export function parseRecord(text: string, file: string, known: readonly DeviceProfile[]): DeviceProfile {
  const refuse = (why: string): never => fail(badDeviceRecord({ file, why }));
  const { profile, adapter, unsafe } = firstVersion(text, refuse);
  if (typeof adapter !== 'string' || !isObject(profile)) return refuse('it has no "adapter" or no "profile"');
  const base = known.find(({ name }) => name === profile.name);
  if (!base) return refuse(`its profile is not ${known.map(({ name }) => name).join(', ')}`);
  const limit = (name: 'workgroupBytes' | 'invocations' | 'storageBuffers' | 'bindingBytes'): number => {
    const value = profile[name];
    return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
      ? value
      : refuse(`"${name}" is not a whole number`);
  };
  if (!Array.isArray(unsafe) || !Array.isArray(profile.features) || !Array.isArray(profile.tiles))
    return refuse('it has no list "unsafe", "features" or "tiles"');
  if (unsafe.length > 0) fail(unsafeDevice({ device: adapter, unsafe: unsafe.map(String) }));
  const half = isObject(profile.flops) && profile.flops.f16 !== null;
  return {
    ...base,
    flops: { ...base.flops, f16: half ? base.flops.f16 : null },
    workgroupBytes: limit('workgroupBytes'),
    invocations: limit('invocations'),
    storageBuffers: limit('storageBuffers'),
    // older records do not say it
    ...(profile.bindingBytes === undefined ? {} : { bindingBytes: limit('bindingBytes') }),
    features: base.features.filter((name) => (profile.features as unknown[]).includes(name)),
    source: `${base.source}; schedules that are right on ${adapter}`,
    tiles: scheduleRowsOf(profile.tiles, [base.target], refuse),
  };
}
