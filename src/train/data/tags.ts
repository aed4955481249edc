import type { BadRecords } from './bad-lines.js';
import type { TextData } from './classification.js';
import { encodeLabel, type LabelMap } from './labels.js';
import { type Rows, requireColumns, requireRows } from './records.js';
import type { RowTask } from './row-task.js';
import { type Sequence, sequenceDataset } from './sequences.js';
import { paced } from './source.js';

export interface TagTask extends RowTask {
  /** the number of each label, from those of the records */
  labelsOf(found: readonly unknown[]): LabelMap;
  /** the tag of a word is that of its first token, the others do not count; or of all its tokens */
  readonly subwords: 'first' | 'all';
}

interface Tagged {
  readonly line: number;
  readonly ids: Int32Array;
  /** how many of the ids are of each word */
  readonly counts: Int32Array;
  readonly tags: readonly unknown[];
}

/**
 * Words with a tag each (named entities, parts of speech). Words are tokenized one by one; special tokens have no tag, nor
 * do words whose tag is null or the ignored number. Throws LOTR8204, LOTR8205.
 */
export async function tagDataset(records: Rows, task: TagTask, bad: BadRecords): Promise<TextData> {
  const { fields, tokenizer, padding, ignored, subwords } = task;
  requireColumns(records, [fields.tokens, fields.tags]);
  const examples: Tagged[] = [];
  for await (const { line, value } of records.rows) {
    const [words, tags] = [value[fields.tokens], value[fields.tags]];
    const texts = Array.isArray(words) && words.every((word) => typeof word === 'string');
    if (!texts) bad.add(line, `"${fields.tokens}" is not a list of words`);
    else if (!Array.isArray(tags)) bad.add(line, `"${fields.tags}" is not a list of tags`);
    else if (tags.length !== words.length) {
      bad.add(line, `it has ${words.length} words and ${tags.length} tags`);
    } else {
      const tokens = (words as readonly string[]).map((word) => tokenizer.plain(word));
      const counts = Int32Array.from(tokens, ({ length }) => length);
      examples.push({ line, ids: Int32Array.from(tokens.flat()), counts, tags });
    }
  }
  const counted = (tag: unknown): boolean => tag !== null && tag !== ignored;
  const labels = task.labelsOf(examples.flatMap(({ tags }) => tags.filter(counted)));
  const max = padding.fixed ?? padding.max;
  const rows: Sequence[] = [];
  let classes = 0;
  for await (const { line, ids, counts, tags } of paced(examples)) {
    const encoded = tags.map((tag) => (counted(tag) ? encodeLabel(labels, tag) : [ignored]));
    const odd = encoded.find((tag) => 'why' in tag);
    if (odd && 'why' in odd) {
      bad.add(line, odd.why);
      continue;
    }
    const own = new Int32Array(ids.length).fill(ignored);
    let at = 0;
    for (const [i, count] of counts.entries()) {
      const [tag] = encoded[i] as readonly number[];
      if (count === 0 && tag !== ignored) task.seen.wordless++;
      own.fill(tag!, at, at + (subwords === 'all' ? count : Math.min(count, 1)));
      at += count;
      if (tag !== ignored) classes = Math.max(classes, tag! + 1);
    }
    const { start, from, kept, ids: framed, types } = tokenizer.frame([...ids], max);
    const row = new Int32Array(framed.length).fill(ignored);
    row.set(own.subarray(from, from + kept), start);
    if (kept === 0) bad.add(line, 'its words have no token');
    else rows.push({ ids: framed, types, labels: row, full: framed.length - kept + ids.length });
  }
  requireRows(records, rows.length);
  task.seen.add(rows);
  const form = { padding, padId: tokenizer.padId, ignored, before: false, tagged: true };
  return {
    dataset: sequenceDataset(rows, form),
    labels,
    classes: labels.kind === 'names' ? labels.names.length : classes,
  };
}
