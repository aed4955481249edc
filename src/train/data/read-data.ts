import { badData } from '../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { NamedFiles } from '../../ir/files/named-files.js';
import type { OrNull, ValuesOf } from '../../options/define.js';
import { feedsOf, fixedExtents, mapInputs } from '../feeds.js';
import { dataGraph, labelPort, signatureTerms } from '../labels.js';
import { lossFacts } from '../losses/facts.js';
import type { READING } from '../option-set.js';
import type { LossTerm, Signature } from '../signature.js';
import { BadLines } from './bad-lines.js';
import type { Dataset } from './dataset.js';
import type { Fields } from './fields.js';
import { orderedLabels } from './label-order.js';
import type { LabelMap } from './labels.js';
import { tokenizeText, type Windows, windowDataset } from './language.js';
import { hasRecords, recordsOf } from './record-files.js';
import { ignoredLabel, type LabelsOf, modelClasses, RecordReader, unusedFor } from './record-reader.js';
import { type DataRow, noRecords } from './records.js';
import type { RecordFile, Source } from './source.js';
import { predicts } from './tasks.js';
import { tensorDataset } from './tensors.js';
import { readTokenizer, type Tokenizer } from './tokenizer.js';
import { extensionOf, packingOf } from './unpack.js';

type Reading = ValuesOf<typeof READING>;

/** How data files are read: options of `lotrc train`. Null: not given. */
export interface DataOptions
  extends Pick<Reading, 'badLines' | 'maxLength' | 'padTo' | 'bucket' | 'pack' | 'lossOn' | 'subwords'>,
    OrNull<Pick<Reading, 'tokenizer' | 'task' | 'quote' | 'labels' | 'bos' | 'eos' | 'decoderStart'>> {
  readonly fields: Fields;
}

export interface OpenedData {
  readonly dataset: Dataset;
  /** what was read */
  readonly data: RecordFile;
  /** what labels mean; null where they are tokens or ready numbers */
  readonly labels: LabelMap | null;
  readonly notes: readonly Diagnostic[];
  /** files next to the tokenizer that were read */
  readonly files: readonly string[];
  /** options that were not used for this data, by name, and why */
  readonly unused: ReadonlyMap<string, string>;
}

/** What makes records of a Parquet file; see `parquetRows`. */
export type ParquetReader = (
  source: Source,
  wanted: ReadonlySet<string>,
  again?: { readonly from: number },
) => Promise<{ readonly columns: readonly string[]; readonly rows: AsyncGenerator<DataRow> }>;

/** Makes rows of a data file, and closes it. For the rest, and what it throws, see `openData`. */
export async function readData(
  source: Source,
  signature: Signature,
  options: DataOptions,
  labels: LabelMap | null,
  inputs: ReadonlyMap<string, string>,
  parquet: ParquetReader,
): Promise<OpenedData> {
  try {
    const opened = await rowsOf(source, signature, options, labels, inputs, parquet);
    return { ...opened, data: await source.contents() };
  } finally {
    await source.close();
  }
}

async function rowsOf(
  source: Source,
  signature: Signature,
  options: DataOptions,
  labels: LabelMap | null,
  inputs: ReadonlyMap<string, string>,
  parquet: ParquetReader,
): Promise<Omit<OpenedData, 'data'>> {
  const { file, files } = source;
  const graph = dataGraph(signature);
  const label = labelPort(graph) ?? null;
  const terms = signatureTerms(signature);
  const [term] = terms as [LossTerm];
  const { pairs } = lossFacts(term.kind);
  requireForm(file);
  if (extensionOf(file) === '.safetensors') {
    const tensors = files.source(file);
    const dataset = await tensorDataset(tensors, {
      label: label?.name ?? null,
      loss: term.kind,
      values: predicts(signature) === 'values',
      classes: modelClasses(graph),
      blank: term.blank,
      ignored: ignoredLabel(signature),
    });
    tensors.close();
    // shapes are compared before anything runs: those of two rows tell
    const { rows } = fixedExtents(graph);
    const some = [0, 1].slice(0, Math.min(dataset.size, rows ?? 2));
    const height = rows === null ? undefined : pairs ? rows / 2 : rows;
    feedsOf(
      graph,
      mapInputs(graph, dataset, inputs),
      dataset.batch(some.slice(0, height), height),
      terms,
      file,
    );
    const unused = unusedFor('tensors', file, signature, options);
    return { dataset, labels: null, notes: [], files: [], unused };
  }
  requireTexts(file, signature);
  const tokenizer = await openTokenizer(file, options, files);
  if (!hasRecords(file)) {
    const windows = windowsOf(file, signature, options);
    const dataset = windowDataset(await tokenizeText(source, tokenizer), windows, tokenizer, file);
    const unused = unusedFor('plain', file, signature, options);
    return { dataset, labels: null, notes: [], files: [], unused };
  }
  const bad = new BadLines(file, options.badLines);
  const records = await recordsOf(source, options, bad, parquet);
  const reader = new RecordReader(
    file,
    records.peek ?? noRecords(file),
    signature,
    options,
    tokenizer,
    inputs,
    files,
  );
  const notes: Diagnostic[] = [];
  const labelsOf: LabelsOf = (found, order) =>
    labels ?? orderedLabels(found, order, (note) => notes.push(note));
  const made = await reader.read(records, bad, labelsOf);
  reader.requireClasses(made.classes);
  const { unused } = reader;
  notes.push(...bad.report(), ...reader.notes(made.dataset.columns), ...records.notes());
  return { ...made, notes, unused };
}

/** Throws LOTR8204 for a packed file whose form is read from any place in it. */
export function requireForm(file: string): void {
  const packing = packingOf(file);
  if (!packing || !['.parquet', '.safetensors'].includes(extensionOf(file))) return;
  fail(badData({ file, why: `it is packed with ${packing}`, hint: 'unpack it first' }));
}

/** Throws LOTR8204 where texts cannot have the labels that the losses want. */
export function requireTexts(file: string, signature: Signature): void {
  const terms = signatureTerms(signature);
  const { labels, pairs } = lossFacts(terms[0]!.kind);
  if (terms.length === 1 && labels !== 'sequences' && (labelPort(dataGraph(signature)) || pairs)) return;
  fail(badData({ file, why: ONLY_TENSORS, hint: 'give a .safetensors file' }));
}

/** How plain text is cut for a model. Throws LOTR8204 for one that does not predict tokens. */
export function windowsOf(file: string, signature: Signature, { maxLength }: DataOptions): Windows {
  const predicted = predicts(signature);
  if (predicted === 'target') fail(badData({ file, why: NO_TARGET, hint: SOURCE_AND_TARGET }));
  if (predicted !== 'positions') fail(badData({ file, why: NOT_TEXT, hint: TAKES_RECORDS }));
  const { length } = fixedExtents(dataGraph(signature));
  return {
    length: length ?? maxLength,
    shift: signature.loss.shift,
    ignoreIndex: ignoredLabel(signature),
  };
}

/** Throws LOTR8204 without a tokenizer, and as `readTokenizer`. */
export function openTokenizer(
  file: string,
  { tokenizer }: DataOptions,
  files: NamedFiles,
): Promise<Tokenizer> {
  if (tokenizer !== null) return readTokenizer(tokenizer, files);
  const why = 'text needs a tokenizer';
  return fail(badData({ file, why, hint: 'give --tokenizer tokenizer.json, or a character vocabulary' }));
}

const ONLY_TENSORS = 'the labels of this loss are read from .safetensors only';
const NOT_TEXT = 'it is plain text, and the model does not predict tokens';
const TAKES_RECORDS =
  'give JSON Lines (.jsonl), CSV (.csv, .tsv) or Parquet (.parquet) with a text and a label, or .safetensors';
const NO_TARGET = 'it is plain text, and the model has a decoder that writes another text';
const SOURCE_AND_TARGET = 'give records with a source and a target';
