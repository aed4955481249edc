/**
 * A rule for Make and Ninja: the outputs depend on every input. Each input is a target of its own too, without a recipe, so
 * that Make does not stop when one is removed.
 */
export function depfileText(outputs: readonly string[], inputs: readonly string[]): string {
  const rule = `${outputs.map(escaped).join(' ')}: ${inputs.map(escaped).join(' \\\n  ')}\n`;
  return [rule, ...inputs.map((path) => `\n${escaped(path)}:\n`)].join('');
}

/** A path as both read it. */
function escaped(path: string): string {
  return path.replace(/[ #]/g, '\\$&').replaceAll('$', '$$$$');
}
