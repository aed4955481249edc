import { CommanderError } from 'commander';

/** For an option value that cannot be used: ends the command with LOTR8001 and exit code 2. */
export function usageError(problem: string): CommanderError {
  return new CommanderError(2, 'lotrc.usage', problem);
}
