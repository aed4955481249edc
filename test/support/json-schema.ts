import type { JsonSchema } from '../../src/options/schema.js';

/** Whether a JSON value is one of those that a schema describes: a reading of JSON Schema of its own. */
export function fitsSchema(
  value: unknown,
  schema: JsonSchema,
  defs: Readonly<Record<string, JsonSchema>> = {},
): boolean {
  const { type, enum: words, $ref } = schema;
  if ($ref !== undefined) return fitsSchema(value, defs[$ref.replace('#/$defs/', '')]!, defs);
  if (schema.anyOf && !schema.anyOf.some((one) => fitsSchema(value, one, defs))) return false;
  if (type !== undefined && !TYPES[type](value)) return false;
  if (words && !words.includes(value as string)) return false;
  if (typeof value === 'number') {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
    return (
      value >= (minimum ?? -Infinity) &&
      value <= (maximum ?? Infinity) &&
      value > (exclusiveMinimum ?? -Infinity) &&
      value < (exclusiveMaximum ?? Infinity)
    );
  }
  if (typeof value === 'string') {
    const { pattern, minLength = 0 } = schema;
    return [...value].length >= minLength && (pattern === undefined || new RegExp(pattern, 'u').test(value));
  }
  if (Array.isArray(value)) {
    const { items, minItems = 0, uniqueItems } = schema;
    if (value.length < minItems || (uniqueItems && new Set(value).size < value.length)) return false;
    return !items || value.every((item) => fitsSchema(item, items, defs));
  }
  if (typeof value !== 'object' || value === null) return true;
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
  return (
    required.every((key) => Object.hasOwn(value, key)) &&
    Object.entries(value).every(([key, item]) => {
      const own = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
      const named = propertyNames === undefined || fitsSchema(key, propertyNames);
      return named && (own === undefined || (own !== false && fitsSchema(item, own, defs)));
    })
  );
}

const TYPES: Readonly<Record<NonNullable<JsonSchema['type']>, (value: unknown) => boolean>> = {
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  array: Array.isArray,
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};
