import type { DeviceProfile } from '../model/types.js';

/** Shared memory that a block of a device of sm_90a may have, which all kernels for warpgroups run on. */
export const SM_90A_BYTES = 227 << 10;

/** What the system takes of the shared memory of a multiprocessor for each block. */
const OF_SYSTEM = 1 << 10;

/** Shared memory that each of so many blocks may have that run on a multiprocessor at once. One alone may have all but what the system takes. */
export const bytesOfEach = (
  blocks: number,
  { workgroupBytes }: Pick<DeviceProfile, 'workgroupBytes'>,
): number => Math.floor((workgroupBytes + OF_SYSTEM) / blocks) - OF_SYSTEM;

/** Blocks that run on a multiprocessor at once, by the bytes of shared memory that each takes. */
export const blocksAtOnce = (
  bytes: number,
  { workgroupBytes }: Pick<DeviceProfile, 'workgroupBytes'>,
): number => Math.floor((workgroupBytes + OF_SYSTEM) / (bytes + OF_SYSTEM));

/** Blocks that the busiest of `units` multiprocessors runs, one after another or at once. A pair takes two of them; a last row has no partner. */
export const blocksOfBusiest = (down: number, across: number, pairs: boolean, units: number): number =>
  pairs
    ? Math.ceil((Math.ceil(down / 2) * across) / Math.max(1, Math.floor(units / 2)))
    : Math.ceil((down * across) / units);
