import { BACK_ENDS } from '../../src/backends/backend.js';
import { deviceNamed } from '../../src/backends/kernel/device/find.js';
import type { DeviceProfile } from '../../src/backends/kernel/model/types.js';

/** The devices of all back ends. */
export const DEVICES: readonly DeviceProfile[] = BACK_ENDS.flatMap(({ devices }) => devices);

/** The device of that name. */
export const profile = (name: string, api: string): DeviceProfile =>
  deviceNamed(
    name,
    DEVICES.filter((device) => device.api === api),
  );
