import type { Diagnostic } from '../../../ir/diagnostics.js';
import { adaptersTooLarge } from '../../codes/kernels.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import { ELEMENT_BYTES } from '../../kernel/plan/cost.js';
import { siText } from '../../kernel/plan/unit-text.js';

/** LOTR6140 for a factor of all adapters that a device does not bind at once: unlike weights these are not read in slices. */
export function adaptersBeyondBindings({ device, buffers }: KernelPlan): readonly Diagnostic[] {
  const { bindingBytes = Number.POSITIVE_INFINITY } = device;
  return buffers.flatMap(({ name, dtype, shape, ofRows }) => {
    if (!ofRows || dtype === 'u32' || dtype === 'u8') return [];
    const bytes = ELEMENT_BYTES[dtype] * Number(shape[0]) * Number(shape[1]);
    if (bytes <= bindingBytes) return [];
    const [own, most] = [siText(bytes, 'B'), siText(bindingBytes, 'B')];
    return [adaptersTooLarge({ buffer: name, bytes: own, device: device.name, most })];
  });
}
