import type { Command } from 'commander';
import { BUILD } from '../../src/options/sets/build.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** build: what runs the steps of a config. */
export function declareBuildCommands(program: Command, run: Run): void {
  const build = program
    .command('build')
    .description('run what lotrc.config.ts says: adapters, training, kernels; skip what is up to date');
  addOptions(build, BUILD)
    .addHelpText('after', BUILD_HELP)
    .action(async () => {
      const { buildCommand } = await import('../commands/build.js');
      await buildCommand(valuesOf(build, BUILD), run);
    });
}

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
