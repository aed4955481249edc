import type { Command } from 'commander';
import type { OptionSet } from '../../src/options/define.js';
import { refuseUsage } from '../../src/options/usage.js';
import { bashCompletion } from '../completion/bash.js';
import { fishCompletion } from '../completion/fish.js';
import { completedCommands } from '../completion/words.js';
import { zshCompletion } from '../completion/zsh.js';
import type { Run } from '../program.js';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** Prints the script that completes command lines in a shell. */
export function completionCommand(
  shell: string,
  program: Command,
  setOf: (path: string) => OptionSet,
  run: Run,
): void {
  const script = Object.entries(SHELLS).find(([name]) => name === shell)?.[1];
  if (!script)
    refuseUsage(`completion takes ${Object.keys(SHELLS).join(', ')}, not ${JSON.stringify(shell)}`);
  run.io.out(script(completedCommands(program, setOf)));
}
