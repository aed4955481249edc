import { inRange, type NumberRange, rangeText } from './range.js';
import type { JsonSchema } from './schema.js';

/**
 * Types of options. Each reads the text of a command line, says what is wrong with a value of a caller, and has a JSON
 * schema that holds for the same values.
 */
export interface OptionType<T> {
  /** what `--help` has between `<` and `>`; null for a switch, which takes no text */
  readonly placeholder: string | null;
  /** completes "it takes ..." */
  readonly wanted: string;
  /** The value that a text stands for, after those that were read `before`. Throws BadValue. */
  read(text: string, before: T | undefined): T;
  /** A text that reads to a value, where String does not give one. */
  print?(value: T): string;
  /** What is wrong with a value, as the end of a sentence that starts with the option; null: nothing. */
  problem(value: unknown): string | null;
  readonly schema: JsonSchema;
  /** `read` takes more than the type does: the command refuses the rest with a diagnostic of its own */
  readonly readsMore?: true;
}

/** A text that cannot be read; the message is the end of a sentence that starts with the option. */
export class BadValue extends Error {}

export interface Scalar<T> extends OptionType<T> {
  fits(value: unknown): value is T;
}

/** Values that are read from a whole text; `parse` gives undefined, or what does not fit, for a text that is none. */
export function scalar<T>(
  placeholder: string,
  wanted: string,
  schema: JsonSchema,
  fits: (value: unknown) => boolean,
  parse: (text: string) => unknown,
): Scalar<T> {
  return {
    placeholder,
    wanted,
    schema,
    fits: (value): value is T => fits(value),
    read(text) {
      const value = parse(text);
      if (!fits(value)) throw new BadValue(`takes ${wanted}, not ${JSON.stringify(text)}`);
      return value as T;
    },
    problem: (value) => (fits(value) ? null : `takes ${wanted}, not ${shown(value)}`),
  };
}

function shown(value: unknown): string {
  return typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);
}

/** Given or not: without text on the command line, `true` or `false` elsewhere. */
export const flag: OptionType<boolean> = {
  placeholder: null,
  wanted: 'true or false',
  schema: { type: 'boolean' },
  read(given) {
    if (given !== 'true' && given !== 'false')
      throw new BadValue(`takes true or false, not ${JSON.stringify(given)}`);
    return given === 'true';
  },
  problem: (value) => (typeof value === 'boolean' ? null : `takes true or false, not ${shown(value)}`),
};

/** Any text. */
export function text(placeholder: string): Scalar<string> {
  const isText = (value: unknown) => typeof value === 'string';
  return scalar(placeholder, 'a text', { type: 'string' }, isText, (given) => given);
}

/** The name of a file, or of a folder: any text. */
export const file = text('file');

/** One of a few words. */
export function word<const T extends string>(placeholder: string, choices: readonly T[]): Scalar<T> {
  const known: readonly unknown[] = choices;
  const isKnown = (value: unknown) => known.includes(value);
  return scalar(
    placeholder,
    choices.join(', '),
    { type: 'string', enum: choices },
    isKnown,
    (given) => given,
  );
}

/** A text of a form; `pattern` has the flag u. */
export function formed(placeholder: string, wanted: string, pattern: RegExp): Scalar<string> {
  const isOne = (value: unknown) => typeof value === 'string' && pattern.test(value);
  return scalar(placeholder, wanted, { type: 'string', pattern: pattern.source }, isOne, (given) => given);
}

/** The name of what is written, where a name that ends as those of models do is a mistake. */
export const notModel = (placeholder: string, what: string): Scalar<string> =>
  formed(placeholder, `the name of ${what}, without the ending .onnx`, /^(?!.*\.onnx(txt)?[/\\]*$)/u);

/** The name of a folder that is written. */
export const folder = (placeholder: string): Scalar<string> =>
  notModel(placeholder, 'a folder for several files');

/** A type that takes `only` these values, but for the command line, whose command refuses others with a reason of its own. */
export const narrowed = <T>(type: OptionType<T>, only: OptionType<NoInfer<T>>): OptionType<T> => ({
  ...only,
  read: (text, before) => type.read(text, before),
  readsMore: true,
});

/** A whole number of at least `least`. */
export function whole(least = 0, placeholder = 'n'): Scalar<number> {
  return scalar(
    placeholder,
    least === 0 ? 'a whole number' : `a whole number of at least ${least}`,
    { type: 'integer', minimum: least, maximum: Number.MAX_SAFE_INTEGER },
    (value) => Number.isSafeInteger(value) && (value as number) >= least,
    (given) => (/^\d+$/.test(given) ? Number(given) : undefined),
  );
}

/** An integer as the tensors of labels hold it. */
export function integer32(placeholder = 'n'): Scalar<number> {
  return scalar(
    placeholder,
    'an integer of 32 bits',
    { type: 'integer', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
    (value) => typeof value === 'number' && value === (value | 0),
    (given) => (given.trim() === '' ? undefined : Number(given)),
  );
}

/** Largest number that float32 holds: graphs compute with it. */
const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;

/** A number in a range; the graphs compute with it in float32, so it must be finite there. */
export function real(range: NumberRange = {}, placeholder = 'x'): Scalar<number> {
  const { least, above, most, below } = range;
  return scalar(
    placeholder,
    `a number${rangeText(range)}`,
    {
      type: 'number',
      ...(above === undefined ? { minimum: least ?? -FLOAT32_MAX } : { exclusiveMinimum: above }),
      ...(below === undefined ? { maximum: most ?? FLOAT32_MAX } : { exclusiveMaximum: below }),
    },
    (value) => typeof value === 'number' && inRange(value, range),
    (given) => (given.trim() === '' ? undefined : Number(given)),
  );
}

/** A regular expression with the flag u. */
export function regex(placeholder = 'regex'): OptionType<RegExp> {
  return {
    placeholder,
    wanted: 'a regular expression',
    schema: { type: 'string' },
    read(given) {
      try {
        return new RegExp(given, 'u');
      } catch (error) {
        throw new BadValue(`takes a regular expression: ${(error as Error).message}`);
      }
    },
    problem: (value) => (value instanceof RegExp ? null : `takes a regular expression, not ${shown(value)}`),
  };
}

/** Several values. `separated`: by commas in one text, at least one; else the option is given for each of them. */
export function list<T>(of: Scalar<T>, how: 'separated' | 'repeated'): OptionType<readonly T[]> {
  const separated = how === 'separated';
  return {
    placeholder: of.placeholder,
    wanted: `a list; each of them ${of.wanted}`,
    schema: { type: 'array', items: of.schema, ...(separated ? { minItems: 1 } : {}) },
    read: (given, before) =>
      separated
        ? given.split(',').map((item) => of.read(item, undefined))
        : [...(before ?? []), of.read(given, undefined)],
    problem(value) {
      if (!Array.isArray(value)) return `takes a list, not ${shown(value)}`;
      if (separated && value.length === 0) return 'takes a list that is not empty';
      return value.map((item) => of.problem(item)).find((why) => why !== null) ?? null;
    },
  };
}

/** Whole numbers of at least 1, separated by commas. On the command line `8..64` is 8 and its doubles up to 64. */
export function doubling(): OptionType<readonly number[]> {
  const one = whole(1);
  const plain = list(one, 'separated');
  const range = (item: string): readonly number[] => {
    const [first, last = first, ...more] = item.split('..').map((end) => one.read(end, undefined)) as [
      number,
      ...number[],
    ];
    const found = [first];
    while (found.at(-1)! < last) found.push(2 * found.at(-1)!);
    if (found.at(-1) === last && more.length === 0) return found;
    const ends = found.length < 3 ? [2 * first, 4 * first] : found.slice(-2);
    const ranges = ends.map((end) => `${first}..${end}`).join(' or ');
    throw new BadValue(
      `takes a range that ends at a double of its first number, such as ${ranges}, not ${JSON.stringify(item)}`,
    );
  };
  return {
    ...plain,
    wanted: `${plain.wanted}, or 8..64 for 8, 16, 32, 64`,
    read: (given) => given.split(',').flatMap(range),
  };
}

/** Texts, the option given for each of them. */
export const texts = (placeholder: string) => list(text(placeholder), 'repeated');

/** Names separated by commas, none of them empty. */
export function names(placeholder: string, distinct: boolean): OptionType<readonly string[]> {
  const twice = (found: readonly unknown[]) =>
    distinct ? found.find((name, index) => found.indexOf(name) !== index) : undefined;
  const isNames = (value: unknown) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((name) => typeof name === 'string' && name !== '');
  return {
    placeholder,
    wanted: 'names separated by commas',
    schema: {
      type: 'array',
      items: { type: 'string', minLength: 1 },
      minItems: 1,
      ...(distinct ? { uniqueItems: true } : {}),
    },
    read(given) {
      const found = given.split(',').map((name) => name.trim());
      if (!isNames(found))
        throw new BadValue(`takes names separated by commas, not ${JSON.stringify(given)}`);
      const again = twice(found);
      if (again !== undefined) throw new BadValue(`has ${JSON.stringify(again)} twice`);
      return found;
    },
    problem(value) {
      if (!isNames(value)) return `takes a list of names, not ${shown(value)}`;
      const again = twice(value as readonly unknown[]);
      return again === undefined ? null : `has ${JSON.stringify(again)} twice`;
    },
  };
}

/**
 * `NAME=VALUE`, the option given for each name. `split`: at which of several `=`; names of tensors may hold some, numbers
 * and columns do not.
 */
function named<T>(
  of: Scalar<T>,
  placeholder: string,
  form: string,
  split: 'first' | 'last',
): OptionType<ReadonlyMap<string, T>> {
  return {
    placeholder,
    wanted: form,
    schema: { type: 'object', additionalProperties: of.schema },
    read(given, before) {
      const at = split === 'first' ? given.indexOf('=') : given.lastIndexOf('=');
      if (at < 1) throw new BadValue(`takes ${form}, not ${JSON.stringify(given)}`);
      const name = given.slice(0, at);
      if (before?.has(name)) throw new BadValue(`gives ${JSON.stringify(name)} twice`);
      return new Map(before).set(name, of.read(given.slice(at + 1), undefined));
    },
    problem(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return `takes values by name, not ${shown(value)}`;
      const entries: readonly unknown[] =
        value instanceof Map ? [...(value as ReadonlyMap<string, unknown>).values()] : Object.values(value);
      return entries.map((item) => of.problem(item)).find((why) => why !== null) ?? null;
    },
  };
}

/** `NAME=N` with whole numbers of at least 1. */
export const extents = (placeholder: string) => named(whole(1), placeholder, 'NAME=N', 'last');

/** `NAME=X` with numbers above 0. */
export const factors = (placeholder: string) => named(real({ above: 0 }), placeholder, 'NAME=X', 'last');

/** `NAME=VALUE` with any text but none. */
export function pairs(placeholder: string): OptionType<ReadonlyMap<string, string>> {
  const value = scalar<string>(
    'value',
    'NAME=VALUE with a value',
    { type: 'string', minLength: 1 },
    (given) => typeof given === 'string' && given !== '',
    (given) => given,
  );
  return named(value, placeholder, 'NAME=VALUE', 'first');
}

/** `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
