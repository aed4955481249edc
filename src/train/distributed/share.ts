import type { ProcessGroup } from './group.js';

/** A part of the batches of a step, which one graph run takes. */
export interface StepPart {
  /** its number among all parts of the step */
  readonly index: number;
  /** number of its batch in the step */
  readonly batch: number;
  readonly rows: Int32Array;
}

/** Into how many parts each of `batches` batches of a step is cut, so that every rank takes equally many. */
export function partsPerBatch(batches: number, { size }: Pick<ProcessGroup, 'size'>): number {
  return size / greatestDivisor(batches, size);
}

/**
 * The parts of a step that a rank takes. Batches are cut into `parts` pieces of neighbouring rows, whose lengths differ by at
 * most one, and the pieces are dealt out to the ranks in blocks: together the ranks take each row once, in one order
 * whatever their number. `most`: batches of a full step; the last step of a pass may have fewer, or short ones, and then
 * some ranks take nothing.
 */
export function partsOfRank(
  batches: readonly Int32Array[],
  most: number,
  parts: number,
  { rank, size }: Pick<ProcessGroup, 'rank' | 'size'>,
): readonly StepPart[] {
  const each = (most * parts) / size;
  const own: StepPart[] = [];
  for (let index = rank * each; index < (rank + 1) * each; index++) {
    const number = Math.floor(index / parts);
    const batch = batches[number];
    if (!batch) break;
    const part = index % parts;
    const cut = (at: number) => Math.floor((at * batch.length) / parts);
    const rows = batch.subarray(cut(part), cut(part + 1));
    if (rows.length > 0) own.push({ index, batch: number, rows });
  }
  return own;
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
