import { kebab } from './flags.js';
import { type JsonSchema, toJson } from './schema.js';
import type { OptionType } from './types.js';

/**
 * An option, declared once: the command line, `--help`, the types and range checks of functions, the schema of
 * configurations and the tables of documents are made from it.
 */
export interface OptionDef<T = unknown> {
  readonly type: OptionType<T>;
  readonly doc: string;
  /** the value where none is given; without it there is none */
  readonly default?: T;
  /** must be given */
  readonly required?: true;
  /** on the command line, without dashes: where the key in words is not what it is called there */
  readonly flag?: string;
  /** one letter */
  readonly short?: string;
  /** what `--help` has between `<` and `>`, where the type does not say it */
  readonly placeholder?: string;
  /** the version that has it first, where that is not the first of all */
  readonly since?: string;
}

/** Options by their keys, in the order of `--help`. */
export type OptionSet = Readonly<Record<string, OptionDef>>;

/** The same options with defaults of their types. */
export type Typed<S> = {
  readonly [K in keyof S]: S[K] extends { type: OptionType<infer T> } ? OptionDef<T> : never;
};

/** Declares options; the type of a default is that of its option. */
export function defineOptions<const S extends OptionSet>(set: S & Typed<S>): S {
  return set;
}

/** The type of an option's values. */
export type ValueOf<D> = D extends { readonly type: OptionType<infer T> } ? T : never;
type Always<S> = {
  [K in keyof S]: S[K] extends { readonly default: unknown } | { readonly required: true } ? K : never;
}[keyof S];

/** The values of a set: those with a default, or that must be given, are always there. */
export type ValuesOf<S> = { readonly [K in Always<S>]: ValueOf<S[K]> } & {
  readonly [K in Exclude<keyof S, Always<S>>]?: ValueOf<S[K]> | undefined;
};

/** The values that a caller may give: none must be. */
export type GivenOf<S> = { readonly [K in keyof S]?: ValueOf<S[K]> | undefined };

/** Values that may be absent, with null in the place of those. */
export type OrNull<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> | null };

/** The name on the command line, without dashes. */
export function flagOf(key: string, { flag }: OptionDef): string {
  return flag ?? kebab(key);
}

/** The defaults of a set. */
export function defaultsOf<S extends OptionSet>(
  set: S,
): { readonly [K in keyof S as S[K] extends { readonly default: unknown } ? K : never]: ValueOf<S[K]> } {
  const rows = Object.entries(set).flatMap(([key, def]) => ('default' in def ? [[key, def.default]] : []));
  return Object.fromEntries(rows) as ReturnType<typeof defaultsOf<S>>;
}

/** Some options of a set. */
export function pick<S extends OptionSet, const K extends keyof S & string>(
  set: S,
  ...keys: readonly K[]
): Pick<S, K> {
  return Object.fromEntries(keys.map((key) => [key, set[key]])) as unknown as Pick<S, K>;
}

/** A set without some of its options. */
export function omit<S extends OptionSet, const K extends keyof S & string>(
  set: S,
  ...keys: readonly K[]
): Omit<S, K> {
  const left = Object.entries(set).filter(([key]) => !keys.some((one) => one === key));
  return Object.fromEntries(left) as unknown as Omit<S, K>;
}

/** What is wrong with values that a caller gave, by key: the first of each option; undefined and null are not given. */
export function problemsOf(
  set: OptionSet,
  given: object,
): readonly { readonly key: string; readonly why: string }[] {
  const values = given as Readonly<Record<string, unknown>>;
  return Object.entries(set).flatMap(([key, { type }]) => {
    const value = values[key];
    const why = value === undefined || value === null ? null : type.problem(value);
    return why === null ? [] : [{ key, why }];
  });
}

/** JSON schema of an object with the options of a set by key. */
export function schemaOf(set: OptionSet): JsonSchema {
  const required = Object.entries(set).flatMap(([key, def]) => (def.required ? [key] : []));
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(set).map(([key, { type, doc, ...rest }]) => [
        key,
        {
          ...type.schema,
          description: rest.default === true ? `false: ${doc}` : doc,
          ...('default' in rest ? { default: toJson(rest.default) } : {}),
        },
      ]),
    ),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}
