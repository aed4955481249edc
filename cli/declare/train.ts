import type { Command } from 'commander';
import { kebab } from '../../src/options/flags.js';
import type { Range } from '../../src/options/range.js';
import { LOSS_KINDS, LOSSES, type LossKind } from '../../src/train/losses/index.js';
import { OPTIMIZER_KINDS, OPTIMIZERS } from '../../src/train/optimizers/index.js';
import type { ClassWeights, EmitTrainOptions, LossSpec } from '../commands/emit-train.js';
import type { Run } from '../program.js';
import { usageError } from '../usage.js';
import { alternatives, each, factors, real, whole, word } from '../values.js';

/** emit: artifacts other than the rewritten model itself. */
export function declareEmitCommands(program: Command, run: Run): void {
  const emit = program.command('emit').description('write artifacts from a rewritten model');
  const train = emit.command('onnx-train');
  train
    .description('write a training directory: step, grad, apply, eval and infer graphs in ordinary ONNX ops')
    .argument('<model>', 'a model that `lotrc rewrite` wrote')
    .requiredOption('-o, --output <dir>', 'the training directory')
    .option(
      '--loss <[output:]kind[:weight]>',
      `${LOSSES.map(({ kind, doc }) => `${kind}: ${doc}`).join('; ')}; repeatable with outputs and weights: their sum (default: ${LOSS_KINDS[0]})`,
      losses,
    )
    .option('--logits <name>', 'the output used to compute the loss (default: the only float output)')
    .option(
      '--class-weights <[output:]w,...>',
      'cross-entropy: one weight for each class; the loss is the weighted mean',
      classWeights,
    )
    .option(
      '--frames <name>',
      'ctc: add an input of this name, the number of frames of each row that count (default: all)',
    )
    .option('--labels <name>', 'name of the label input', 'labels')
    .option('--shift', 'score each position against the next label (causal language models)')
    .option('--ignore-index <n>', 'labels of this value are ignored', real('--ignore-index'), -100)
    .option('--mask <name>', 'cosine, contrastive: input that masks positions (attention_mask)');
  declareNumbers(train, numbersByName(LOSSES));
  train.option(
    '--optimizer <kind>',
    alternatives(OPTIMIZER_KINDS),
    word('--optimizer', OPTIMIZER_KINDS),
    'adamw',
  );
  declareNumbers(train, numbersByName(OPTIMIZERS.map(({ kind, hyper }) => ({ kind, numbers: hyper }))));
  train
    .option('--max-norm <x>', 'clip the global gradient norm; 0: never', real('--max-norm', { least: 0 }), 1)
    .option('--train <factor>', 'train only this factor, repeatable (M: core-only)', each)
    .option(
      '--lr-multiplier <factor=x>',
      'multiplies the learning rate of a factor (M=16), repeatable',
      factors('--lr-multiplier'),
    )
    .option('--also-train <regex>', 'weights to train in full, repeatable (a classifier head)', each)
    .option(
      '--tie <content|initializer>',
      'weights trained in full are one parameter if they are equal, or only if they are stored once',
      word('--tie', ['content', 'initializer']),
      'content',
    )
    .option(
      '--loop <k>',
      'also write step-loop.onnx: k steps over k microbatches in one run',
      whole('--loop', 1),
    )
    .option(
      '--names <style>',
      "lotrc, or ort: learning_rate and <param>_grad as in ONNX Runtime's retired training API",
      word('--names', ['lotrc', 'ort']),
      'lotrc',
    )
    .option(
      '--ep <provider>',
      'cpu, cuda, webgpu or wasm',
      word('--ep', ['cpu', 'cuda', 'webgpu', 'wasm']),
      'cpu',
    )
    .option(
      '--recompute <kind>',
      'compute activations again in the backward pass instead of keeping them: none, cheap (those that cost little), or block (all but the input of each block)',
      word('--recompute', ['none', 'cheap', 'block']),
      'cheap',
    )
    .option(
      '--dropout <mode>',
      'Dropout in training mode: seeded (masks from the input `draw`, the same for the same number), or off',
      word('--dropout', ['seeded', 'off']),
      'seeded',
    )
    .option(
      '--keep-functions',
      'adapted layers and their gradients stay calls of functions that the graphs define, which a library of operators may override',
    )
    .option('--allow-fallback <op,...>', 'let these ops run on the CPU, repeatable', each)
    .option('--adapter <file>', 'start from the factors and trained weights of this adapter file')
    .option(
      '--link',
      'hard-link the base weights: the directory then changes with the original, and onnx.load refuses it (default: clone them where the file system can, else copy)',
    )
    .option('--copy-base', 'copy the base weights even where the file system could clone them')
    .option('--json', 'print JSON (version 1)')
    .addHelpText(
      'after',
      `
Examples:
  lotrc emit onnx-train model.lotr.onnx -o train/ --loss cross-entropy
  lotrc emit onnx-train model.lotr.onnx -o train/ --shift --train M --lr-multiplier M=16
  lotrc emit onnx-train encoder.lotr.onnx -o train/ --loss contrastive --logits last_hidden_state
  lotrc emit onnx-train qa.lotr.onnx -o train/ --loss start:cross-entropy:0.5 --loss end:cross-entropy:0.5
  lotrc emit onnx-train speech.lotr.onnx -o train/ --loss ctc --blank 0
  lotrc emit onnx-train model.lotr.onnx -o train/ --also-train '^classifier' --ep webgpu

For cosine and contrastive a batch holds 2B rows, and row i belongs to row B + i: left sides of the pairs first, then
their right sides. Outputs [rows, seq, width] are averaged over the positions where the mask is 1. Labels of cosine are
B similarities in [-1, 1]; contrastive takes none.`,
    )
    .action(async (model: string, options: EmitTrainOptions) => {
      const { emitTrainCommand } = await import('../commands/emit-train.js');
      emitTrainCommand(model, options, run);
    });
}

/** What a declaration says of a number that a user may set. */
interface DeclaredNumber extends Range {
  readonly default: number;
  readonly whole?: true;
  readonly doc: string;
}

/** The numbers of several losses or optimizers: what each does with them, and its default. */
function numbersByName(
  defs: readonly { readonly kind: string; readonly numbers: Readonly<Record<string, DeclaredNumber>> }[],
) {
  const names = [...new Set(defs.flatMap(({ numbers }) => Object.keys(numbers)))];
  return names.map((name) => {
    const users = defs.flatMap(({ kind, numbers }) => {
      const own = numbers[name];
      return own ? [{ kind, own }] : [];
    });
    const doc = users.map(({ kind, own }) => `${kind}: ${own.doc} (default: ${own.default})`).join('; ');
    return { name, doc, first: users[0]!.own };
  });
}

/** One option for each number. Without a default: which one counts depends on the loss or optimizer. */
function declareNumbers(command: Command, numbers: ReturnType<typeof numbersByName>): void {
  for (const { name, doc, first } of numbers) {
    const flag = `--${kebab(name)}`;
    command.option(`${flag} <x>`, doc, first.whole ? whole(flag, first.least) : real(flag, first));
  }
}

/** `KIND`, `OUTPUT:KIND` or `OUTPUT:KIND:WEIGHT`, gathered. Names of outputs may hold colons. */
function losses(text: string, before: readonly LossSpec[] | undefined): readonly LossSpec[] {
  const [, output, name, weight] = /^(?:(.+):)?([a-z-]+)(?::([^:a-z]+|[\d.]+e[+-]?\d+))?$/.exec(text) ?? [];
  const kind = LOSS_KINDS.find((known): known is LossKind => known === name);
  if (!kind) {
    throw usageError(
      `--loss takes KIND, OUTPUT:KIND or OUTPUT:KIND:WEIGHT with a kind of ${LOSS_KINDS.join(', ')}, not ${JSON.stringify(text)}`,
    );
  }
  const factor = weight === undefined ? undefined : real('--loss', { above: 0 })(weight);
  return [...(before ?? []), { kind, output, weight: factor }];
}

/** `W0,W1,...` or `OUTPUT:W0,W1,...`, gathered. */
function classWeights(text: string, before: readonly ClassWeights[] | undefined): readonly ClassWeights[] {
  const at = text.lastIndexOf(':');
  const output = at < 0 ? undefined : text.slice(0, at);
  const weights = text
    .slice(at + 1)
    .split(',')
    .map((item) => real('--class-weights', { least: 0 })(item));
  return [...(before ?? []), { output, weights }];
}
