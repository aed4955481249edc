import { idOutOfRange } from '../ir/codes/train-text.js';
import { fail } from '../ir/diagnostics.js';
import type { Column } from './data/dataset.js';
import type { Port } from './signature.js';

/**
 * Ids choose rows of a table of the model. A negative one would choose from its end without an error, one after the
 * last row ends in the runtime, or on a GPU in any number. Throws LOTR8250.
 */
export function checkIds({ name, rows }: Port, { data, shape }: Column): void {
  if (rows === undefined) return;
  const at = data.findIndex((id) => !(id >= 0 && id < rows && Number.isInteger(id)));
  if (at < 0) return;
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  fail(idOutOfRange({ input: name, id: data[at]!, rows, place: at % width }));
}
