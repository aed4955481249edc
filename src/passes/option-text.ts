import { BadValue, type OptionType } from '../options/types.js';

/** Options of passes as the text of a pipeline has them: what is printed reads back to the same value. */

/** The value that a text stands for; a list is a JSON array, or its only item. Throws BadValue. */
export function readValue(type: OptionType<unknown>, text: string): unknown {
  if (type.schema.type !== 'array') return type.read(text, undefined);
  return itemsOf(text).reduce<unknown>((before, item) => type.read(item, before), undefined) ?? [];
}

function itemsOf(text: string): readonly string[] {
  if (!text.startsWith('[')) return [text];
  try {
    const data: unknown = JSON.parse(text);
    if (Array.isArray(data) && data.every((item) => typeof item === 'string')) return data;
  } catch {
    // falls through to the one message for everything that is not a list
  }
  throw new BadValue(`takes a JSON list of strings, not ${text}`);
}

/** A list is a JSON array, so that its items may hold any character. */
export function printValue(type: OptionType<unknown>, value: unknown): string {
  if (type.print) return type.print(value);
  return Array.isArray(value) ? JSON.stringify(value) : String(value);
}

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
