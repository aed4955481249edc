import { batchTooLarge } from '../../ir/codes/train-data.js';
import { fail } from '../../ir/diagnostics.js';
import type { Column } from './dataset.js';

/** Tokens of one batch, padding too: each takes 16 bytes before ONNX Runtime sees it. */
const MAX_TOKENS = 2 ** 26;
/** The same of tensors: 1 GiB of float32. */
const MAX_ELEMENTS = 2 ** 28;

/** Throws LOTR8230 for a batch that is too large to be made. */
export function requireSize(rows: number, length: number): void {
  if (rows * length > MAX_TOKENS) fail(batchTooLarge({ rows, length, most: MAX_TOKENS }));
}

/** Throws LOTR8230 for a batch of ready rows that is too large to be made. */
export function requireElements(rows: number, width: number): void {
  if (rows * width > MAX_ELEMENTS)
    fail(batchTooLarge({ rows, length: width, most: MAX_ELEMENTS, unit: 'elements' }));
}

/** How rows of tokens are laid out. */
export interface Padding {
  /** longest row */
  readonly max: number;
  /** rows are as long as the longest of the batch, rounded up to a multiple of this (but not above `max`) */
  readonly multiple: number;
  /** the model takes rows of exactly this length */
  readonly fixed: number | null;
}

/** One row of tokens. */
export interface TokenRow {
  readonly ids: Int32Array;
  /** which of a pair a token belongs to; null: all belong to the first */
  readonly types: readonly number[] | null;
  /** position of each token; null: they count from 0 */
  readonly positions?: Int32Array | null;
}

export const TOKEN_COLUMNS: readonly string[] = [
  'input_ids',
  'attention_mask',
  'token_type_ids',
  'position_ids',
];

/** How long the rows of a batch are. */
export function rowLength(rows: readonly TokenRow[], { fixed, max, multiple }: Padding): number {
  const longest = rows.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const rounded = Math.ceil(longest / multiple) * multiple;
  return fixed ?? Math.max(longest, Math.min(rounded, max));
}

/**
 * Rows of tokens as columns [filled, length], filled up with `padId`. Rows beyond those given only fill up the batch: they
 * see their first token, since an empty row would divide by zero in attention.
 */
export function tokenColumns(rows: readonly TokenRow[], padding: Padding, padId: number, filled: number) {
  const length = rowLength(rows, padding);
  requireSize(filled, length);
  const shape = [filled, length];
  const ids = new Int32Array(filled * length).fill(padId);
  const mask = new Int32Array(filled * length);
  const types = new Int32Array(filled * length);
  const positions = Int32Array.from(ids, (_, i) => i % length);
  let tokens = 0;
  for (const [row, { ids: own, types: ownTypes, positions: ownPositions }] of rows.entries()) {
    const at = row * length;
    ids.set(own, at);
    mask.fill(1, at, at + own.length);
    if (ownTypes) types.set(ownTypes, at);
    if (ownPositions) positions.set(ownPositions, at);
    tokens += own.length;
  }
  for (let row = rows.length; row < filled; row++) mask[row * length] = 1;
  const columns = new Map<string, Column>(
    [ids, mask, types, positions].map((data, i) => [TOKEN_COLUMNS[i]!, { shape, data }]),
  );
  return { columns, length, tokens };
}
