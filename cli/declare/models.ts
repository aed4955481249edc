import type { Command } from 'commander';
import type { InspectOptions } from '../commands/inspect.js';
import type { PrintCommandOptions } from '../commands/print.js';
import type { RunPassesOptions } from '../commands/run.js';
import type { VerifyOptions } from '../commands/verify.js';
import type { Run } from '../program.js';
import { extents, real, whole, word } from '../values.js';

/** inspect, print, verify, run: the commands that look at any model, compare two, or run passes on one. */
export function declareModelCommands(program: Command, run: Run): void {
  program
    .command('inspect')
    .description('list every linear layer: module path, operator, shape, type, and what can be adapted')
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt')
    .option('--json', 'print JSON (version 1)')
    .option('--check-weights', 'read all weights and report those with NaN or infinite elements')
    .addHelpText(
      'after',
      `
Examples:
  lotrc inspect model.onnx
  lotrc inspect model.onnx --check-weights
  lotrc inspect model.lotr.onnx --json`,
    )
    .action(async (model: string, options: InspectOptions) => {
      const { inspectCommand } = await import('../commands/inspect.js');
      inspectCommand(model, options, run);
    });

  program
    .command('print')
    .description("print the model as text, in ONNX's textual syntax; every command can read it")
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt')
    .option('-o, --output <file>', 'write to this file instead of stdout')
    .option('--no-locations', 'leave out the locations of large tensors; keep their checksums')
    .addHelpText(
      'after',
      `
Examples:
  lotrc print model.onnx
  lotrc print model.onnx -o model.onnxtxt`,
    )
    .action(async (model: string, options: PrintCommandOptions) => {
      const { printCommand } = await import('../commands/print.js');
      printCommand(model, options, run);
    });

  program
    .command('verify')
    .description('run two models in ONNX Runtime on the same inputs and compare their outputs')
    .argument('<a>', 'a model')
    .argument('<b>', 'a model with the same inputs and outputs')
    .option(
      '--dim <name=n>',
      'extent of a symbolic dimension, repeatable (default: 2 for batch, 8 for others)',
      extents('--dim'),
    )
    .option('--inputs <file>', 'inputs from a .safetensors file, by name; the others are made from the seed')
    .option('--adapter-a <file>', 'factors that model A takes as inputs, from a .safetensors file')
    .option('--adapter-b <file>', 'factors that model B takes as inputs, from a .safetensors file')
    .option('--seed <n>', 'seed of the random inputs', whole('--seed'), 0)
    .option(
      '--tolerance <x>',
      'largest allowed difference relative to the largest magnitude of an output (default: 1e-4; 0.01 where a model computes in float16, 0.08 in bfloat16)',
      real('--tolerance', { least: 0 }),
    )
    .option(
      '--timeout <seconds>',
      'time that one run of a model may take',
      real('--timeout', { above: 0, most: 86400 }),
      300,
    )
    .option(
      '--optimization <level>',
      "ONNX Runtime's graph optimisation: disabled, basic, extended or all",
      word('--optimization', ['disabled', 'basic', 'extended', 'all']),
      'all',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc verify model.onnx model.lotr.onnx
  lotrc verify model.lotr.onnx merged.onnx --dim batch=4 --dim sequence=16 --tolerance 1e-5
  lotrc verify model.onnx adapted.onnx --adapter-b adapted.safetensors`,
    )
    .action(async (a: string, b: string, options: VerifyOptions) => {
      const { verifyCommand } = await import('../commands/verify.js');
      await verifyCommand(a, b, options, run);
    });

  program
    .command('run')
    .description('run a pipeline of passes on a model')
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt')
    .requiredOption('--passes <pipeline>', 'passes with their options: a,b{key=value}; see `lotrc passes`')
    .option(
      '-o, --output <file>',
      'write the model here (.onnx, or .onnxtxt for text); by default print it as text',
    )
    .option(
      '--weights <mode>',
      'weights of the base: keep, link, copy or inline',
      word('--weights', ['keep', 'link', 'copy', 'inline']),
      'keep',
    )
    .option(
      '--print-ir-after <which>',
      'print the model to stderr after passes: changed, all, or names separated by commas',
    )
    .option('--time', 'print the time of each pass to stderr')
    .addHelpText(
      'after',
      `
Examples:
  lotrc run model.onnx --passes simplify,cse,dce -o smaller.onnx
  lotrc run model.onnx --passes 'select-sites{rank=4},insert-adapters' --print-ir-after all`,
    )
    .action(async (model: string, options: RunPassesOptions) => {
      const { runCommand } = await import('../commands/run.js');
      runCommand(model, options, run);
    });
}
