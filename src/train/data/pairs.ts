import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { BadRecords } from './bad-lines.js';
import { type TextData, type TextTask, textDataset } from './classification.js';
import type { DataBatch, Dataset } from './dataset.js';
import { type DataRow, has, type Rows, requireColumns, textOf } from './records.js';

/**
 * Row numbers of a batch of pairs: the left sides of these pairs, then their right sides, which are `size` rows further.
 * Pairs beyond those requested repeat the first one.
 */
export function sidesOf(indices: ArrayLike<number>, filled: number, size: number): Int32Array {
  return Int32Array.from({ length: 2 * filled }, (_, row) => {
    const index = row % filled;
    const pair = index < indices.length ? indices[index]! : indices[0]!;
    return row < filled ? pair : size + pair;
  });
}

/**
 * Pairs of texts for losses on embeddings: each side is a row of its own. `labelled`: each pair has a number. Throws as
 * `textDataset`, and LOTR8204 without the name of a second field.
 */
export async function pairDataset(
  records: Rows,
  task: TextTask,
  bad: BadRecords,
  labelled: boolean,
): Promise<TextData> {
  const { file, fields, ignored } = task;
  const { text, pair, label } = fields;
  if (pair === null) {
    const hint = 'give --pair-field NAME: the field or column with the second text';
    return fail(badData({ file, why: 'the loss compares two texts, and no second field is named', hint }));
  }
  requireColumns(records, [text, pair, ...(labelled ? [label] : [])]);
  let count = 0;
  const sides = async function* (): AsyncGenerator<DataRow> {
    for await (const record of records.rows) {
      const { line, value } = record;
      const one = textOf(record, text, bad);
      const other = one === null ? null : textOf(record, pair, bad);
      if (other === null) continue;
      if (labelled && !has(record, label)) {
        bad.add(line, `it has no "${label}"`);
        continue;
      }
      const number = labelled ? value[label] : 0;
      count++;
      yield { line, value: { [label]: number, [text]: one } };
      yield { line, value: { [label]: number, [text]: other } };
    }
  };
  const rows = { file, columns: null, rows: sides() };
  const made = await textDataset(rows, { ...task, fields: { ...fields, pair: null } }, bad);
  if (made.dataset.size !== 2 * count) {
    const hint = 'leave such pairs out of the file';
    fail(badData({ file, why: 'one side of a pair has no token, or a label cannot be used', hint }));
  }
  return { ...made, dataset: paired(made.dataset, ignored) };
}

/** Pairs of a data set in which the right side follows the left one. The label of a pair is that of its left side. */
function paired(rows: Dataset, ignored: number): Dataset {
  const size = rows.size / 2;
  const batch = (indices: ArrayLike<number>, filled = indices.length): DataBatch => {
    const sides = sidesOf(indices, filled, size);
    const made = rows.batch(sides.map((side) => (side < size ? 2 * side : 2 * (side - size) + 1)));
    const { shape, data } = made.labels;
    const width = data.length / (2 * filled);
    const labels = data.slice(0, filled * width).fill(ignored, indices.length * width);
    return {
      ...made,
      labels: { shape: [filled, ...shape.slice(1)], data: labels },
      examples: indices.length,
    };
  };
  return { size, unit: 'example', columns: rows.columns, batch };
}
