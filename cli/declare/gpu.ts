import type { Command } from 'commander';
import type { BackEnd } from '../../src/backends/backend.js';
import { gpuOptions, someArchitectures } from '../../src/backends/option-set.js';
import { rewrittenAt } from '../find-model.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** emit wgsl, emit cuda, ...: kernels for the adapted layers. Declared after the command `emit`. */
export function declareGpuCommands(program: Command, run: Run, backEnds: readonly BackEnd[]): void {
  const emit = program.commands.find((command) => command.name() === 'emit')!;
  for (const backEnd of backEnds) {
    const { name, about, flags, devices } = backEnd;
    const set = gpuOptions(backEnd);
    const command = emit
      .command(name)
      .description(about)
      .argument('<model>', 'a model that `lotrc rewrite` wrote', rewrittenAt);
    addOptions(command, set)
      .addHelpText(
        'after',
        `
Examples:
  lotrc emit ${name} model.lotr.onnx -o gpu --tokens 1024${flags.includes('arch') ? ` --arch ${someArchitectures(devices)}` : ''}
  lotrc emit ${name} model.lotr.onnx --explain --tokens 1024
  lotrc emit ${name} model.lotr.onnx --explain --for serve --tokens 1,32

Times are predicted from the rates of the profile, not measured.`,
      )
      .action(async (model: string) => {
        const { emitGpuCommand } = await import('../commands/emit-gpu.js');
        await emitGpuCommand(backEnd, model, valuesOf(command, set), run);
      });
  }
}
