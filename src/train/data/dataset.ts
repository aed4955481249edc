/** Numbers of one batch: integers (token ids, masks, classes) or floats. */
export interface Column {
  readonly shape: readonly number[];
  readonly data: Int32Array | Float32Array;
}

/** What a data set gives for some of its rows. */
export interface DataBatch {
  /** by name: input_ids, attention_mask, token_type_ids, position_ids, or the names of tensors */
  readonly columns: ReadonlyMap<string, Column>;
  readonly labels: Column;
  readonly examples: number;
  /** tokens without padding; null when rows are not made of tokens */
  readonly tokens: number | null;
}

/** Rows to train on, made into batches in any order. */
export interface Dataset {
  readonly size: number;
  /** what a row is called */
  readonly unit: 'example' | 'window';
  readonly columns: readonly string[];
  /** tokens of each row; absent where all rows are equally long */
  readonly lengths?: ArrayLike<number>;
  /** labels are classes of single tokens, so that their share of right ones says more than the perplexity */
  readonly tagged?: boolean;
  /**
   * The rows of these numbers as one batch. `rows`: fill up to that many with rows whose labels do not count, for
   * models with a fixed batch size.
   */
  batch(indices: ArrayLike<number>, rows?: number): DataBatch;
}

/** Some rows of another data set. */
export function subset(of: Dataset, rows: ArrayLike<number>): Dataset {
  const { unit, columns, lengths, tagged } = of;
  return {
    size: rows.length,
    unit,
    columns,
    ...(lengths ? { lengths: Array.from(rows, (row) => lengths[row]!) } : {}),
    ...(tagged === undefined ? {} : { tagged }),
    batch: (indices, filled) =>
      of.batch(
        Int32Array.from(indices, (index) => rows[index]!),
        filled,
      ),
  };
}
