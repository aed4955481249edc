import type { Command, Option } from 'commander';
import { closest } from '../src/ir/diagnostics.js';
import { refuseUsage } from '../src/options/usage.js';

/**
 * The words of a command line with its command first: the command is looked up before any option is, so that a mistyped one is
 * what is reported. `help X` asks for the help of X, and so does a group of commands without one of them. Options that every
 * command has may also be given before it. Throws a usage error for a command or an option that is unknown.
 */
export function lookUp(
  program: Command,
  argv: readonly string[],
  common: readonly Option[],
): readonly string[] {
  const { before, rest } = leading(argv, common);
  if (rest.length === 0 || rest[0]!.startsWith('-')) {
    if (rest.length === 0 && before.length > 0) refuseUsage(`a command is missing after ${before.join(' ')}`);
    return argv;
  }
  const asked = rest[0] === 'help';
  const { command, path, words } = find(program, asked ? rest.slice(1) : rest);
  if (asked || (words.length === 0 && isGroup(command))) return [...path, '--help'];
  refuseUnknown(command, words);
  return [...path, ...before, ...words];
}

/** Options before the command, with their values. */
function leading(argv: readonly string[], common: readonly Option[]) {
  let at = 0;
  for (let option = named(common, argv[at]); option; option = named(common, argv[at]))
    at += option.required && !argv[at]!.includes('=') ? 2 : 1;
  return { before: argv.slice(0, at), rest: argv.slice(at) };
}

const isGroup = (command: Command): boolean => command.parent !== null && command.commands.length > 0;

/** The command that the first words name, in a group or not, and the words after it. */
function find(program: Command, words: readonly string[]) {
  let command = program;
  const path: string[] = [];
  for (const word of words) {
    if (command.commands.length === 0 || word.startsWith('-')) break;
    const next = command.commands.find((one) => one.name() === word);
    if (!next) return unknownCommand(word, command);
    command = next;
    path.push(word);
  }
  return { command, path, words: words.slice(path.length) };
}

function unknownCommand(name: string, group: Command): never {
  const names = group.commands.map((command) => command.name());
  const full = group.parent === null ? name : `${group.name()} ${name}`;
  return refuseUsage(`unknown command '${full}'`, didYouMean(name, names));
}

/** An option that is unknown is reported before one that is missing. */
function refuseUnknown(command: Command, words: readonly string[]): void {
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') return;
    if (!word.startsWith('--')) continue;
    const option = named(command.options, word);
    const flag = word.split('=')[0]!;
    if (!option && flag !== '--help') {
      const flags = command.options.map(({ long }) => long!);
      refuseUsage(`unknown option '${flag}'`, didYouMean(flag, flags));
    }
    if (option?.required && !word.includes('=')) at++;
  }
}

function didYouMean(word: string, known: readonly string[]): string | undefined {
  const [near] = closest(word, known, 1);
  return near === undefined ? undefined : `did you mean ${near}?`;
}

const named = (options: readonly Option[], word = ''): Option | undefined =>
  options.find(({ long, short }) => word === short || word.split('=')[0] === long);
