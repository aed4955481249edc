import type { Command } from 'commander';
import type { EmitGpuOptions } from '../commands/emit-gpu.js';
import type { Run } from '../program.js';
import { whole, wholes, word } from '../values.js';

/** Values that each target takes: WGSL has no bfloat16, and no vendor library for the bordered weight. */
const DTYPES = { wgsl: ['f32', 'f16'], cuda: ['f32', 'f16', 'bf16'] };
const FORMS = {
  wgsl: ['split', 'widen', 'token', 'merged'],
  cuda: ['split', 'widen', 'token', 'merged', 'bordered'],
};

/** `split, widen or token` */
function either(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** emit wgsl, emit cuda: kernels for the adapted layers. Declared after the command `emit`. */
export function declareGpuCommands(program: Command, run: Run): void {
  const emit = program.commands.find((command) => command.name() === 'emit')!;
  for (const target of ['wgsl', 'cuda'] as const) {
    const command = emit
      .command(target)
      .description(
        target === 'wgsl'
          ? 'write fused WebGPU kernels for the adapted layers and a TypeScript module that runs them'
          : 'write fused CUDA kernels for the adapted layers and a C library that runs them',
      )
      .argument('<model>', 'a model that `lotrc rewrite` wrote')
      .option('-o, --output <dir>', 'folder for the kernels')
      .option('--explain', 'print the plan and write nothing')
      .option(
        '--device <name>',
        `profile of the device: ${target === 'wgsl' ? 'webgpu-laptop, apple-m1, intel-xe' : 'h100, h200, a100, rtx-5090'}`,
      )
      .option(
        '--tokens <n>',
        'rows of every input (batch times sequence); several: 1,1024',
        wholes('--tokens', 1),
        [1024],
      )
      .option(
        '--dtype <type>',
        `${either(DTYPES[target])} (default: that of the layers)`,
        word('--dtype', DTYPES[target]),
      )
      .option(
        '--for <purpose>',
        'train, or serve (forward only, adapters can be exchanged)',
        word('--for', ['train', 'serve']),
        'train',
      )
      .option('--adapters <n>', 'adapters in one batch (--for serve)', whole('--adapters', 1), 1)
      .option(
        '--form <form>',
        `${either(FORMS[target])} (default: the cheapest)`,
        word('--form', FORMS[target]),
      )
      .option(
        '--merge',
        'also write kernels that merge the adapter into the weights and unmerge it (--for serve)',
      )
      .option('--schedules <file>', 'tile sizes to try before the built-in ones (JSON, docs/kernels.md)')
      .option('--json', 'print JSON (version 1)');
    if (target === 'wgsl')
      command.option(
        '--subgroups',
        'use subgroup sums where there are few rows (not every browser has subgroups)',
      );
    if (target === 'cuda')
      command
        .option('--arch <arch>', 'sm_80, sm_90a, sm_120 instead of --device; several: sm_90a,sm_80')
        .option(
          '--tf32',
          'run float32 products over tokens on matrix units, with operands rounded to 10 bits',
        );
    command
      .addHelpText(
        'after',
        `
Examples:
  lotrc emit ${target} model.lotr.onnx -o gpu --tokens 1024${target === 'cuda' ? ' --arch sm_90a,sm_80' : ''}
  lotrc emit ${target} model.lotr.onnx --explain --tokens 1024
  lotrc emit ${target} model.lotr.onnx --explain --for serve --tokens 1,32

Times are predicted from the rates of the profile, not measured.`,
      )
      .action(async (model: string, options: EmitGpuOptions) => {
        const { emitGpuCommand } = await import('../commands/emit-gpu.js');
        await emitGpuCommand(target, model, options, run);
      });
  }
}
