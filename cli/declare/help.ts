import type { Command } from 'commander';
import type { BackEnd } from '../../src/backends/backend.js';
import { COMMON, EXPLAIN, METHODS_SHOWN, PASSES } from '../../src/options/sets/models.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** methods, passes, explain, completion, demo: what there is, what messages mean, words for shells, and where the demo is. */
export function declareHelpCommands(
  program: Command,
  run: Run,
  backEnds: () => Promise<readonly BackEnd[]>,
): void {
  const methods = program
    .command('methods')
    .description(
      'list the adapter methods; with a name, print the description as JSON, for --method FILE.json',
    )
    .argument('[name]', 'a method, such as vera');
  addOptions(methods, METHODS_SHOWN)
    .addHelpText(
      'after',
      `
Examples:
  lotrc methods
  lotrc methods vera > mine.json`,
    )
    .action(async (name: string | undefined) => {
      const { methodsCommand } = await import('../commands/methods.js');
      methodsCommand(name, valuesOf(methods, METHODS_SHOWN), run);
    });

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

  program
    .command('completion')
    .description('print a script that completes commands and options: bash, zsh or fish')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      `
Examples:
  lotrc completion fish > ~/.config/fish/completions/lotrc.fish
  eval "$(lotrc completion bash)"         in ~/.bashrc
  eval "$(lotrc completion zsh)"          in ~/.zshrc, after compinit`,
    )
    .action(async (shell: string) => {
      const { completionCommand } = await import('../commands/completion.js');
      const { setsByCommand } = await import('./sets.js');
      const sets = setsByCommand(await backEnds());
      completionCommand(shell, program, (path) => ({ ...sets.get(path), ...COMMON }), run);
    });
}

const DEMO = `The demo adapts a small language model to another author, in ONNX Runtime. Its model and texts are in the repository:
  git clone https://github.com/lotrc/lotrc && cd lotrc
  npm ci && npm run demo
`;
