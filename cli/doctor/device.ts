import { noWebgpu } from '../../src/backends/codes/doctor.js';
import {
  type Answer,
  type FoundAdapter,
  type Gpu,
  type Job,
  type OpenedDevice,
  openDevice,
} from '../../src/backends/doctor/examine.js';
import { answerRequests } from '../../src/backends/ort/answer.js';
import { fail } from '../../src/ir/diagnostics.js';

/** The program of the process that runs kernels through the package `webgpu`; see ask.ts. */

/** What it is asked: to open the device, then jobs. */
export type DeviceCall = { readonly call: 'open' } | { readonly call: 'run'; readonly job: Job };

// what is not held is collected while it works
const held: { gpu?: Gpu; device?: OpenedDevice } = {};
Object.assign(globalThis, { held });

async function open(): Promise<OpenedDevice> {
  try {
    const { create } = await import('webgpu');
    // matrices of subgroups are experimental
    held.gpu = create(['enable-dawn-features=allow_unsafe_apis']) as unknown as Gpu;
    return await openDevice(held.gpu);
  } catch (error) {
    return fail(noWebgpu({ why: (error as Error).message.split('\n')[0]! }));
  }
}

answerRequests<DeviceCall>(async (request): Promise<FoundAdapter | Answer | null> => {
  held.device ??= await open();
  return request.call === 'open' ? held.device.adapter : held.device.answer(request.job);
});
// a device keeps the process
process.on('disconnect', () => process.exit());
