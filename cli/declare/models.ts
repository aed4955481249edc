import type { Command } from 'commander';
import { INSPECT, PRINT, RUN, VERIFY } from '../../src/options/sets/models.js';
import { forEachModel } from '../each.js';
import { modelAt, modelsAt } from '../find-model.js';
import type { Run } from '../program.js';
import { addOptions, givenOf, valuesOf } from './from-set.js';

/** inspect, print, verify, run: the commands that look at any model, compare two, or run passes on one. */
export function declareModelCommands(program: Command, run: Run): void {
  const inspect = program
    .command('inspect')
    .description('list every linear layer: module path, operator, shape, type, and what can be adapted')
    .argument('<model...>', 'an ONNX model, .onnx or .onnxtxt', modelsAt);
  addOptions(inspect, INSPECT)
    .addHelpText(
      'after',
      `
Examples:
  lotrc inspect model.onnx
  lotrc inspect model.onnx --check-weights
  lotrc inspect model.lotr.onnx --json`,
    )
    .action(async (models: readonly string[]) => {
      const { inspectCommand } = await import('../commands/inspect.js');
      const values = valuesOf(inspect, INSPECT);
      await forEachModel(models, values, run, (model) => inspectCommand(model, values, run));
    });

  const print = program
    .command('print')
    .description("print the model as text, in ONNX's textual syntax; every command can read it")
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt', modelAt);
  addOptions(print, PRINT)
    .addHelpText(
      'after',
      `
Examples:
  lotrc print model.onnx
  lotrc print model.onnx -o model.onnxtxt`,
    )
    .action(async (model: string) => {
      const { printCommand } = await import('../commands/print.js');
      printCommand(model, valuesOf(print, PRINT), run);
    });

  const verify = program
    .command('verify')
    .description(
      'run two models in ONNX Runtime on the same inputs and compare their outputs; or one, with recorded outputs',
    )
    .argument('<a>', 'a model', modelAt)
    .argument('[b]', 'a model with the same inputs and outputs', modelAt);
  addOptions(verify, VERIFY)
    .addHelpText(
      'after',
      `
Examples:
  lotrc verify model.onnx model.lotr.onnx
  lotrc verify model.lotr.onnx merged.onnx --dim batch=4 --dim sequence=16 --tolerance 1e-5
  lotrc verify model.onnx adapted.onnx --adapter-b adapted.safetensors
  lotrc verify model.onnx --record numbers.safetensors
  lotrc verify model.onnx --against numbers.safetensors`,
    )
    .action(async (a: string, b: string | undefined) => {
      const options = valuesOf(verify, VERIFY);
      if (b !== undefined) {
        const { verifyCommand } = await import('../commands/verify.js');
        await verifyCommand(a, b, options, run);
      } else {
        const { verifyRecorded } = await import('../commands/verify-recorded.js');
        await verifyRecorded(a, options, givenOf(verify, VERIFY), run);
      }
    });

  const runPasses = program
    .command('run')
    .description('run a pipeline of passes on a model')
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt', modelAt);
  addOptions(runPasses, RUN)
    .addHelpText(
      'after',
      `
Examples:
  lotrc run model.onnx --passes simplify,cse,dce -o smaller.onnx
  lotrc run model.onnx --passes 'select-sites{rank=4},insert-adapters' --print-ir-after all`,
    )
    .action(async (model: string) => {
      const { runCommand } = await import('../commands/run.js');
      runCommand(model, valuesOf(runPasses, RUN), run);
    });
}
