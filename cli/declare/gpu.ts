import type { Command } from 'commander';
import type { BackEnd } from '../../src/backends/backend.js';
import type { EmitGpuOptions } from '../commands/emit-gpu.js';
import type { Run } from '../program.js';
import { whole, wholes, word } from '../values.js';

/** `split, widen or token` */
function either(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** Element types that some device of a back end computes in. */
const dtypesOf = ({ devices }: BackEnd): readonly string[] =>
  (['f32', 'f16', 'bf16'] as const).filter((dtype) => devices.some(({ flops }) => flops[dtype] !== null));

/** Values of --form; the bordered weight needs a vendor library. */
const formsOf = ({ devices }: BackEnd): readonly string[] => [
  ...['split', 'widen', 'token', 'merged'],
  ...(devices.some(({ features }) => features.includes('library')) ? ['bordered'] : []),
];

/** emit wgsl, emit cuda, ...: kernels for the adapted layers. Declared after the command `emit`. */
export function declareGpuCommands(program: Command, run: Run, backEnds: readonly BackEnd[]): void {
  const emit = program.commands.find((command) => command.name() === 'emit')!;
  for (const backEnd of backEnds) {
    const { name, about, devices, flags } = backEnd;
    const [dtypes, forms] = [dtypesOf(backEnd), formsOf(backEnd)];
    const command = emit
      .command(name)
      .description(about)
      .argument('<model>', 'a model that `lotrc rewrite` wrote')
      .option('-o, --output <dir>', 'folder for the kernels')
      .option('--explain', 'print the plan and write nothing')
      .option('--device <name>', `profile of the device: ${devices.map((device) => device.name).join(', ')}`)
      .option(
        '--tokens <n>',
        'rows of every input (batch times sequence); several: 1,1024',
        wholes('--tokens', 1),
        [1024],
      )
      .option('--dtype <type>', `${either(dtypes)} (default: that of the layers)`, word('--dtype', dtypes))
      .option(
        '--for <purpose>',
        'train, or serve (forward only, adapters can be exchanged)',
        word('--for', ['train', 'serve']),
        'train',
      )
      .option('--adapters <n>', 'adapters in one batch (--for serve)', whole('--adapters', 1), 1)
      .option('--form <form>', `${either(forms)} (default: the cheapest)`, word('--form', forms))
      .option(
        '--merge',
        'also write kernels that merge the adapter into the weights and unmerge it (--for serve)',
      )
      .option('--schedules <file>', 'tile sizes to try before the built-in ones (JSON, docs/kernels.md)')
      .option('--json', 'print JSON (version 1)');
    if (flags.includes('subgroups'))
      command.option(
        '--subgroups',
        'use subgroup sums where there are few rows (not every browser has subgroups)',
      );
    if (flags.includes('arch'))
      command.option('--arch <arch>', 'sm_80, sm_90a, sm_120 instead of --device; several: sm_90a,sm_80');
    if (flags.includes('tf32'))
      command.option(
        '--tf32',
        'run float32 products over tokens on matrix units, with operands rounded to 10 bits',
      );
    command
      .addHelpText(
        'after',
        `
Examples:
  lotrc emit ${name} model.lotr.onnx -o gpu --tokens 1024${flags.includes('arch') ? ' --arch sm_90a,sm_80' : ''}
  lotrc emit ${name} model.lotr.onnx --explain --tokens 1024
  lotrc emit ${name} model.lotr.onnx --explain --for serve --tokens 1,32

Times are predicted from the rates of the profile, not measured.`,
      )
      .action(async (model: string, options: EmitGpuOptions) => {
        const { emitGpuCommand } = await import('../commands/emit-gpu.js');
        await emitGpuCommand(backEnd, model, options, run);
      });
  }
}
