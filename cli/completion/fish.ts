import { type CompletedCommand, type CompletedOption, lastWord } from './words.js';

/** A script for fish. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap((one) => {
    const seen = `__fish_seen_subcommand_from ${one.path}`;
    const own = [`-n __fish_use_subcommand -f -a ${one.path} -d '${one.about}'`];
    if (one.commands.length === 0) return [...own, ...one.options.map((option) => optionLine(seen, option))];
    const names = one.commands.map(lastWord);
    const none = `${seen}; and not __fish_seen_subcommand_from ${names.join(' ')}`;
    const inner = one.commands.flatMap((command) => [
      `-n '${none}' -f -a ${lastWord(command)} -d '${command.about}'`,
      ...command.options.map((option) =>
        optionLine(`${seen}; and __fish_seen_subcommand_from ${lastWord(command)}`, option),
      ),
    ]);
    return [...own, ...inner];
  });
  const help = `-n '__fish_seen_subcommand_from help' -f -a '${commands.map(lastWord).join(' ')}'`;
  const all = ["-n __fish_use_subcommand -f -a help -d 'help of a command'", help, ...lines];
  return `# Completion of lotrc for fish: lotrc completion fish > ~/.config/fish/completions/lotrc.fish
${all.map((line) => `complete -c lotrc ${line}\n`).join('')}`;
}

function optionLine(when: string, { flag, short, about, placeholder, values }: CompletedOption): string {
  const letter = short === null ? '' : ` -s ${short.slice(1)}`;
  const value = placeholder === null ? '' : values.length > 0 ? ` -x -a '${values.join(' ')}'` : ' -r';
  return `-n '${when}' -l ${flag.slice(2)}${letter}${value} -d '${about}'`;
}
