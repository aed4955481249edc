import { type BatchSplit, batchesInOrder, epochBatches } from './batches.js';
import type { Dataset } from './data/dataset.js';

/** A batch: rows of a data set, by their numbers. */
export interface RowsOfData {
  readonly data: Dataset;
  readonly rows: Int32Array;
}

/** The batches of a run, pass by pass. */
export interface BatchSource {
  /** of a pass; some may be in no batch */
  readonly examples: number;
  readonly unit: Dataset['unit'];
  /** of a pass */
  readonly batches: number;
  /** Batches of a pass from the one with that number on; fewer at its end. Throws what reading them throws. */
  take(epoch: number, start: number, count: number): Promise<readonly RowsOfData[]>;
  /** Ends reading. */
  close(): Promise<void>;
}

/** Those of data that is in memory; those of the last pass requested are kept. */
export class HeldBatches implements BatchSource {
  readonly batches: number;
  readonly #data: Dataset;
  readonly #cut: BatchSplit;
  readonly #seed: number;
  #epoch = -1;
  #rows: readonly Int32Array[] = [];

  constructor(data: Dataset, cut: BatchSplit, seed: number) {
    this.#data = data;
    this.#cut = cut;
    this.#seed = seed;
    this.batches = batchesInOrder(data, cut).length;
  }

  get examples(): number {
    return this.#data.size;
  }

  get unit(): Dataset['unit'] {
    return this.#data.unit;
  }

  async take(epoch: number, start: number, count: number): Promise<readonly RowsOfData[]> {
    if (epoch !== this.#epoch) this.#rows = epochBatches(this.#data, this.#cut, this.#seed, epoch);
    this.#epoch = epoch;
    return this.#rows.slice(start, start + count).map((rows) => ({ data: this.#data, rows }));
  }

  async close(): Promise<void> {}
}
