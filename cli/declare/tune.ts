import type { Command } from 'commander';
import type { EvalOptions } from '../commands/eval.js';
import type { TrainCommandOptions } from '../commands/train.js';
import type { Run } from '../program.js';
import { usageError } from '../usage.js';
import { pairs, real, whole, word } from '../values.js';
import { givenOf } from './given.js';

/** train and eval: the commands that run a training directory. */
export function declareTuneCommands(program: Command, run: Run): void {
  const train = program
    .command('train')
    .description('train the adapters of a training directory on a data file')
    .argument('<dir>', 'a directory that `lotrc emit onnx-train` wrote');
  readingOptions(train)
    .option('--data <file>', 'what to train on: .jsonl, .csv, .tsv, .safetensors, or plain text')
    .option('--eval-data <file>', 'what to evaluate on')
    .option(
      '--eval-split <share>',
      'use this share of the data for evaluation',
      real('--eval-split', { least: 0, below: 1 }),
      0,
    )
    .option(
      '-o, --output <folder>',
      'folder of the run: settings, checkpoint, logs, adapter (default: DIR/run)',
    )
    .option('--epochs <n>', 'passes over the data', real('--epochs', { above: 0 }), 3)
    .option('--max-steps <n>', 'end after this many steps', whole('--max-steps', 1))
    .option('--accumulate <n>', 'batches per step', whole('--accumulate', 1), 1)
    .option('--lr <x>', 'largest learning rate', real('--lr', { above: 0 }), 2e-3)
    .option(
      '--schedule <kind>',
      'constant, linear, cosine or polynomial, after the warm-up',
      word('--schedule', ['constant', 'linear', 'cosine', 'polynomial']),
      'linear',
    )
    .option('--warmup <n>', 'warm-up steps; below 1: share of the run', real('--warmup', { least: 0 }), 0)
    .option('--min-lr <x>', 'where the schedule ends', real('--min-lr', { least: 0 }), 0)
    .option('--power <x>', 'exponent of the polynomial schedule', real('--power', { above: 0 }), 1)
    .option('--seed <n>', 'order of the examples, and masks of Dropout in training mode', whole('--seed'), 0)
    .option(
      '--loss-scale <x>',
      'at the start (default: 65536 for half-precision models, else 1)',
      real('--loss-scale', { above: 0 }),
    )
    .option('--eval-every <steps>', 'default: at the end of each epoch', whole('--eval-every', 1))
    .option('--checkpoint-every <steps>', 'besides those at evaluations', whole('--checkpoint-every', 1), 100)
    .option(
      '--best <metric>',
      'metric that chooses the best checkpoint: loss, accuracy or perplexity',
      word('--best', ['loss', 'accuracy', 'perplexity']),
      'loss',
    )
    .option(
      '--patience <n>',
      'stop after this many evaluations without improvement (default: never)',
      whole('--patience', 1),
    )
    .option(
      '--resume',
      'resume the run in the folder; options that are not given keep the values of the run; --epochs and --max-steps may change',
    )
    .option('--json', 'print the result as JSON (version 1)')
    .addHelpText('after', TRAIN_HELP)
    .action(async (dir: string, options: TrainCommandOptions, command: Command) => {
      const { trainCommand } = await import('../commands/train.js');
      await trainCommand(dir, options, givenOf(command), run);
    });
  const evaluate = program
    .command('eval')
    .description('print the loss, and accuracy or perplexity, of a training directory on a data file')
    .argument('<dir>', 'a directory that `lotrc emit onnx-train` wrote');
  readingOptions(evaluate)
    .requiredOption('--data <file>', 'what to evaluate on')
    .option(
      '--adapter <file>',
      'parameters (default: those of the run in the directory, else the initial ones)',
    )
    .option('--run <folder>', 'run whose adapter and labels are used (default: DIR/run)')
    .option('--json', 'print the result as JSON (version 1)')
    .addHelpText('after', EVAL_HELP)
    .action(async (dir: string, options: EvalOptions, command: Command) => {
      const { evalCommand } = await import('../commands/eval.js');
      await evalCommand(dir, options, givenOf(command), run);
    });
}

/** How data is read, and where graphs run. */
function readingOptions(command: Command): Command {
  return command
    .option('--tokenizer <file>', 'tokenizer.json, or {"type":"character","chars":"..."}')
    .option('--text-field <name>', 'field or column with the text', 'text')
    .option('--pair-field <name>', 'field or column with a second text')
    .option('--label-field <name>', 'field or column with the label', 'label')
    .option('--prompt-field <name>', 'field or column with a prompt', 'prompt')
    .option('--completion-field <name>', 'field or column with what follows the prompt', 'completion')
    .option('--source-field <name>', 'field or column with what an encoder reads', 'source')
    .option('--target-field <name>', 'field or column with what its decoder is to write', 'target')
    .option(
      '--decoder-start <token>',
      'token that decoders start with (default: decoder_start_token_id of the config.json in the folder of the tokenizer)',
    )
    .option('--messages-field <name>', 'field with the messages of a conversation', 'messages')
    .option('--tokens-field <name>', 'field with a list of words', 'tokens')
    .option('--tags-field <name>', 'field with a list of tags, one for each word', 'tags')
    .option(
      '--labels <a,b,c>',
      'names of the classes in their order (default: id2label of the config.json in the folder of the tokenizer, else sorted)',
      names,
    )
    .option(
      '--task <kind>',
      'label: a text with a label; text: running text; prompt: a prompt and its completion; chat: messages; tags: words with a tag each; seq2seq: a source and a target (default: as the data and the model say)',
      word('--task', ['label', 'text', 'prompt', 'chat', 'tags', 'seq2seq']),
    )
    .option(
      '--quote <char>',
      "the character that quotes fields of .csv (default '\"') and .tsv (default none), or none",
      quote,
    )
    .option('--bos <token>', 'token that starts each text, or none (default: as the tokenizer does)')
    .option(
      '--eos <token>',
      'token that ends each text, or none (default: eos_token of tokenizer_config.json)',
    )
    .option(
      '--loss-on <part>',
      'what is predicted: answers (completions, messages of the assistant), the last answer, or all',
      word('--loss-on', ['answers', 'last', 'all']),
      'answers',
    )
    .option(
      '--subwords <which>',
      'a tag counts at the first token of its word, or at all',
      word('--subwords', ['first', 'all']),
      'first',
    )
    .option('--pack', 'pack several texts into one row, up to --max-length')
    .option('--bucket', 'make batches of texts of equal length, which need no padding')
    .option('--bad-lines <what>', 'skip or stop', word('--bad-lines', ['skip', 'stop']), 'stop')
    .option(
      '--max-length <n>',
      'longest row in tokens; longer ones are truncated',
      whole('--max-length', 2),
      128,
    )
    .option('--pad-to <n>', 'rows are padded to a multiple of this', whole('--pad-to', 1), 8)
    .option('--batch-size <n>', 'examples per batch', whole('--batch-size', 1), 16)
    .option('--input <name=column>', 'column that an input of the model reads, repeatable', pairs('--input'))
    .option('--ep <provider>', 'cpu, cuda or webgpu', word('--ep', ['cpu', 'cuda', 'webgpu']), 'cpu')
    .option('--threads <n>', 'threads of ONNX Runtime; 0: one per core', whole('--threads'), 0)
    .option(
      '--in-process',
      'run the graphs in the process of lotrc and not in one of their own: for graphs that you trust',
    );
}

/** Distinct names, separated by commas. */
function names(text: string): readonly string[] {
  const list = text.split(',').map((name) => name.trim());
  if (list.includes(''))
    throw usageError(`--labels takes names separated by commas, not ${JSON.stringify(text)}`);
  return list;
}

function quote(text: string): string {
  if (text === 'none' || /^[^\w\s,]$/.test(text)) return text;
  throw usageError(`--quote takes one character such as '"', or none, not ${JSON.stringify(text)}`);
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
