import type { Command } from 'commander';
import { DOCTOR } from '../../src/backends/doctor/option-set.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** doctor: whether a device computes what kernels say. */
export function declareDoctorCommand(program: Command, run: Run): void {
  const doctor = program
    .command('doctor')
    .description('check the kernels of `emit wgsl` on the WebGPU device of this machine, or of a browser');
  addOptions(doctor, DOCTOR)
    .addHelpText(
      'after',
      `
Examples:
  lotrc doctor -o device.json
  lotrc emit wgsl model.lotr.onnx -o gpu --device device.json
  lotrc doctor --page doctor.html

Needs the package webgpu (npm install webgpu), the page only a browser.`,
    )
    .action(async () => {
      const { doctorCommand } = await import('../commands/doctor.js');
      await doctorCommand(valuesOf(doctor, DOCTOR), run);
    });
}
