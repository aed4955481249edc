/** A part of JSON Schema (draft 2020-12): what the values of options need. */
export interface JsonSchema {
  /** `#/$defs/NAME` */
  readonly $ref?: string;
  readonly type?: 'boolean' | 'string' | 'number' | 'integer' | 'array' | 'object';
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly pattern?: string;
  /** of the keys of an object */
  readonly propertyNames?: JsonSchema;
  readonly minLength?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly uniqueItems?: true;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
}

/** A value as JSON has it, for the schema: maps are objects, regular expressions their text. */
export function toJson(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value as ReadonlyMap<string, unknown>);
  return value instanceof RegExp ? value.source : value;
}
