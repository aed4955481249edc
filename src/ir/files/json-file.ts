import { JsonError, parseJson } from './json.js';
import { readRegular } from './regular.js';
import { type Schema, SchemaError } from './schema.js';
import { Unreadable } from './unreadable.js';

/** Largest JSON file that is read as one text: far above what lotrc writes. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * The value in a JSON file, as a schema reads it. `refused` gets the reason when the file cannot be read, is not JSON, or
 * does not fit.
 */
export function readJsonFile<T>(file: string, schema: Schema<T>, refused: (why: string) => never): T {
  try {
    return schema(parseJson(readRegular(file, MAX_BYTES).toString('utf8')), '');
  } catch (error) {
    if (error instanceof SchemaError) return refused(error.message);
    if (error instanceof JsonError)
      return refused(`it cannot be read as JSON: ${error.message} (at character ${error.offset})`);
    if (error instanceof Unreadable) return refused(`it cannot be read: ${error.message}`);
    throw error;
  }
}
