import type { Diagnostic } from '../../../ir/diagnostics.js';
import { beyondDevice } from '../../codes/kernel-ir.js';
import type { DeviceProfile } from '../model/types.js';
import { arrayBytes, type Kernel } from './kir.js';
import { usesSubgroups } from './subgroups.js';
import { ringBytes } from './warpgroups.js';

/** What a kernel needs and a device does not have (LOTR6102): workgroup memory, invocations, bound buffers, subgroups. */
export function beyond(kernel: Kernel, device: DeviceProfile): Diagnostic[] {
  const [x, y, z] = kernel.workgroup;
  const bytes = kernel.arrays.reduce((sum, array) => sum + arrayBytes(array), 0);
  const ring = kernel.ring ? ringBytes(kernel.ring) : 0;
  const needs = [
    ['bytes of workgroup memory', bytes + ring, device.workgroupBytes],
    ['invocations', x * y * z, device.invocations],
    ['storage buffers', kernel.buffers.length, device.storageBuffers],
  ] as const;
  const beyondThat = (why: string) => beyondDevice({ kernel: kernel.name, device: device.name, why });
  return [
    ...needs
      .filter(([, needed, has]) => needed > has)
      .map(([what, needed, has]) => beyondThat(`${needed} ${what}, ${has} allowed`)),
    ...(usesSubgroups(kernel) && !device.features.includes('subgroups')
      ? [beyondThat('it sums over subgroups, which the device does not have')]
      : []),
  ];
}
