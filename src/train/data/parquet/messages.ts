/** What the process or worker that decodes a Parquet file is asked, one call after another; the first is `open`. */
export type ParquetCall<F = string> =
  | { readonly call: 'open'; readonly file: F }
  /** decodes a row group, these columns of it, in place of the one before */
  | { readonly call: 'group'; readonly index: number; readonly columns: readonly string[] }
  /** rows of that group, counted from its start */
  | { readonly call: 'rows'; readonly start: number; readonly end: number };

/** An answer, or why the file cannot be read. */
export type ParquetAnswer<T> = { readonly value: T } | { readonly why: string };

export interface ParquetShape {
  readonly columns: readonly string[];
  /** rows of each group */
  readonly groups: readonly number[];
}

/** Rows as objects of JSON. */
export type ParquetRows = readonly Readonly<Record<string, unknown>>[];
