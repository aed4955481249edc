import type { DeviceProfile } from '../model/types.js';
import { MI250X } from './mi250x.js';
import { MI300X } from './mi300x.js';
import { RX_7900_XTX } from './rx-7900-xtx.js';

/** Devices that plans for HIP can be made for; the first is the default. */
export const HIP_DEVICES: readonly DeviceProfile[] = [MI300X, MI250X, RX_7900_XTX];
