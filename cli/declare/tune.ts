import type { Command } from 'commander';
import { EVAL, TRAIN } from '../../src/train/option-set.js';
import type { Run } from '../program.js';
import { addOptions, givenOf, valuesOf } from './from-set.js';

/** train and eval: the commands that run a training directory. */
export function declareTuneCommands(program: Command, run: Run): void {
  const train = program
    .command('train')
    .description('train the adapters of a training directory on a data file')
    .argument('<dir>', 'a directory that `lotrc emit onnx-train` wrote');
  addOptions(train, TRAIN)
    .addHelpText('after', TRAIN_HELP)
    .action(async (dir: string) => {
      const { trainCommand } = await import('../commands/train.js');
      await trainCommand(dir, valuesOf(train, TRAIN), givenOf(train, TRAIN), run);
    });

  const evaluate = program
    .command('eval')
    .description('print the loss, and accuracy or perplexity, of a training directory on a data file')
    .argument('<dir>', 'a directory that `lotrc emit onnx-train` wrote');
  addOptions(evaluate, EVAL)
    .addHelpText('after', EVAL_HELP)
    .action(async (dir: string) => {
      const { evalCommand } = await import('../commands/eval.js');
      await evalCommand(dir, valuesOf(evaluate, EVAL), givenOf(evaluate, EVAL), run);
    });
}

const TRAIN_HELP = `
Examples:
  lotrc train train/ --data reviews.jsonl --tokenizer tokenizer.json --eval-split 0.1 --epochs 3 --lr 2e-3
  lotrc train train/ --data book.txt --tokenizer vocab.json --eval-data book.val.txt --max-length 128
  lotrc train train/ --data chats.jsonl --tokenizer tokenizer.json --max-length 1024 --pack
  lotrc train train/ --resume

The graphs run in a process of their own: when that ends, by a crash or for want of memory, the last checkpoint stays.
Ctrl-C finishes the step, writes a checkpoint and ends; --resume goes on and gives the same bits as a run that was never
stopped. The run folder holds run.json, checkpoint.safetensors, best.safetensors, the TensorBoard event file, log.parquet,
report.html, and in the end adapter.safetensors for \`lotrc apply\` and \`lotrc merge\`.`;

const EVAL_HELP = `
Examples:
  lotrc eval train/ --data test.jsonl --tokenizer tokenizer.json
  lotrc eval train/ --data test.jsonl --adapter other.safetensors --json`;
