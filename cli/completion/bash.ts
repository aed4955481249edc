import { type CompletedCommand, lastWord, singleCommands } from './words.js';

/** A script for bash. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  const groups = commands.filter((one) => one.commands.length > 0);
  const singles = singleCommands(commands);
  const cases = (rows: readonly (readonly [string, readonly string[]])[]) =>
    rows.map(([when, words]) => `    '${when}') words='${words.join(' ')}' ;;\n`).join('');
  const values = singles.flatMap(({ path, options }) =>
    options.flatMap(({ flag, values: own }) => (own.length > 0 ? [[`${path} ${flag}`, own] as const] : [])),
  );
  const flags = singles.map(
    ({ path, options }) => [path, [...options.map(({ flag }) => flag), '--help']] as const,
  );
  return `# Completion of lotrc for bash. In ~/.bashrc: eval "$(lotrc completion bash)"
_lotrc() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} name=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${[...commands.map(lastWord), 'help'].join(' ')}'
  else case "$COMP_CWORD $name" in
${cases([...groups.map((group) => [`2 ${group.path}`, group.commands.map(lastWord)] as const), ['2 help', commands.map(lastWord)]])}  esac fi
  case "$name" in ${groups.map(({ path }) => path).join('|')}) name="$name \${COMP_WORDS[2]}" ;; esac
  if [ -z "$words" ]; then case "$name $prev" in
${cases(values)}  esac fi
  if [ -z "$words" ] && [ "\${cur#-}" != "$cur" ]; then case "$name" in
${cases(flags)}  esac fi
  if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); fi
}
complete -o bashdefault -o default -F _lotrc lotrc
`;
}
