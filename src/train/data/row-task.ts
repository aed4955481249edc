import type { NamedFiles } from '../../ir/files/named-files.js';
import type { Dataset } from './dataset.js';
import type { Fields } from './fields.js';
import type { SeenRows } from './seen-rows.js';
import type { Padding } from './token-columns.js';
import type { Tokenizer } from './tokenizer.js';

/** What is needed to make rows of tokens from records, whatever the records are. */
export interface RowTask {
  readonly file: string;
  readonly fields: Fields;
  readonly tokenizer: Tokenizer;
  readonly padding: Padding;
  /** the label that does not count: of single positions, and of rows that fill up a batch */
  readonly ignored: number;
  /** is told of the rows that are made */
  readonly seen: SeenRows;
}

/** The same for models that write text. */
export interface WritingTask extends RowTask {
  /** the tokenizer's file: those next to it say which tokens begin and end a text */
  readonly tokenizerFile: string;
  readonly from: NamedFiles;
  /** the graph scores position t against label t + 1 */
  readonly shift: boolean;
}

/** Texts that a model learns to write, as rows. */
export interface WritingData {
  readonly dataset: Dataset;
  /** files next to the tokenizer that were read */
  readonly files: readonly string[];
}
