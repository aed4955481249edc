import { BACK_ENDS } from '../../src/backends/backend.js';
import { deviceNamed } from '../../src/backends/kernel/device/find.js';
import type { DeviceProfile } from '../../src/backends/kernel/model/types.js';
import { ofWarpgroups } from '../../src/backends/kernel/plan/warpgroup-schedule.js';

/** The devices of all back ends. */
export const DEVICES: readonly DeviceProfile[] = BACK_ENDS.flatMap(({ devices }) => devices);

/** The device of that name. */
export const profile = (name: string, api: string): DeviceProfile =>
  deviceNamed(
    name,
    DEVICES.filter((device) => device.api === api),
  );

/** The device with those tiles of warpgroups alone that run in pairs: small products would have narrower ones. */
export const inPairs = (device: DeviceProfile): DeviceProfile => ({
  ...device,
  tiles: device.tiles.filter(({ schedule }) => schedule.pairs || !ofWarpgroups(schedule)),
});
