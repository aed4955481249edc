import { badData, truncated } from '../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { BadLines } from './bad-lines.js';
import type { Batch, Column, Dataset } from './dataset.js';
import { encodeLabel, type LabelMap, labelMapOf } from './labels.js';
import type { TextRecord } from './records.js';
import type { Encoded, Tokenizer } from './tokenizer.js';

/** How rows of tokens are laid out. */
export interface Padding {
  /** longest row */
  readonly max: number;
  /** rows are as long as the longest of the batch, rounded up to a multiple of this (but not above `max`) */
  readonly multiple: number;
  /** the model takes rows of exactly this length */
  readonly fixed: number | null;
}

export interface TextTask {
  readonly file: string;
  readonly tokenizer: Tokenizer;
  readonly padding: Padding;
  /** known labels; null: they are taken from these records */
  readonly labels: LabelMap | null;
  /** the loss wants numbers, not classes */
  readonly values: boolean;
  /** label of rows that do not count: they fill up a batch */
  readonly ignored: number;
}

export interface TextData {
  readonly dataset: Dataset;
  readonly labels: LabelMap;
  /** the number of classes that the labels need; 0 when they are values */
  readonly classes: number;
  readonly notes: readonly Diagnostic[];
}

/** Labelled texts, tokenized. Throws LOTR8204 when no usable record is left, LOTR8205 for bad lines that are to stop. */
export function textDataset(records: Iterable<TextRecord>, task: TextTask, bad: BadLines): TextData {
  const { tokenizer, padding, file } = task;
  const max = padding.fixed ?? padding.max;
  const rows: (Encoded & { readonly line: number; readonly label: unknown })[] = [];
  for (const { line, text, pair, label } of records) {
    const { ids, types, full } = tokenizer.encode(text, pair, max);
    if (ids.length === 0) bad.add(line, 'its text has no token');
    else rows.push({ ids, types, full, line, label });
  }
  const labels =
    task.labels ??
    labelMapOf(
      rows.map(({ label }) => label),
      task.values,
    );
  const kept: Encoded[] = [];
  const targets: (readonly number[])[] = [];
  for (const row of rows) {
    const target = encodeLabel(labels, row.label);
    const width = targets[0]?.length;
    if ('why' in target) bad.add(row.line, target.why);
    else if (width !== undefined && target.length !== width) {
      bad.add(row.line, `its label has ${target.length} values, others have ${width}`);
    } else {
      kept.push(row);
      targets.push(target);
    }
  }
  if (kept.length === 0) fail(badData({ file, why: 'it has no record that can be used' }));
  const cut = kept.filter(({ ids, full }) => full > ids.length);
  const longest = cut.reduce((most, { full }) => Math.max(most, full), 0);
  const notes = [...bad.report()];
  if (cut.length > 0) notes.push(truncated({ file, count: cut.length, total: kept.length, max, longest }));
  const classes =
    labels.kind === 'values' ? 0 : labels.kind === 'names' ? labels.names.length : 1 + largest(targets);
  return { dataset: new Texts(kept, targets, task), labels, classes, notes };
}

const largest = (targets: readonly (readonly number[])[]): number =>
  targets.reduce((most, [value]) => Math.max(most, value!), 0);

class Texts implements Dataset {
  readonly unit = 'example';
  readonly columns: readonly string[] = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'];
  readonly size: number;
  readonly #rows: readonly Encoded[];
  readonly #targets: readonly (readonly number[])[];
  readonly #task: TextTask;

  constructor(rows: readonly Encoded[], targets: readonly (readonly number[])[], task: TextTask) {
    this.size = rows.length;
    this.#rows = rows;
    this.#targets = targets;
    this.#task = task;
  }

  batch(indices: ArrayLike<number>, filled = indices.length): Batch {
    const { tokenizer, padding, values, ignored } = this.#task;
    const chosen = Array.from(indices, (index) => this.#rows[index]!);
    const longest = chosen.reduce((most, { ids }) => Math.max(most, ids.length), 1);
    const rounded = Math.ceil(longest / padding.multiple) * padding.multiple;
    const length = padding.fixed ?? Math.max(longest, Math.min(rounded, padding.max));
    const shape = [filled, length];
    const ids = new Int32Array(filled * length).fill(tokenizer.padId);
    const mask = new Int32Array(filled * length);
    const types = new Int32Array(filled * length);
    const positions = new Int32Array(filled * length);
    let tokens = 0;
    for (const [row, encoded] of chosen.entries()) {
      const at = row * length;
      ids.set(encoded.ids, at);
      mask.fill(1, at, at + encoded.ids.length);
      if (encoded.types) types.set(encoded.types, at);
      tokens += encoded.ids.length;
    }
    for (let i = 0; i < positions.length; i++) positions[i] = i % length;
    // an empty row would divide by zero in attention: it sees its first token, and its label does not count
    for (let row = chosen.length; row < filled; row++) mask[row * length] = 1;
    const width = this.#targets[0]!.length;
    const flat = new (values ? Float32Array : Int32Array)(filled * width).fill(ignored);
    for (const [row, index] of Array.from(indices).entries()) flat.set(this.#targets[index]!, row * width);
    const labels: Column = { shape: values ? [filled, width] : [filled], data: flat };
    const columns = new Map<string, Column>([
      ['input_ids', { shape, data: ids }],
      ['attention_mask', { shape, data: mask }],
      ['token_type_ids', { shape, data: types }],
      ['position_ids', { shape, data: positions }],
    ]);
    return { columns, labels, examples: chosen.length, tokens };
  }
}
