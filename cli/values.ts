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

/** Any finite number. */
export function real(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) {
      throw usageError(`${option} takes a number, not ${JSON.stringify(text)}`);
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

/** `NAME=N`, gathered. */
export function extents(option: string) {
  return (text: string, before: ReadonlyMap<string, number> | undefined): ReadonlyMap<string, number> => {
    const at = text.lastIndexOf('=');
    if (at < 1) throw usageError(`${option} takes NAME=N, not ${JSON.stringify(text)}`);
    return new Map(before).set(text.slice(0, at), whole(option)(text.slice(at + 1)));
  };
}

/** `NAME=X` with any number, gathered. */
export function factors(option: string) {
  return (text: string, before: ReadonlyMap<string, number> | undefined): ReadonlyMap<string, number> => {
    const at = text.lastIndexOf('=');
    if (at < 1) throw usageError(`${option} takes NAME=X, not ${JSON.stringify(text)}`);
    return new Map(before).set(text.slice(0, at), real(option)(text.slice(at + 1)));
  };
}

/** `NAME=VALUE`, gathered. */
export function pairs(option: string) {
  return (text: string, before: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) {
      throw usageError(`${option} takes NAME=VALUE, not ${JSON.stringify(text)}`);
    }
    return new Map(before).set(text.slice(0, at), text.slice(at + 1));
  };
}
