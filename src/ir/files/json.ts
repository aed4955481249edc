/**
 * JSON (RFC 8259) with positions and without second guesses: a repeated key is an error instead of the last one winning,
 * depth is limited, and objects are maps, so no key can touch a prototype. For headers of files that may be hostile.
 */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** What is wrong, and at which UTF-16 offset of the text. */
export class JsonError extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

const MAX_DEPTH = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
/** Values of one text: each takes memory many times its own length. */
const MAX_VALUES = 2_000_000;
/** The value that the text is. Throws {@link JsonError}, also when there are more than two million values. */
export function parseJson(text: string): Json {
  let at = 0;
  let count = 0;

  const refuse = (why: string): never => {
    throw new JsonError(why, at);
  };
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) return null;
    at = pattern.lastIndex;
    return found[0];
  };
  const space = () => match(SPACE);

  function value(depth: number): Json {
    if (depth > MAX_DEPTH) refuse(`values are nested deeper than ${MAX_DEPTH} levels`);
    if (++count > MAX_VALUES) refuse(`there are more than ${MAX_VALUES} values`);
    const next = text[at];
    if (next === '{') return object(depth);
    if (next === '[') return array(depth);
    if (next === '"') return string();
    for (const [word, meaning] of [
      ['true', true] as const,
      ['false', false] as const,
      ['null', null] as const,
    ]) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = match(NUMBER);
    if (number === null) return refuse(at >= text.length ? 'the text ends early' : 'a value is expected');
    return Number(number);
  }

  function string(): string {
    const start = at;
    do at += 1;
    while (at < text.length && (text[at] !== '"' || isEscaped(text, at, start)));
    if (at >= text.length) refuse('a string is not closed');
    at += 1;
    try {
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      at = start;
      return refuse('a string holds a control character or a bad escape');
    }
  }

  function object(depth: number): JsonObject {
    const entries = new Map<string, Json>();
    at += 1;
    space();
    if (text[at] === '}') {
      at += 1;
      return entries;
    }
    for (;;) {
      const start = at;
      if (text[at] !== '"') refuse('a key in double quotes is expected');
      const key = string();
      if (entries.has(key)) {
        at = start;
        refuse(`key ${JSON.stringify(key)} appears twice`);
      }
      space();
      if (text[at] !== ':') refuse('":" is expected');
      at += 1;
      space();
      entries.set(key, value(depth + 1));
      space();
      const end = text[at];
      if (end !== ',' && end !== '}') refuse('"," or "}" is expected');
      at += 1;
      if (end === '}') return entries;
      space();
    }
  }

  function array(depth: number): readonly Json[] {
    const items: Json[] = [];
    at += 1;
    space();
    if (text[at] === ']') {
      at += 1;
      return items;
    }
    for (;;) {
      items.push(value(depth + 1));
      space();
      const end = text[at];
      if (end !== ',' && end !== ']') refuse('"," or "]" is expected');
      at += 1;
      if (end === ']') return items;
      space();
    }
  }

  space();
  const result = value(0);
  space();
  if (at < text.length) refuse('there is text after the end');
  return result;
}

/** Whether an odd number of backslashes is before `at`. */
function isEscaped(text: string, at: number, start: number): boolean {
  let slashes = 0;
  while (at - 1 - slashes > start && text[at - 1 - slashes] === '\\') slashes += 1;
  return slashes % 2 === 1;
}

/**
 * The value that the text is, as plain objects and lists: for files whose keys become no properties of objects that have
 * others. Throws SyntaxError, also for values nested deeper than `parseJson` takes: what walks through them would overflow.
 */
export function parsePlain(text: string): unknown {
  if (isDeep(text)) throw new SyntaxError(`values are nested deeper than ${MAX_DEPTH} levels`);
  return JSON.parse(text);
}

/** Whether the brackets of a text that may be JSON are nested deeper than the limit; those in strings do not count. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      do at = text.indexOf('"', at + 1);
      while (at > 0 && isEscaped(text, at, 0));
      if (at < 0) return false;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return false;
}
