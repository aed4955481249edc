import type { Batch, Dataset } from './dataset.js';
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
  const batch = (indices: ArrayLike<number>, filled = indices.length): Batch => {
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
  const byRoom = new Map<number, number[][]>();
  const bins: number[][] = [];
  for (const index of order) {
    const { length } = examples[index]!.ids;
    let room = length;
    while (room <= max && !byRoom.get(room)?.length) room++;
    const bin = room <= max ? byRoom.get(room)!.shift()! : [];
    if (room > max) bins.push(bin);
    bin.push(index);
    const left = Math.min(room, max) - length;
    const others = byRoom.get(left);
    if (others) others.push(bin);
    else byRoom.set(left, [bin]);
  }
  for (const bin of bins) bin.sort((a, b) => a - b);
  bins.sort(([a], [b]) => a! - b!);
  return bins.map((bin) => joined(bin.map((index) => examples[index]!)));
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
