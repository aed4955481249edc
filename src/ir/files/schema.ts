import { bare } from '../keys.js';
import type { Json } from './json.js';

/**
 * Shapes of JSON that others wrote: a schema reads a value field by field and gives it as the type that it promises. The
 * objects that it makes have the fields of the schema and no others; those with free keys have no prototype, so that a key
 * such as `__proto__` or `constructor` is a key like any other.
 */
export type Schema<T> = (value: Json | undefined, field: string) => T;

/** A field that does not fit, and why. */
export class SchemaError extends Error {
  constructor(
    readonly field: string,
    readonly why: string,
  ) {
    super(field === '' ? why : `field ${JSON.stringify(field)}: ${why}`);
  }
}

function refuse(field: string, why: string, value: Json | undefined): never {
  throw new SchemaError(
    field,
    value === undefined ? `it is missing; it must be ${why}` : `it must be ${why}`,
  );
}

/** Values of one kind; `what` completes "it must be ...". */
export function fits<T>(what: string, test: (value: Json | undefined) => boolean): Schema<T> {
  return (value, field) => (test(value) ? (value as T) : refuse(field, what, value));
}

export const text = fits<string>('text', (value) => typeof value === 'string');
export const flag = fits<boolean>('true or false', (value) => typeof value === 'boolean');
export const number = fits<number>('a finite number', (value) => Number.isFinite(value));

/** Whole numbers from `least` to `most`. */
export function whole(least = 0, most = Number.MAX_SAFE_INTEGER): Schema<number> {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return fits(
    `a whole number ${range}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  );
}

/** One of these words or numbers. */
export function oneOf<const T extends string | number>(choices: readonly T[]): Schema<T> {
  return fits(`one of ${choices.join(', ')}`, (value) => choices.includes(value as T));
}

export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return (value, field) => (value === null ? null : schema(value, field));
}

/** A field that may be absent. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return (value, field) => (value === undefined ? undefined : schema(value, field));
}

/** A field that older versions did not write, with its default. */
export function later<T>(schema: Schema<T>, standIn: T): Schema<T> {
  return (value, field) => (value === undefined ? standIn : schema(value, field));
}

export function either<A, B>(what: string, a: Schema<A>, b: Schema<B>): Schema<A | B> {
  return (value, field) => {
    for (const schema of [a, b]) {
      try {
        return schema(value, field);
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
      }
    }
    return refuse(field, what, value);
  };
}

export function list<T>(schema: Schema<T>): Schema<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) return refuse(field, 'a list', value);
    return (value as readonly Json[]).map((item, index) => schema(item, `${field}[${index}]`));
  };
}

/** An object with free keys. */
export function record<T>(schema: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return (value, field) => {
    if (!(value instanceof Map)) return refuse(field, 'an object', value);
    const out = bare<T>();
    for (const [key, item] of value as ReadonlyMap<string, Json>) out[key] = schema(item, inside(field, key));
    return out;
  };
}

type FieldsOf<T> = { readonly [Key in keyof T]-?: Schema<T[Key]> };

/** An object with these fields. Others are left out, or refused where `others` says so. */
export function object<T>(fields: FieldsOf<T>, others: 'left out' | 'refused' = 'left out'): Schema<T> {
  const known = Object.entries(fields) as readonly (readonly [string, Schema<unknown>])[];
  return (value, field) => {
    if (!(value instanceof Map)) return refuse(field, 'an object', value);
    const given = value as ReadonlyMap<string, Json>;
    const out: Record<string, unknown> = {};
    for (const [key, schema] of known) {
      const read = schema(given.get(key), inside(field, key));
      if (read !== undefined) out[key] = read;
    }
    if (others === 'refused') {
      const strange = [...given.keys()].find((key) => !Object.hasOwn(fields, key));
      if (strange !== undefined) {
        throw new SchemaError(inside(field, strange), 'this version of lotrc does not know it');
      }
    }
    return out as T;
  };
}

/** A further condition on what a schema gives: `why` says what is wrong, or null. */
export function where<T>(schema: Schema<T>, why: (value: T) => string | null): Schema<T> {
  return (value, field) => {
    const read = schema(value, field);
    const fault = why(read);
    if (fault !== null) throw new SchemaError(field, fault);
    return read;
  };
}

const inside = (field: string, key: string): string => (field === '' ? key : `${field}.${key}`);
