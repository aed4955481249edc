import { closest, fail } from '../../../ir/diagnostics.js';
import { unknownDevice } from '../../codes/kernels.js';
import type { DeviceProfile } from '../model/types.js';

/** The device of that name among those of a back end. Throws LOTR6003. */
export function deviceNamed(name: string, devices: readonly DeviceProfile[]): DeviceProfile {
  return found(name, devices, (device) => device.name);
}

/** The first device that code for an architecture is planned for. Throws LOTR6003. */
export function deviceOfArch(arch: string, devices: readonly DeviceProfile[]): DeviceProfile {
  return found(arch, devices, (device) => device.target);
}

function found(
  wanted: string,
  devices: readonly DeviceProfile[],
  key: (device: DeviceProfile) => string,
): DeviceProfile {
  const device = devices.find((candidate) => key(candidate) === wanted);
  if (device) return device;
  const known = [...new Set(devices.map(key))];
  return fail(unknownDevice({ name: wanted, api: devices[0]!.api, known, near: closest(wanted, known, 1) }));
}
