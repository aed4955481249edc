import type { Command } from 'commander';
import { TUNE } from '../../src/build/tune-set.js';
import { refuseUsage } from '../../src/options/usage.js';
import { EVAL, TRAIN } from '../../src/train/option-set.js';
import { forEachModel } from '../each.js';
import { modelAt } from '../find-model.js';
import type { Run } from '../program.js';
import { withData } from '../standard-streams.js';
import { addOptions, givenOf, valuesOf } from './from-set.js';

/** train and eval, which run a training directory, and tune, which makes one and runs it. */
export function declareTuneCommands(program: Command, run: Run): void {
  const tune = program
    .command('tune')
    .description('adapt a model to a data file: rewrite, emit, train and merge in one command')
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt', modelAt);
  addOptions(tune, TUNE)
    .addHelpText('after', TUNE_HELP)
    .action(async (model: string) => {
      const { tuneCommand } = await import('../commands/tune.js');
      await tuneCommand(model, withData(valuesOf(tune, TUNE), model), givenOf(tune, TUNE), run);
    });

  const train = program
    .command('train')
    .description('train the adapters of a training directory on a data file')
    .argument('<dir>', 'a directory that `lotrc emit onnx-train` wrote');
  addOptions(train, TRAIN)
    .addHelpText('after', TRAIN_HELP)
    .action(async (dir: string) => {
      const { trainCommand } = await import('../commands/train.js');
      await trainCommand(dir, withData(valuesOf(train, TRAIN)), givenOf(train, TRAIN), run);
    });

  const evaluate = program
    .command('eval')
    .description('print the loss and the metrics of a training directory on a data file')
    .argument('<dir...>', 'a directory that `lotrc emit onnx-train` wrote');
  addOptions(evaluate, EVAL)
    .addHelpText('after', EVAL_HELP)
    .action(async (dirs: readonly string[]) => {
      const { evalCommand } = await import('../commands/eval.js');
      const values = withData(valuesOf(evaluate, EVAL));
      if (dirs.length > 1 && values.run !== undefined)
        refuseUsage('--run is of one directory: give the others in commands of their own');
      await forEachModel(dirs, values, run, (dir) => evalCommand(dir, values, givenOf(evaluate, EVAL), run));
    });
}

const TUNE_HELP = `
Examples:
  lotrc tune model.onnx --data reviews.csv
  lotrc tune model.onnx --data book.txt --tokenizer tokenizer.json --epochs 2 -o book/
  lotrc tune model.onnx -o book/ --resume

What is not given fits the model, as with \`lotrc init\`: the rank, the loss, whether the head is trained too. A tenth of the data is
for evaluation. The folder then holds MODEL.safetensors (the adapter), MODEL.lotr.onnx (the model with it), MODEL.merged.onnx (folded
in), the training directory, and the run with its curves. Ctrl-C ends with a checkpoint, and --resume goes on.`;

const TRAIN_HELP = `
Examples:
  lotrc train train/ --data reviews.jsonl --tokenizer tokenizer.json --eval-split 0.1 --epochs 3 --lr 2e-3
  lotrc train train/ --data book.txt --tokenizer vocab.json --eval-data book.val.txt --max-length 128
  lotrc train train/ --data chats.jsonl --tokenizer tokenizer.json --max-length 1024 --pack
  zcat reviews.jsonl.gz | lotrc train train/ --data - --tokenizer tokenizer.json
  lotrc train train/ --resume
  mpirun -n 4 lotrc train train/ --data book.txt --tokenizer vocab.json --distributed mpi

The graphs run in a process of their own: when that ends, by a crash or for want of memory, the last checkpoint stays.
Ctrl-C finishes the step, writes a checkpoint and ends; --resume goes on and gives the same bits as a run that was never
stopped. The run folder holds run.json, checkpoint.safetensors, best.safetensors, the TensorBoard event file, log.parquet,
report.html, and in the end adapter.safetensors for \`lotrc apply\` and \`lotrc merge\`.`;

const EVAL_HELP = `
Examples:
  lotrc eval train/ --data test.jsonl --tokenizer tokenizer.json
  lotrc eval small/train large/train --data test.jsonl
  lotrc eval train/ --data test.jsonl --adapter other.safetensors --json`;
