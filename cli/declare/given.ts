import type { Command } from 'commander';

/** The names of the options that the command line gives, without those that have their defaults. */
export function givenOf(command: Command): ReadonlySet<string> {
  return new Set(Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === 'cli'));
}
