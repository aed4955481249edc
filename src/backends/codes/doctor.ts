import { defineCode } from '../../ir/diagnostics.js';

/** Diagnostics 604x (devices that were checked). */

export const noWebgpu = defineCode<{ why: string }>({
  code: 'LOTR6041',
  severity: 'error',
  title: 'there is no WebGPU device to check',
  explain:
    '`lotrc doctor` runs kernels through the package `webgpu`, which is not among the dependencies of lotrc, on the GPU or the software ' +
    'driver that it finds. A browser is checked by a page instead.',
  make: ({ why }) => ({
    message: `WebGPU cannot be used: ${why}`,
    hint: 'npm install webgpu, or check a browser with `lotrc doctor --page doctor.html`',
  }),
});

export const wrongKernel = defineCode<{ of: string; why: string }>({
  code: 'LOTR6042',
  severity: 'warning',
  title: 'a device computes a kernel wrongly',
  explain:
    'The result of a kernel differs from float64 by more than rounding, or the kernel does not compile or run. That is a fault of the ' +
    'driver, of the browser or of lotrc. The device record leaves its schedule out, or has it element by element, and `emit wgsl --device ' +
    'FILE` takes others.',
  make: ({ of, why }) => ({
    message: `wrong on this device: ${of}: ${why}`,
    hint: 'write a device record with -o FILE, and give it to emit wgsl with --device',
  }),
});

export const unsafeDevice = defineCode<{ device: string; unsafe: readonly string[] }>({
  code: 'LOTR6043',
  severity: 'error',
  title: 'a device computes kernels wrongly for which there are no others',
  explain:
    'Some kernels have one form only, and of others every form may be wrong on a device. No module can run there. A newer driver or ' +
    'browser may be right.',
  make: ({ device, unsafe }) => ({
    message: `${device} is wrong in ${unsafe.join('; ')}, and there is no other kernel`,
    hint: 'try a newer driver or browser, and run `lotrc doctor` again',
  }),
});

export const badDeviceRecord = defineCode<{ file: string; why: string }>({
  code: 'LOTR6044',
  severity: 'error',
  title: 'a file is not a device record',
  explain:
    '`lotrc doctor -o FILE` writes device records: JSON with "version": 1, a profile, its safe schedules and what was checked.',
  make: ({ file, why }) => ({
    message: `not a device record: ${why}`,
    at: { kind: 'file', file },
    hint: 'write one with `lotrc doctor -o FILE`',
  }),
});
