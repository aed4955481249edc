import type { AdapterSpec } from '../src/adapter/description.js';
import { readDescription } from '../src/adapter/description-check.js';
import { badDescription } from '../src/ir/codes/methods.js';
import { fail } from '../src/ir/diagnostics.js';
import { readText } from './load.js';

/** The description of a method in a JSON file. Throws LOTR1001, LOTR3501, LOTR3502. */
export function specIn(file: string): AdapterSpec {
  let value: unknown;
  try {
    value = JSON.parse(readText(file));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    fail(badDescription({ source: file, field: '', why: 'is not JSON' }));
  }
  return readDescription(value, file);
}
