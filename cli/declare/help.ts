import type { Command } from 'commander';
import { EXPLAIN, PASSES } from '../../src/options/sets/models.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** `passes`, `explain` and `demo`: the list of passes, the meaning of messages, and where the demo is. */
export function declareHelpCommands(program: Command, run: Run): void {
  const passes = program
    .command('passes')
    .description('list the passes with their options, as `lotrc run --passes` takes them')
    .argument('[name]', 'show only this pass');
  addOptions(passes, PASSES)
    .addHelpText(
      'after',
      `
Examples:
  lotrc passes
  lotrc passes insert-adapters`,
    )
    .action(async (name: string | undefined) => {
      const { passesCommand } = await import('../commands/passes.js');
      passesCommand(name, valuesOf(passes, PASSES), run);
    });

  const explain = program
    .command('explain')
    .description('explain what a diagnostic means and what to do; without a code, list all')
    .argument('[code]', 'such as LOTR3006, or 3006');
  addOptions(explain, EXPLAIN)
    .addHelpText(
      'after',
      `
Examples:
  lotrc explain LOTR3006
  lotrc explain`,
    )
    .action(async (code: string | undefined) => {
      const { explainCommand } = await import('../commands/explain.js');
      explainCommand(code, valuesOf(explain, EXPLAIN), run);
    });

  program
    .command('demo')
    .description('say how to run the demo, whose model is not in the package')
    .addHelpText('after', '\nExample:\n  lotrc demo')
    .action(() => run.io.out(DEMO));
}

const DEMO = `The demo adapts a small language model to another author, in ONNX Runtime. Its model and texts are in the repository:
  git clone https://github.com/lotrc/lotrc && cd lotrc
  npm ci && npm run demo
`;
