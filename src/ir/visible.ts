/**
 * Text from files on its way to a terminal: names of layers may hold anything, also what moves the cursor, renames the
 * window, reverses the order of reading or begins a line that looks like one of lotrc's own.
 */

/** Controls, those of the bidirectional algorithm, and separators of lines. */
const ACTING = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

const escaped = (char: string): string =>
  SHORT.get(char) ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A part of a line: characters that a terminal acts on, line feeds too, as JSON writes them (`\n`, `\u001b`). */
export function visible(text: string): string {
  return text.replace(ACTING, escaped);
}

/** Whole lines: as `visible`, but line feeds and tabs stay. JSON text stays the same JSON. */
export function visibleLines(text: string): string {
  return text.replace(ACTING, (char) => (char === '\n' || char === '\t' ? char : escaped(char)));
}
