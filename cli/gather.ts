import type { Diagnostic, Place } from '../src/ir/diagnostics.js';

/** So many equal diagnostics are shown as one. */
const MANY = 4;
/** Places of the others that are named. */
const NAMED = 3;

/**
 * Diagnostics of one kind that come together become the first of them, with a note that counts the others and names the first
 * places.
 */
export function gathered(list: readonly Diagnostic[]): readonly Diagnostic[] {
  const kind = ({ code, severity, hint }: Diagnostic) => `${severity} ${code} ${hint ?? ''}`;
  const kinds = new Map<string, Diagnostic[]>();
  for (const one of list) {
    const equal = kinds.get(kind(one));
    if (equal) equal.push(one);
    else kinds.set(kind(one), [one]);
  }
  return list.flatMap((one): readonly Diagnostic[] => {
    const all = kinds.get(kind(one))!;
    if (all.length < MANY) return [one];
    const [first, ...others] = all as [Diagnostic, ...Diagnostic[]];
    if (one !== first) return [];
    const named = others.slice(0, NAMED).map(({ at, message }) => (at ? nameOf(at) : message));
    const rest = others.length > NAMED ? ', ...' : '';
    const note = `${others.length} more ${first.code}: ${named.join(', ')}${rest}; --verbose shows all`;
    return [{ ...first, notes: [...(first.notes ?? []), { message: note }] }];
  });
}

function nameOf(at: Place): string {
  switch (at.kind) {
    case 'node':
      return JSON.stringify(at.path.at(-1) ?? '');
    case 'value':
    case 'tensor':
      return JSON.stringify(at.name);
    case 'bytes':
      return `byte ${at.offset}`;
    case 'text':
      return `line ${at.line}`;
    case 'file':
      return at.file;
  }
}
