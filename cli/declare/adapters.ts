import type { Command } from 'commander';
import {
  APPLY,
  COMBINE,
  COMPRESS,
  CONVERT,
  EXTRACT,
  MERGE,
  REWRITE,
  STRIP,
} from '../../src/options/sets/adapters.js';
import { forEachModel } from '../each.js';
import { allRewrittenAt, modelAt, modelsAt } from '../find-model.js';
import type { Run } from '../program.js';
import { addOptions, givenOf, valuesOf } from './from-set.js';

/** rewrite, merge, extract, apply, convert, strip: the commands that put adapters in, take them out, or fold them in. */
export function declareAdapterCommands(program: Command, run: Run): void {
  const rewrite = program
    .command('rewrite')
    .description('add adapters to the chosen linear layers; writes the model and an adapter file')
    .argument('<model...>', 'an ONNX model, .onnx or .onnxtxt', modelsAt);
  addOptions(rewrite, REWRITE)
    .addHelpText(
      'after',
      `
Examples:
  lotrc rewrite model.onnx --rank 8
  lotrc rewrite model.onnx --rank 32 --target 'attention\\.self\\.(query|value)$'
  lotrc rewrite model.onnx --rank 8 --target q_proj --target v_proj --share target --layers 0-5
  lotrc rewrite model.onnx --rank 16 --init fan-in --scale 16 --factors inputs -o adapted.onnx
  lotrc rewrite model.onnx --rank 8 --method lora
  lotrc rewrite model.onnx --rank 8 --method lora --init eva --calibration reviews.csv --tokenizer tokenizer.json
  lotrc rewrite base.onnx --rank 16 --init difference --from tuned.onnx`,
    )
    .action(async (models: readonly string[]) => {
      const { rewriteCommand } = await import('../commands/rewrite.js');
      const values = valuesOf(rewrite, REWRITE);
      await forEachModel(models, values, run, (model) => rewriteCommand(model, values, run));
    });

  const merge = program
    .command('merge')
    .description('fold the adapters into the weights: W + (scale/rank) R M L')
    .argument('<model...>', 'a model that `lotrc rewrite` wrote', allRewrittenAt);
  addOptions(merge, MERGE)
    .addHelpText(
      'after',
      `
Examples:
  lotrc merge model.lotr.onnx -o merged.onnx
  lotrc merge model.lotr.onnx --adapter trained.safetensors -o merged.onnx`,
    )
    .action(async (models: readonly string[]) => {
      const { mergeCommand } = await import('../commands/merge.js');
      const values = valuesOf(merge, MERGE);
      await forEachModel(models, values, run, (model) => mergeCommand(model, values, run));
    });

  const extract = program
    .command('extract')
    .description('write the adapters of a rewritten model to an adapter file')
    .argument('<model...>', 'a model that `lotrc rewrite` wrote', allRewrittenAt);
  addOptions(extract, EXTRACT)
    .addHelpText(
      'after',
      `
Examples:
  lotrc extract model.lotr.onnx -o adapter.safetensors
  lotrc extract model.lotr.onnx --to peft -o adapter/`,
    )
    .action(async (models: readonly string[]) => {
      const { extractCommand } = await import('../commands/extract.js');
      const values = valuesOf(extract, EXTRACT);
      await forEachModel(models, values, run, (model) => extractCommand(model, values, run));
    });

  const apply = program
    .command('apply')
    .description('add the adapters of an adapter file to a base model')
    .argument('<base>', 'the model that the adapter was made for', modelAt)
    .argument('<adapter>', 'a .safetensors file of lotrc, or an adapter of PEFT or kohya (docs/interop.md)');
  addOptions(apply, APPLY)
    .addHelpText(
      'after',
      `
Examples:
  lotrc apply model.onnx trained.safetensors -o adapted.onnx
  lotrc apply model.fp16.onnx trained.safetensors --match path
  lotrc apply model.onnx ./peft-folder -o adapted.onnx`,
    )
    .action(async (base: string, adapter: string) => {
      const { applyCommand } = await import('../commands/apply.js');
      applyCommand(base, adapter, valuesOf(apply, APPLY), run);
    });

  const convert = program
    .command('convert')
    .description('write an adapter in the form of another program')
    .argument('<from>', 'a .safetensors file of lotrc, or an adapter of PEFT or kohya (docs/interop.md)')
    .argument(
      '<to>',
      'the output: a file ending in .safetensors or .onnx_adapter, else a folder as PEFT has it',
    );
  addOptions(convert, CONVERT)
    .addHelpText(
      'after',
      `
Examples:
  lotrc convert trained.safetensors peft-folder/
  lotrc convert peft-folder/ adapter.safetensors --model model.onnx
  lotrc convert trained.safetensors adapter.onnx_adapter`,
    )
    .action(async (from: string, to: string) => {
      const { convertCommand } = await import('../commands/convert.js');
      convertCommand(from, to, valuesOf(convert, CONVERT), run);
    });

  const combine = program
    .command('combine')
    .description('add several adapters of one model, each times a number')
    .argument('<adapter=weight...>', 'adapters as of `lotrc convert`, with their weights; without one: 1')
    .addHelpText(
      'after',
      `
Examples:
  lotrc combine style/=0.7 facts/=0.3 -o both/
  lotrc combine a.safetensors=1 b.safetensors=-0.5 --how svd --rank 16 -o c/`,
    );
  addOptions(combine, COMBINE).action(async (adapters: readonly string[]) => {
    const { combineCommand } = await import('../commands/combine.js');
    combineCommand(adapters, valuesOf(combine, COMBINE), run);
  });

  const compress = program
    .command('compress')
    .description(
      'write many LoRA adapters as LoTR: factors that all share, and a small file of cores for each; or a LoTR adapter at a smaller rank',
    )
    .argument(
      '<adapter...>',
      'LoRA adapters of one model, of PEFT, kohya or lotrc; or one LoTR adapter or model',
    )
    .addHelpText(
      'after',
      `
Examples:
  lotrc compress tenants/* --tolerance 1e-2 -o fleet/
  lotrc apply model.onnx fleet/first.safetensors
  lotrc compress model.lotr.onnx --to-parameters 4096 -o small.safetensors`,
    );
  addOptions(compress, COMPRESS).action(async (adapters: readonly string[]) => {
    const values = valuesOf(compress, COMPRESS);
    if (values.toParameters === undefined) {
      const { compressCommand } = await import('../commands/compress.js');
      compressCommand(adapters, values, run);
      return;
    }
    const { truncateCommand } = await import('../commands/truncate.js');
    truncateCommand(
      adapters,
      { ...values, toParameters: values.toParameters },
      givenOf(compress, COMPRESS),
      run,
    );
  });

  const strip = program
    .command('strip')
    .description('remove the adapters: the output is the base model')
    .argument('<model...>', 'a model that `lotrc rewrite` wrote', allRewrittenAt);
  addOptions(strip, STRIP)
    .addHelpText(
      'after',
      `
Example:
  lotrc strip model.lotr.onnx -o base.onnx`,
    )
    .action(async (models: readonly string[]) => {
      const { stripCommand } = await import('../commands/strip.js');
      const values = valuesOf(strip, STRIP);
      await forEachModel(models, values, run, (model) => stripCommand(model, values, run));
    });
}
