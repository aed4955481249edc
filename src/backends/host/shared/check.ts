import type { Diagnostic } from '../../../ir/diagnostics.js';
import type { BackEnd } from '../../backend.js';
import { otherBackEnd } from '../../codes/kernels.js';
import type { KernelPlan } from '../../kernel/model/types.js';

/** LOTR6009 for a plan that was made for a device of another back end. */
export function forOtherDevice({ device }: KernelPlan, { name, devices }: BackEnd): readonly Diagnostic[] {
  if (devices.some(({ api }) => api === device.api)) return [];
  const known = devices.map((own) => own.name);
  return [otherBackEnd({ backEnd: name, device: device.name, known })];
}
