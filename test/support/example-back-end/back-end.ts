import type { BackEnd } from '../../../src/backends/backend.js';
import { forOtherDevice } from '../../../src/backends/host/shared/check.js';
import { launchesOf } from '../../../src/backends/host/shared/tables.js';
import { EXAMPLE_DEVICE } from './device.js';

/** Kernels that do nothing: for each launch a file that says what it would compute. */
export const EXAMPLE: BackEnd = {
  name: 'example',
  about: 'write a file for each launch that says what it would compute',
  devices: [EXAMPLE_DEVICE],
  flags: [],
  check: (plan) => forOtherDevice(plan, EXAMPLE),
  emit: async (plan) => ({
    plan,
    files: () =>
      launchesOf(plan).map(({ name, does }) => ({ path: `kernels/${name}.txt`, text: `${does}\n` })),
  }),
};
