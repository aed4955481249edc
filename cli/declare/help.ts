import type { Command } from 'commander';
import type { Run } from '../program.js';

/** `passes` and `explain`: the list of passes, and the meaning of messages. */
export function declareHelpCommands(program: Command, run: Run): void {
  program
    .command('passes')
    .description('list the passes with their options, as `lotrc run --passes` takes them')
    .argument('[name]', 'show only this pass')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc passes
  lotrc passes insert-adapters`,
    )
    .action(async (name: string | undefined, options: { json?: true }) => {
      const { passesCommand } = await import('../commands/passes.js');
      passesCommand(name, options, run);
    });

  program
    .command('explain')
    .description('explain what a diagnostic means and what to do; without a code, list all')
    .argument('[code]', 'such as LOTR3006, or 3006')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc explain LOTR3006
  lotrc explain`,
    )
    .action(async (code: string | undefined, options: { json?: true }) => {
      const { explainCommand } = await import('../commands/explain.js');
      explainCommand(code, options, run);
    });
}
