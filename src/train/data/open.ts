import { extname } from 'node:path';
import { badData, tooManyClasses } from '../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import { fixedExtents } from '../feeds.js';
import type { GraphSignature, Signature } from '../signature.js';
import { BadLines } from './bad-lines.js';
import { textDataset } from './classification.js';
import type { Dataset } from './dataset.js';
import type { LabelMap } from './labels.js';
import { tokenizeFile, windowDataset } from './language.js';
import { csvRecords, type Fields, jsonLines } from './records.js';
import { tensorDataset } from './tensors.js';
import { readTokenizer, type Tokenizer } from './tokenizer.js';

/** How data files are read. */
export interface DataOptions {
  /** tokenizer.json or a character vocabulary */
  readonly tokenizer: string | null;
  readonly fields: Fields;
  readonly badLines: 'skip' | 'stop';
  /** longest row or window in tokens */
  readonly maxLength: number;
  /** rows are padded to a multiple of this */
  readonly padTo: number;
}

export interface OpenedData {
  readonly dataset: Dataset;
  /** what labels mean; null where they are tokens or ready numbers */
  readonly labels: LabelMap | null;
  readonly notes: readonly Diagnostic[];
}

/**
 * Opens a data file by its extension: JSON Lines (.jsonl, .ndjson) and CSV (.csv, .tsv) with a text and a label,
 * .safetensors with ready tensors, anything else as plain text for language models. `labels`: the map that training made.
 * Throws LOTR8204 and those of the readers.
 */
export async function openData(
  file: string,
  signature: Signature,
  options: DataOptions,
  labels: LabelMap | null,
): Promise<OpenedData> {
  const graph = signature.graphs.eval ?? signature.graphs.step!;
  const label = graph.inputs.find(({ role }) => role === 'label')!;
  const values = signature.loss.kind !== 'cross-entropy';
  const ignored = (values ? signature.loss.ignoreValue : signature.loss.ignoreIndex) ?? -100;
  const extension = extname(file).toLowerCase();
  if (extension === '.safetensors') {
    return { dataset: tensorDataset(file, label.name, values, ignored), labels: null, notes: [] };
  }
  const tokenizer = await tokenizerOf(file, options);
  const { length } = fixedExtents(graph);
  const records = recordsOf(file, extension, options);
  if (!records) {
    if (label.shape.length < 2 || values) fail(badData({ file, why: NOT_TEXT, hint: TAKES_RECORDS }));
    const windows = {
      length: length ?? options.maxLength,
      shift: signature.loss.shift,
      ignoreIndex: ignored,
    };
    const dataset = windowDataset(tokenizeFile(file, tokenizer), windows, tokenizer, file);
    return { dataset, labels: null, notes: [] };
  }
  const padding = { max: options.maxLength, multiple: options.padTo, fixed: length };
  const task = { file, tokenizer, padding, labels, values, ignored };
  const made = textDataset(records.rows, task, records.bad);
  const room = classesOf(graph);
  if (!values && room !== null && made.classes > room) {
    fail(tooManyClasses({ file, found: made.classes, classes: room }));
  }
  return { dataset: made.dataset, labels: made.labels, notes: made.notes };
}

const NOT_TEXT = 'it is plain text, and the model does not predict tokens';
const TAKES_RECORDS = 'give JSON Lines (.jsonl), CSV (.csv, .tsv) with a text and a label, or .safetensors';

function recordsOf(file: string, extension: string, { fields, badLines }: DataOptions) {
  const bad = new BadLines(file, badLines);
  if (extension === '.jsonl' || extension === '.ndjson') return { rows: jsonLines(file, fields, bad), bad };
  if (extension === '.csv') return { rows: csvRecords(file, ',', fields, bad), bad };
  if (extension === '.tsv') return { rows: csvRecords(file, '\t', fields, bad), bad };
  return null;
}

function tokenizerOf(file: string, { tokenizer }: DataOptions): Promise<Tokenizer> {
  if (tokenizer !== null) return readTokenizer(tokenizer);
  const why = 'text needs a tokenizer';
  return fail(badData({ file, why, hint: 'give --tokenizer tokenizer.json, or a character vocabulary' }));
}

/** Number of classes that the logits have, where it is fixed. */
function classesOf({ outputs }: GraphSignature): number | null {
  const last = outputs.find(({ role }) => role === 'logits')?.shape.at(-1);
  return typeof last === 'number' ? last : null;
}
