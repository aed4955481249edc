import { fileChanged } from '../ir/codes/load.js';
import { fail } from '../ir/diagnostics.js';
import type { BatchSource, RowsOfData } from './batch-source.js';
import { epochBatches } from './batches.js';
import type { Dataset } from './data/dataset.js';
import type { DataStream } from './data/stream/stream.js';

/** A window of a pass that is being read, and the one after it. */
interface OpenPass {
  readonly windows: AsyncGenerator<Dataset>;
  /** number of the window that `next` is */
  number: number;
  next: Promise<IteratorResult<Dataset>>;
}

/**
 * Those of data that is read window by window. Each window is shuffled by its number in the pass, so that a run begins anywhere as
 * it would have come there. While one window is trained on, the next one is read.
 */
export class StreamedBatches implements BatchSource {
  readonly examples: number;
  readonly batches: number;
  /** number of the first batch of each window */
  readonly #starts: readonly number[];
  readonly #stream: DataStream;
  readonly #seed: number;
  #open: OpenPass | null = null;
  /** of the last window requested */
  #held: { readonly key: string; readonly batches: readonly RowsOfData[] } | null = null;

  constructor(stream: DataStream, seed: number) {
    this.#stream = stream;
    this.#seed = seed;
    const { windows } = stream.index;
    this.examples = windows.reduce((sum, [, , , examples]) => sum + examples, 0);
    let first = 0;
    this.#starts = windows.map(([, , , , batches]) => {
      first += batches;
      return first - batches;
    });
    this.batches = first;
  }

  get unit(): Dataset['unit'] {
    return this.#stream.unit;
  }

  async take(epoch: number, start: number, count: number): Promise<readonly RowsOfData[]> {
    const taken: RowsOfData[] = [];
    for (let at = start; at < Math.min(start + count, this.batches); ) {
      const number = this.#starts.findLastIndex((first) => first <= at);
      const batches = await this.#window(epoch, number);
      const inside = at - this.#starts[number]!;
      const part = batches.slice(inside, inside + start + count - at);
      taken.push(...part);
      at += part.length;
    }
    return taken;
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.next.catch(() => undefined);
    await open?.windows.return(undefined);
  }

  async #window(epoch: number, number: number): Promise<readonly RowsOfData[]> {
    const key = number === 0 ? String(epoch) : `${epoch}.window.${number}`;
    if (this.#held?.key === key) return this.#held.batches;
    this.#held = null;
    const data = await this.#read(number);
    const batches = epochBatches(data, this.#stream.cut, this.#seed, key).map((rows) => ({ data, rows }));
    const { data: file, index } = this.#stream;
    if (batches.length !== index.windows[number]![4]) fail(fileChanged({ file: file.file }));
    this.#held = { key, batches };
    return batches;
  }

  async #read(number: number): Promise<Dataset> {
    if (this.#open?.number !== number) {
      await this.close();
      const windows = this.#stream.windows(number);
      this.#open = { windows, number, next: windows.next() };
    }
    const open = this.#open;
    const { value } = (await open.next) as { readonly value: Dataset };
    open.number++;
    open.next = open.windows.next();
    // that it fails is told when it is requested
    open.next.catch(() => undefined);
    return value;
  }
}
