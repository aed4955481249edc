import { noLabels } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import type { Column, Dataset } from './data/dataset.js';
import type { Signature } from './signature.js';

/** How many labels of a batch count in the loss of a training directory. */
export function countLabels(
  { ignoreIndex, ignoreValue, shift }: Signature['loss'],
  { shape, data }: Column,
): number {
  const ignored = ignoreIndex ?? ignoreValue;
  const width = shape.at(-1) ?? 1;
  let count = 0;
  for (const [i, label] of data.entries()) {
    // the first label of a row has no position before it
    if (label !== ignored && !(shift && i % width === 0)) count++;
  }
  return count;
}

/** Throws LOTR8240 when no label of the data counts. Reads batches up to the first label that does. */
export function requireLabels(data: Dataset, { loss }: Signature, what: string): void {
  for (let start = 0; start < data.size; start += 64) {
    const rows = Array.from({ length: Math.min(64, data.size - start) }, (_, i) => start + i);
    if (countLabels(loss, data.batch(rows).labels) > 0) return;
  }
  fail(noLabels({ what }));
}
