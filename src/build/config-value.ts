/** Space and comments, which may be between words. */
const SPACE = /(?:\s|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/)*/y;
const IMPORT =
  /import\s*\{\s*defineConfig\s*\}\s*from\s*(?:'lotrc\/config'|"lotrc\/config")\s*(?:;|[\n\r]|$)/y;
const EXPORT = /export\s+default(?![\w$])/y;
const DEFINE = /defineConfig\s*\(/y;
const NAME = /[A-Za-z_$][\w$]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w$.])/y;
const TEXT = /'(?:[^'\\\n\r\u2028\u2029]|\\[\\'"nt])*'|"(?:[^"\\\n\r\u2028\u2029]|\\[\\'"nt])*"/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t' };
const MAX_DEPTH = 64;
const WORDS = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** What ends the reading of a module that is more than a value. */
class Program extends Error {}

/**
 * The value of a module that is nothing but `export default defineConfig(VALUE)` or `export default VALUE`, of objects, lists,
 * texts, numbers, true, false and null, with comments, as `lotrc init` writes it; undefined for any other. What is read
 * here means the same to JavaScript, so a config that fits need not run.
 */
export function valueOfModule(source: string): unknown {
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (!found) return null;
    at = pattern.lastIndex;
    return found[0];
  };
  const space = () => take(SPACE);
  /** a mark, with the space after it */
  const mark = (text: string): boolean => {
    if (!source.startsWith(text, at)) return false;
    at += text.length;
    space();
    return true;
  };
  const need = (found: boolean): void => {
    if (!found) throw new Program();
  };

  /** Items up to a closing mark; the last may have a comma. */
  function items(end: string, item: () => void): void {
    space();
    while (!mark(end)) {
      item();
      if (mark(',')) continue;
      need(mark(end));
      return;
    }
  }

  function text(): string | null {
    const quoted = take(TEXT);
    return quoted === null
      ? null
      : quoted.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
  }

  let depth = 0;
  function value(): unknown {
    need(++depth <= MAX_DEPTH);
    const read = plain();
    depth--;
    space();
    return read;
  }

  function plain(): unknown {
    if (mark('{')) {
      const object: Record<string, unknown> = {};
      items('}', () => {
        const key = text() ?? take(NAME);
        // it would be the prototype
        if (key === null || key === '__proto__') throw new Program();
        space();
        need(mark(':'));
        object[key] = value();
      });
      return object;
    }
    if (mark('[')) {
      const list: unknown[] = [];
      items(']', () => list.push(value()));
      return list;
    }
    const quoted = text();
    if (quoted !== null) return quoted;
    const number = take(NUMBER);
    if (number !== null) return Number(number);
    const word = take(NAME) ?? '';
    if (!WORDS.has(word)) throw new Program();
    return WORDS.get(word);
  }

  try {
    space();
    const imported = take(IMPORT) !== null;
    space();
    need(take(EXPORT) !== null);
    space();
    let read: unknown;
    if (imported && take(DEFINE) !== null) {
      space();
      read = value();
      mark(',');
      need(mark(')'));
    } else read = value();
    mark(';');
    need(at === source.length);
    return read;
  } catch (error) {
    if (error instanceof Program) return undefined;
    throw error;
  }
}
