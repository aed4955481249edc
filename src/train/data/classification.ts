import type { LossKind } from '../signature.js';
import type { BadRecords } from './bad-lines.js';
import type { Column, DataBatch, Dataset } from './dataset.js';
import { encodeLabel, type LabelMap, valueProblem } from './labels.js';
import { has, type Rows, requireColumns, requireRows, textOf } from './records.js';
import type { RowTask } from './row-task.js';
import { paced } from './source.js';
import { TOKEN_COLUMNS, tokenColumns } from './token-columns.js';
import type { Encoded } from './tokenizer.js';

export interface TextTask extends RowTask {
  /** the number of each label, from those of the records */
  labelsOf(found: readonly unknown[]): LabelMap;
  readonly loss: LossKind;
}

export interface TextData {
  readonly dataset: Dataset;
  readonly labels: LabelMap;
  /** the number of classes that the labels need; 0 when they are values */
  readonly classes: number;
}

/** Labelled texts, tokenized. Throws LOTR8204 when no usable record is left, LOTR8205 for bad lines that are to stop. */
export async function textDataset(records: Rows, task: TextTask, bad: BadRecords): Promise<TextData> {
  const { tokenizer, padding, fields } = task;
  const max = padding.fixed ?? padding.max;
  const { text: textField, pair: pairField, label: labelField } = fields;
  requireColumns(records, [textField, labelField, ...(pairField === null ? [] : [pairField])]);
  const rows: (Encoded & { readonly line: number; readonly label: unknown })[] = [];
  for await (const record of records.rows) {
    const { line, value } = record;
    const text = textOf(record, textField, bad);
    if (text === null) continue;
    const pair = pairField === null ? null : textOf(record, pairField, bad);
    if (pairField !== null && pair === null) continue;
    if (!has(record, labelField)) {
      bad.add(line, `it has no "${labelField}"`);
      continue;
    }
    const encoded = tokenizer.encode(text, pair, max);
    if (encoded.ids.length === 0) bad.add(line, 'its text has no token');
    else rows.push({ ...encoded, line, label: value[labelField] });
  }
  const labels = task.labelsOf(rows.map(({ label }) => label));
  const kept: Encoded[] = [];
  const targets: (readonly number[])[] = [];
  for await (const row of paced(rows)) {
    const target = encodeLabel(labels, row.label);
    const width = targets[0]?.length;
    if ('why' in target) {
      bad.add(row.line, target.why);
      continue;
    }
    const why =
      labels.kind === 'values' ? target.map((value) => valueProblem(task.loss, value)).find(Boolean) : null;
    if (why) bad.add(row.line, why);
    else if (width !== undefined && target.length !== width) {
      bad.add(row.line, `its label has ${target.length} values, others have ${width}`);
    } else {
      kept.push(row);
      targets.push(target);
    }
  }
  requireRows(records, kept.length);
  task.seen.add(kept);
  const classes =
    labels.kind === 'values' ? 0 : labels.kind === 'names' ? labels.names.length : 1 + largest(targets);
  return { dataset: new Texts(kept, targets, task, labels), labels, classes };
}

const largest = (targets: readonly (readonly number[])[]): number =>
  targets.reduce((most, [value]) => Math.max(most, value!), 0);

class Texts implements Dataset {
  readonly unit = 'example';
  readonly columns = TOKEN_COLUMNS;
  readonly size: number;
  readonly lengths: readonly number[];
  readonly #rows: readonly Encoded[];
  readonly #targets: readonly (readonly number[])[];
  readonly #task: TextTask;
  readonly #values: boolean;

  constructor(
    rows: readonly Encoded[],
    targets: readonly (readonly number[])[],
    task: TextTask,
    labels: LabelMap,
  ) {
    this.size = rows.length;
    this.lengths = rows.map(({ ids }) => ids.length);
    this.#rows = rows;
    this.#targets = targets;
    this.#task = task;
    this.#values = labels.kind === 'values';
  }

  batch(indices: ArrayLike<number>, filled = indices.length): DataBatch {
    const { tokenizer, padding, ignored } = this.#task;
    const chosen = Array.from(indices, (index) => this.#rows[index]!);
    const { columns, tokens } = tokenColumns(chosen, padding, tokenizer.padId, filled);
    const width = this.#targets[0]!.length;
    const flat = new (this.#values ? Float32Array : Int32Array)(filled * width).fill(ignored);
    for (const [row, index] of Array.from(indices).entries()) flat.set(this.#targets[index]!, row * width);
    const labels: Column = { shape: this.#values ? [filled, width] : [filled], data: flat };
    return { columns, labels, examples: chosen.length, tokens };
  }
}
