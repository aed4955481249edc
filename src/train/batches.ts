import type { Dataset } from './data/dataset.js';
import { shuffled } from './data/order.js';
import type { InputMap } from './feeds.js';

/** How a data set is divided into batches. */
export interface BatchSplit {
  readonly inputs: InputMap;
  readonly batchSize: number;
  /** the model's fixed batch size */
  readonly rows: number | null;
  /** short batches cannot be filled up, because labels cannot be left out: they are not used */
  readonly dropShort: boolean;
  /** batches hold rows of one length */
  readonly bucket: boolean;
}

/** Numbers of rows, cut into batches in their order; with `bucket`, those of each length by themselves, shortest first. */
function batchesOf(order: Int32Array, data: Dataset, cut: BatchSplit): readonly Int32Array[] {
  const size = cut.rows ?? cut.batchSize;
  const batches: Int32Array[] = [];
  for (const rows of cut.bucket ? buckets(order, data) : [order]) {
    for (let start = 0; start < rows.length; start += size) {
      const batch = rows.subarray(start, start + size);
      if (batch.length === size || !cut.dropShort) batches.push(batch);
    }
  }
  return batches;
}

/** Batches of a data set in the order of its rows. */
export function batchesInOrder(data: Dataset, cut: BatchSplit): readonly Int32Array[] {
  return batchesOf(
    Int32Array.from({ length: data.size }, (_, i) => i),
    data,
    cut,
  );
}

/** The batches of an epoch, by the streams of (seed, epoch). Epochs do not depend on each other. */
export function epochBatches(
  data: Dataset,
  cut: BatchSplit,
  seed: number,
  epoch: number | string,
): readonly Int32Array[] {
  const batches = batchesOf(shuffled(data.size, seed, epoch), data, cut);
  if (!cut.bucket) return batches;
  return Array.from(shuffled(batches.length, seed, `${epoch}.batches`), (index) => batches[index]!);
}

function buckets(order: Int32Array, { lengths }: Dataset): readonly Int32Array[] {
  if (!lengths) return [order];
  const byLength = new Map<number, number[]>();
  for (const row of order) {
    const length = lengths[row]!;
    const bucket = byLength.get(length);
    if (bucket) bucket.push(row);
    else byLength.set(length, [row]);
  }
  return [...byLength].sort(([a], [b]) => a - b).map(([, rows]) => Int32Array.from(rows));
}
