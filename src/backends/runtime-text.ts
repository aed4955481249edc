/**
 * The text of an emitted file from its runtime source, a file in `runtime/` that is written, formatted and compiled as what it is.
 * Some lines of it are instructions, bare in C++ (`#if EMIT_MANY`) and in a comment elsewhere (`// #if EMIT_MANY`, `# #if EMIT_MANY`):
 *  - `#if EMIT_NAME` or `#if !EMIT_NAME`, `#else`, `#endif`: the lines between stay where the property `name` holds, or does not;
 *  - `//- text` or `#- text` between `#else` and `#endif`: `text` with its own indentation, where both alternatives at once would not
 *    compile;
 *  - `#insert name`: the lines of that name. After ` * `, in a comment of C, each of them follows the same.
 * Other conditions of the preprocessor are text. Throws for an instruction that does not fit.
 */
export function runtimeText(
  source: string,
  properties: Readonly<Record<string, boolean>>,
  inserted: Readonly<Record<string, readonly string[]>> = {},
): string {
  const out: string[] = [];
  // null: a condition of the emitted text itself
  const open: (boolean | null)[] = [];
  const wanted = new Set(Object.keys(inserted));
  const holds = (negated: boolean, name: string): boolean => {
    const value = properties[name.toLowerCase()];
    if (value === undefined) throw new Error(`a runtime source asks for an unknown property ${name}`);
    return value !== negated;
  };
  for (const line of source.split('\n')) {
    const [, word, rest = ''] =
      /^\s*(?:\/\/ |# )?#(if|ifdef|ifndef|elif|else|endif|insert)\b\s*(.*)$/.exec(line) ?? [];
    const condition = /^(!?)EMIT_(\w+)$/.exec(rest);
    if (word === 'if' && condition) {
      open.push(holds(condition[1] === '!', condition[2]!));
      continue;
    }
    if (word?.startsWith('if')) open.push(null);
    if (word === 'else' && typeof open.at(-1) === 'boolean') {
      open.push(!open.pop());
      continue;
    }
    if (word === 'endif') {
      const closed = open.pop();
      if (closed === undefined) throw new Error('a runtime source has an #endif too many');
      if (closed !== null) continue;
    }
    const place = /^(\s*\* )?(?:\s*(?:\/\/ |# ))?\s*#insert (\w+)$/.exec(line);
    if (place) {
      const [, prefix = '', name] = place;
      const lines = inserted[name!];
      wanted.delete(name!);
      if (open.includes(false)) continue;
      if (!lines) throw new Error(`nothing is inserted for ${name}`);
      out.push(...lines.map((one) => prefix + one));
      continue;
    }
    if (!open.includes(false)) out.push(line.replace(/^\s*(?:\/\/-|#-) /, ''));
  }
  if (open.length > 0) throw new Error('a runtime source ends within a condition');
  if (wanted.size > 0) throw new Error(`a runtime source has no place for ${[...wanted].join(', ')}`);
  return out.join('\n');
}
