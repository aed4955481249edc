import type { Command } from 'commander';
import { BUILD, CHECK, DIFF, INIT } from '../../src/options/sets/build.js';
import { modelAt } from '../find-model.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** init, build, check, diff: what writes a config, runs its steps, and compares what they make. */
export function declareBuildCommands(program: Command, run: Run): void {
  const init = program
    .command('init')
    .description('write lotrc.config.ts for a model: options that fit it, with comments that say why')
    .argument('[model]', 'a model, or a folder with models (default: the folder of the config)');
  addOptions(init, INIT)
    .addHelpText('after', INIT_HELP)
    .action(async (model: string | undefined) => {
      const { initCommand } = await import('../commands/init.js');
      initCommand(model, valuesOf(init, INIT), run);
    });

  const build = program
    .command('build')
    .description('run what lotrc.config.ts says: adapters, training, kernels; skip what is up to date');
  addOptions(build, BUILD)
    .addHelpText('after', BUILD_HELP)
    .action(async () => {
      const { buildCommand } = await import('../commands/build.js');
      await buildCommand(valuesOf(build, BUILD), run);
    });

  const check = program
    .command('check')
    .description('build, and compare models and their numbers with golden files');
  addOptions(check, CHECK)
    .addHelpText('after', CHECK_HELP)
    .action(async () => {
      const { checkCommand } = await import('../commands/check.js');
      await checkCommand(valuesOf(check, CHECK), run);
    });

  const diff = program
    .command('diff')
    .description('say which layers, groups, nodes, attributes and tensors of two models differ')
    .argument('<a>', 'a model, .onnx or .onnxtxt', modelAt)
    .argument('<b>', 'another', modelAt);
  addOptions(diff, DIFF)
    .addHelpText('after', DIFF_HELP)
    .action(async (a: string, b: string) => {
      const { diffCommand } = await import('../commands/diff.js');
      await diffCommand(a, b, valuesOf(diff, DIFF), run);
    });
}

const INIT_HELP = `
Examples:
  lotrc init
  lotrc init models/bert.onnx --data reviews.csv
  lotrc init --format json

Nothing is asked: the layers say which rank fits, inputs and outputs what the model is trained for. In a folder the model is
model.onnx, else onnx/model.onnx, else every .onnx file in it, else those in its folder models. Then: lotrc build --dry-run`;

const BUILD_HELP = `
Examples:
  lotrc build
  lotrc build --dry-run
  lotrc build --watch
  lotrc build --config ml/lotrc.config.json --depfile build/lotrc.d

A config names models and what is made of them:

  import { defineConfig } from 'lotrc/config';
  export default defineConfig({
    models: { reviews: { input: 'models/bert.onnx', rewrite: { rank: 8 }, outputs: ['onnx', 'adapter', 'wgsl'] } },
  });

Paths in it are relative to its folder. Options of a step are those of its command, by the keys in docs/options.md.
A step is done again when its options, the bytes of a file that it reads, or the version of lotrc change.`;

const CHECK_HELP = `
Examples:
  lotrc check --update
  lotrc check

Golden files lie in the folder \`golden\` next to the config, or in that which \`golden\` in the config names, to be committed:
of each model its adapters and its text with a digest for each tensor, and its outputs on seeded inputs; of each folder that a
step makes the digests of its files. What a trained adapter is part of depends on the machine, and has none.`;

const DIFF_HELP = `
Examples:
  lotrc diff old.onnx new.onnx
  lotrc diff model.onnx model.lotr.onnx --numbers

The exit code is 1 when they differ. The order of nodes is ignored.`;
