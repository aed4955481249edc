import type { OptionSpec } from './pass.js';

/** Option kinds of passes. Each parses what it prints. `parse` throws a plain Error that completes "option X ...". */

export const int = (doc: string, given?: number): OptionSpec<number> => ({
  doc,
  ...(given === undefined ? {} : { default: given }),
  print: String,
  parse: (text) => {
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
      throw new Error(`takes a whole number, not "${text}"`);
    return Number(text);
  },
});

export const number = (doc: string, given?: number): OptionSpec<number> => ({
  doc,
  ...(given === undefined ? {} : { default: given }),
  print: String,
  parse: (text) => {
    if (text === '' || !Number.isFinite(Number(text))) throw new Error(`takes a number, not "${text}"`);
    return Number(text);
  },
});

export const bool = (doc: string, given?: boolean): OptionSpec<boolean> => ({
  doc,
  ...(given === undefined ? {} : { default: given }),
  print: String,
  parse: (text) => {
    if (text !== 'true' && text !== 'false') throw new Error(`takes true or false, not "${text}"`);
    return text === 'true';
  },
});

export const string = <T extends string = string>(doc: string, given?: T): OptionSpec<T> => ({
  doc,
  ...(given === undefined ? {} : { default: given }),
  print: (value) => value,
  parse: (text) => text as T,
});

export const oneOf = <const T extends string>(
  doc: string,
  values: readonly T[],
  given?: T,
): OptionSpec<T> => ({
  doc: `${doc} (${values.join(', ')})`,
  ...(given === undefined ? {} : { default: given }),
  print: (value) => value,
  parse: (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Error(`takes one of ${values.join(', ')}, not "${text}"`);
    return found;
  },
});

/** A list prints as a JSON array, so that items may hold any character. */
export const list = (doc: string, given?: readonly string[]): OptionSpec<readonly string[]> => ({
  doc,
  ...(given === undefined ? {} : { default: given }),
  print: (value) => JSON.stringify(value),
  parse: (text) => {
    if (!text.startsWith('[')) return [text];
    try {
      const data: unknown = JSON.parse(text);
      if (Array.isArray(data) && data.every((item) => typeof item === 'string')) return data as string[];
    } catch {
      // falls through to the one message for everything that is not a list
    }
    throw new Error(`takes a JSON list of strings, not ${text}`);
  },
});

/**
 * `key=value,...` to pairs. A value is bare (no comma, brace, bracket, quote or space), a JSON string, or a JSON
 * array of strings. Throws a plain Error that says where the text is wrong.
 */
export function splitOptions(text: string): [string, string][] {
  const pairs: [string, string][] = [];
  let at = 0;
  while (at < text.length) {
    const key = /^[A-Za-z][\w-]*/.exec(text.slice(at))?.[0];
    if (!key || text[at + key.length] !== '=')
      throw new Error(`expected key=value at "${text.slice(at, at + 20)}"`);
    at += key.length + 1;
    const end = valueEnd(text, at);
    const raw = text.slice(at, end);
    pairs.push([key, raw.startsWith('"') ? parseString(raw) : raw]);
    at = end;
    if (at === text.length) break;
    if (text[at] !== ',') throw new Error(`expected "," at "${text.slice(at, at + 20)}"`);
    at++;
  }
  return pairs;
}

/** A value as it is in a pipeline: bare when that is unambiguous, else a JSON string; arrays are JSON already. */
export function quoteValue(text: string): string {
  return /^[^\s,{}[\]"=]+$/.test(text) || /^\[.*\]$/.test(text) ? text : JSON.stringify(text);
}

function parseString(raw: string): string {
  try {
    return JSON.parse(raw) as string;
  } catch {
    throw new Error(`${raw} is not a quoted string`);
  }
}

function valueEnd(text: string, from: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      if (char === '\\') at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '[') depth++;
    else if (char === ']') depth--;
    else if (char === ',' && depth === 0) return at;
  }
  if (quoted || depth !== 0) throw new Error(`a quote or bracket is not closed in "${text.slice(from)}"`);
  return text.length;
}
