import { inRange, type Range, rangeText } from '../src/options/range.js';
import { usageError } from './usage.js';

/** Readers of option values. Each throws the error that ends the command with a message and exit code 2. */

/** A whole number of at least `least`. */
export function whole(option: string, least = 0): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      const wanted = least === 0 ? 'a whole number' : `a whole number of at least ${least}`;
      throw usageError(`${option} takes ${wanted}, not ${JSON.stringify(text)}`);
    }
    return value;
  };
}

/** Whole numbers of at least `least`, separated by commas. */
export function wholes(option: string, least = 0): (text: string) => readonly number[] {
  const one = whole(option, least);
  return (text) => text.split(',').map(one);
}

/** `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}

/** A number in a range; the graphs compute with it in float32, so it must be finite there. */
export function real(option: string, range: Range = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !inRange(value, range)) {
      throw usageError(`${option} takes a number${rangeText(range)}, not ${JSON.stringify(text)}`);
    }
    return value;
  };
}

/** One of a few words. */
export function word<const T extends string>(option: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      throw usageError(`${option} takes ${choices.join(', ')}, not ${JSON.stringify(text)}`);
    }
    return found;
  };
}

/** Gathers an option that may be given several times. */
export function each(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** `NAME=N` with N of at least 1, gathered. */
export function extents(option: string) {
  return named(option, 'NAME=N', whole(option, 1));
}

/** `NAME=X` with a number above 0, gathered. */
export function factors(option: string) {
  return named(option, 'NAME=X', real(option, { above: 0 }));
}

/** `NAME=VALUE`, gathered. */
export function pairs(option: string) {
  return named(option, 'NAME=VALUE', (text) => {
    if (text === '') throw usageError(`${option} takes NAME=VALUE with a value`);
    return text;
  });
}

/** Gathers values under names; a name that comes twice is refused. */
function named<T>(option: string, form: string, read: (text: string) => T) {
  return (text: string, before: ReadonlyMap<string, T> | undefined): ReadonlyMap<string, T> => {
    // names of tensors may contain =, numbers and columns do not
    const at = form === 'NAME=VALUE' ? text.indexOf('=') : text.lastIndexOf('=');
    if (at < 1) throw usageError(`${option} takes ${form}, not ${JSON.stringify(text)}`);
    const name = text.slice(0, at);
    if (before?.has(name)) throw usageError(`${option} gives ${JSON.stringify(name)} twice`);
    return new Map(before).set(name, read(text.slice(at + 1)));
  };
}
