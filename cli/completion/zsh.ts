import { type CompletedCommand, type CompletedOption, lastWord, singleCommands } from './words.js';

/** A script for zsh. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  const groups = commands.filter((one) => one.commands.length > 0);
  const list = (rows: readonly CompletedCommand[]) =>
    rows.map((one) => `      '${lastWord(one)}:${one.about}'\n`).join('');
  const choose = (when: string, rows: readonly CompletedCommand[]) =>
    `  if ${when}; then\n    commands=(\n${list(rows)}    )\n    _describe command commands\n    return\n  fi\n`;
  const arms = singleCommands(commands).map(
    ({ path, options }) =>
      `    '${path}') _arguments ${options.flatMap(argumentsOf).join(' ')} '*:file:_files' ;;\n`,
  );
  return `#compdef lotrc
# Completion of lotrc for zsh. In ~/.zshrc, after compinit: eval "$(lotrc completion zsh)"
_lotrc() {
  local -a commands
  local name=$words[2]
${choose('(( CURRENT == 2 ))', commands)}${choose("(( CURRENT == 3 )) && [[ $name == 'help' ]]", commands)}${groups
  .map(({ path, commands: own }) => choose(`(( CURRENT == 3 )) && [[ $name == '${path}' ]]`, own))
  .join('')}  if [[ $name == (${groups.map(({ path }) => path).join('|')}) ]]; then
    name="$name $words[3]"
    shift words
    (( CURRENT-- ))
  fi
  shift words
  (( CURRENT-- ))
  case $name in
${arms.join('')}  esac
}
compdef _lotrc lotrc
`;
}

function argumentsOf({ flag, short, about, placeholder, values }: CompletedOption): readonly string[] {
  const names = short === null ? [flag] : [flag, short];
  const value =
    placeholder === null
      ? ''
      : `:${placeholder.replace(/[^\w-]/g, ' ').trim()}:${values.length > 0 ? `(${values.join(' ')})` : '_files'}`;
  return names.map((name) => `'*${name}[${about}]${value}'`);
}
