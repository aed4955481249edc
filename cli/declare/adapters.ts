import type { Command } from 'commander';
import type { ApplyOptions } from '../commands/apply.js';
import type { ExtractOptions } from '../commands/extract.js';
import type { MergeOptions } from '../commands/merge.js';
import type { RewriteOptions } from '../commands/rewrite.js';
import type { StripOptions } from '../commands/strip.js';
import type { Run } from '../program.js';
import { each, real, whole, word } from '../values.js';

/** rewrite, merge, extract, apply, strip: the commands that put adapters in, take them out, or fold them in. */
export function declareAdapterCommands(program: Command, run: Run): void {
  declareRewrite(program, run);

  weights(
    program
      .command('merge')
      .description('fold the adapters into the weights: W + (scale/rank) R M L')
      .argument('<model>', 'a model that `lotrc rewrite` wrote')
      .option(
        '-o, --output <file>',
        'the merged model, or a folder for it; by default MODEL.merged.onnx in the folder of the model',
      )
      .option('--adapter <file>', 'factors from this .safetensors file, instead of those in the model'),
  )
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc merge model.lotr.onnx -o merged.onnx
  lotrc merge model.lotr.onnx --adapter trained.safetensors -o merged.onnx`,
    )
    .action(async (model: string, options: MergeOptions) => {
      const { mergeCommand } = await import('../commands/merge.js');
      mergeCommand(model, options, run);
    });

  program
    .command('extract')
    .description('write the adapters of a rewritten model to an adapter file')
    .argument('<model>', 'a model that `lotrc rewrite` wrote')
    .option(
      '-o, --output <file>',
      'the adapter file, or a folder for it; by default MODEL.safetensors in the folder of the model',
    )
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Example:
  lotrc extract model.lotr.onnx -o adapter.safetensors`,
    )
    .action(async (model: string, options: ExtractOptions) => {
      const { extractCommand } = await import('../commands/extract.js');
      extractCommand(model, options, run);
    });

  weights(
    form(
      program
        .command('apply')
        .description('add the adapters of an adapter file to a base model')
        .argument('<base>', 'the model that the adapter was made for')
        .argument('<adapter>', 'a .safetensors file that `lotrc rewrite` or `lotrc extract` wrote')
        .option(
          '-o, --output <file>',
          'the adapted model, or a folder for it; by default BASE.lotr.onnx in the folder of the base',
        ),
    ),
  )
    .option(
      '--match <how>',
      'weights: the base must hold the very weights that the adapter was made for; path: layers of the same module paths and shapes, in a float16, quantised or re-exported file of the same network',
      word('--match', ['weights', 'path']),
      'weights',
    )
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc apply model.onnx trained.safetensors -o adapted.onnx
  lotrc apply model.fp16.onnx trained.safetensors --match path`,
    )
    .action(async (base: string, adapter: string, options: ApplyOptions) => {
      const { applyCommand } = await import('../commands/apply.js');
      applyCommand(base, adapter, options, run);
    });

  weights(
    program
      .command('strip')
      .description('remove the adapters: the output is the base model')
      .argument('<model>', 'a model that `lotrc rewrite` wrote')
      .option(
        '-o, --output <file>',
        'the base model, or a folder for it; by default MODEL.base.onnx in the folder of the model',
      ),
  )
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Example:
  lotrc strip model.lotr.onnx -o base.onnx`,
    )
    .action(async (model: string, options: StripOptions) => {
      const { stripCommand } = await import('../commands/strip.js');
      stripCommand(model, options, run);
    });
}

function declareRewrite(program: Command, run: Run): void {
  const command = program
    .command('rewrite')
    .description('add adapters to the chosen linear layers; writes the model and an adapter file')
    .argument('<model>', 'an ONNX model, .onnx or .onnxtxt')
    .requiredOption('--rank <n>', 'rank of the adapters', whole('--rank'))
    .option('--method <name>', 'adapter method, by name or as a JSON file (docs/methods.md)', 'lotr')
    .option(
      '--target <pattern>',
      'layers to adapt, repeatable: a dotted suffix of the module path (query, self.query), glob:PATTERN, ' +
        'a regular expression, or all-linear (default: every layer but output heads, convolutions and stacked experts)',
      each,
    )
    .option('--exclude <pattern>', 'layers to leave out, repeatable, as --target', each)
    .option('--layers <list>', 'only these layer numbers, such as 0-5,8')
    .option('--rank-pattern <pattern=n>', 'rank of the layers that match, repeatable', each)
    .option(
      '--scale <x>',
      'scale of the adapters: the product of the factors is multiplied by scale/rank (default 1)',
      real('--scale'),
    )
    .option('--scale-pattern <pattern=x>', 'scale of the layers that match, repeatable', each)
    .option(
      '--share <rule>',
      'layers that share their outer factors: shape, target, type, block=K, site',
      'shape',
    )
    .option(
      '--init <init>',
      'initial factors: normal, fan-in, svd-factors, svd, or per factor: R=svd,M=zeros (docs/init.md)',
    )
    .option(
      '--base <keep|residual>',
      'keep the weights, or subtract the initial adapter from them (--init svd does this)',
      word('--base', ['keep', 'residual']),
    )
    .option('--seed <n>', 'seed of the initial factors', whole('--seed'), 0)
    .option('--replace', 'remove the adapters that the model already has first')
    .option(
      '--tie <content|initializer>',
      'treat layers as one if their weights are equal (content), or only if they read one stored weight (initializer)',
      word('--tie', ['content', 'initializer']),
      'content',
    );
  weights(form(command))
    .option(
      '-o, --output <file>',
      'the rewritten model, or a folder for it; by default MODEL.lotr.onnx in the folder of the model',
    )
    .option('--adapter <file>', 'the adapter file; by default the output with the ending .safetensors')
    .option(
      '--without-data',
      'only print the plan, also when the data files of the model are missing; writes nothing',
    )
    .option(
      '--print-ir-after <which>',
      'print the model to stderr after passes: changed, all, or names separated by commas',
    )
    .option('--time', 'print the time of each pass to stderr')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc rewrite model.onnx --rank 8
  lotrc rewrite model.onnx --rank 32 --target 'attention\\.self\\.(query|value)$'
  lotrc rewrite model.onnx --rank 8 --target q_proj --target v_proj --share target --layers 0-5
  lotrc rewrite model.onnx --rank 16 --init fan-in --scale 16 --factors inputs -o adapted.onnx
  lotrc rewrite model.onnx --rank 8 --method lora`,
    )
    .action(async (model: string, options: RewriteOptions) => {
      const { rewriteCommand } = await import('../commands/rewrite.js');
      rewriteCommand(model, options, run);
    });
}

/** How adapted layers and their factors are written. */
function form(command: Command): Command {
  return command
    .option(
      '--factors <form>',
      'factors are initializers (embedded, the default), required inputs (inputs), or inputs with a default that adds nothing (optional: ONNX Runtime then prints one harmless warning per factor when it loads the model)',
      word('--factors', ['embedded', 'inputs', 'optional']),
    )
    .option(
      '--factor-dtype <type>',
      'type that the factors are stored in: f32 (default), or model, the half precision that the layers compute in',
      word('--factor-dtype', ['f32', 'model']),
    )
    .option('--keep-functions', 'write each adapted layer as a call of a model-local function')
    .option(
      '--lowering <form>',
      'plain ONNX for many tokens per run (fold, the default) or few (token)',
      word('--lowering', ['fold', 'token']),
    );
}

function weights(command: Command): Command {
  return command.option(
    '--weights <mode>',
    'weights of the base: keep (stored as in the base), link (referred to in the base file), copy (into a .data file), inline',
    word('--weights', ['keep', 'link', 'copy', 'inline']),
    'keep',
  );
}
