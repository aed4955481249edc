import type { DataBatch, Dataset } from './dataset.js';
import { type Padding, TOKEN_COLUMNS, type TokenRow, tokenColumns } from './token-columns.js';

/** A row of tokens with a label for each. */
export interface Sequence extends TokenRow {
  /** label of each token: its id where it is to be predicted, or its tag; else the value that does not count */
  readonly labels: Int32Array;
  /** tokens before the row was cut */
  readonly full: number;
}

export interface SequenceForm {
  readonly padding: Padding;
  readonly padId: number;
  readonly ignored: number;
  /** labels are at the position before their token: it is the one that predicts it */
  readonly before: boolean;
  readonly tagged: boolean;
}

/** Rows of tokens with labels for every position, made into batches of any rows. */
export function sequenceDataset(rows: readonly Sequence[], form: SequenceForm): Dataset {
  const { padding, padId, ignored, before, tagged } = form;
  const batch = (indices: ArrayLike<number>, filled = indices.length): DataBatch => {
    const chosen = Array.from(indices, (index) => rows[index]!);
    const { columns, length, tokens } = tokenColumns(chosen, padding, padId, filled);
    const data = new Int32Array(filled * length).fill(ignored);
    for (const [row, { labels }] of chosen.entries()) {
      data.set(before ? labels.subarray(1) : labels, row * length);
    }
    return { columns, labels: { shape: [filled, length], data }, examples: chosen.length, tokens };
  };
  const lengths = rows.map(({ ids }) => ids.length);
  return { size: rows.length, unit: 'example', columns: TOKEN_COLUMNS, lengths, tagged, batch };
}

/**
 * Examples laid end to end in rows of at most `max` tokens, no example divided: the longest first, each into the fullest row
 * that has room. Positions count from 0 in every example; the first token of an example is not predicted.
 */
export function packed(examples: readonly Sequence[], max: number): readonly Sequence[] {
  const order = examples
    .map((_, i) => i)
    .sort((a, b) => examples[b]!.ids.length - examples[a]!.ids.length || a - b);
  const open = new Open();
  const bins: number[][] = [];
  for (const index of order) {
    const { length } = examples[index]!.ids;
    const found = open.take(length);
    const bin = found?.bin ?? [];
    if (!found) bins.push(bin);
    bin.push(index);
    open.add((found?.room ?? max) - length, bin);
  }
  for (const bin of bins) bin.sort((a, b) => a - b);
  bins.sort(([a], [b]) => a! - b!);
  return bins.map((bin) => joined(bin.map((index) => examples[index]!)));
}

/** Rows that are being filled, by the room that they have left. */
class Open {
  /** rooms that some row has, the smallest first */
  readonly #rooms: number[] = [];
  readonly #byRoom = new Map<number, { readonly bins: number[][]; next: number }>();

  /** Of the rows that have room for so much, takes one of those with the least: the one that has had it the longest. */
  take(length: number): { readonly room: number; readonly bin: number[] } | null {
    const place = this.#place(length);
    const room = this.#rooms[place];
    if (room === undefined) return null;
    const queue = this.#byRoom.get(room)!;
    const bin = queue.bins[queue.next++]!;
    if (queue.next === queue.bins.length) {
      this.#rooms.splice(place, 1);
      this.#byRoom.delete(room);
    }
    return { room, bin };
  }

  add(room: number, bin: number[]): void {
    const queue = this.#byRoom.get(room);
    if (queue) {
      queue.bins.push(bin);
      return;
    }
    this.#rooms.splice(this.#place(room), 0, room);
    this.#byRoom.set(room, { bins: [bin], next: 0 });
  }

  /** How many rooms are smaller. */
  #place(room: number): number {
    let [low, high] = [0, this.#rooms.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rooms[middle]! < room) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function joined(parts: readonly Sequence[]): Sequence {
  const concat = (rows: readonly ArrayLike<number>[]) =>
    Int32Array.from(rows.flatMap((row) => Array.from(row)));
  const ids = concat(parts.map((part) => part.ids));
  return {
    ids,
    labels: concat(parts.map(({ labels }) => labels)),
    positions: concat(parts.map((part) => part.ids.map((_, i) => i))),
    types: null,
    full: ids.length,
  };
}
