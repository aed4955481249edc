import { extname } from '#platform';
import { badData, tooManyClasses } from '../../ir/codes/train.js';
import { paddingSeen, quotesKept } from '../../ir/codes/train-data.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { OrNull, ValuesOf } from '../../options/define.js';
import { feedsOf, fixedExtents, mapInputs } from '../feeds.js';
import { dataGraph, labelPort, signatureTerms } from '../labels.js';
import { lossFacts } from '../losses/facts.js';
import type { READING } from '../option-set.js';
import type { GraphSignature, LossTerm, Signature } from '../signature.js';
import { BadLines } from './bad-lines.js';
import { textDataset } from './classification.js';
import { type DataKind, unusedOptions } from './data-kinds.js';
import type { Dataset } from './dataset.js';
import type { Fields } from './fields.js';
import { orderedLabels } from './label-order.js';
import type { LabelMap } from './labels.js';
import { tokenizeText, windowDataset } from './language.js';
import { languageDataset } from './language-rows.js';
import { pairDataset } from './pairs.js';
import { type DataRow, jsonLines, noRecords, type Rows, tableRows } from './records.js';
import { seq2seqDataset } from './seq2seq.js';
import type { RecordFile, Source } from './source.js';
import { tagDataset } from './tags.js';
import { predicts, taskOf } from './tasks.js';
import { tensorDataset } from './tensors.js';
import { readTokenizer, type Tokenizer } from './tokenizer.js';

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
) => Promise<{ readonly columns: readonly string[]; readonly rows: AsyncGenerator<DataRow> }>;

/**
 * Makes rows of a data file, and closes it. `parquet`: null where such files are refused. For the rest, and what it throws,
 * see `openData`.
 */
export async function readData(
  source: Source,
  signature: Signature,
  options: DataOptions,
  labels: LabelMap | null,
  inputs: ReadonlyMap<string, string>,
  parquet: ParquetReader | null,
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
  parquet: ParquetReader | null,
): Promise<Omit<OpenedData, 'data'>> {
  const { file, files } = source;
  const graph = dataGraph(signature);
  const label = labelPort(graph) ?? null;
  const { loss } = signature;
  const predicted = predicts(signature);
  const values = predicted === 'values';
  const terms = signatureTerms(signature);
  const [term] = terms as [LossTerm];
  const { labels: labelKind, pairs } = lossFacts(term.kind);
  const ignored = (values ? term.ignoreValue : term.ignoreIndex) ?? -100;
  const { rows, length } = fixedExtents(graph);
  const classes = classesOf(graph);
  const extension = extname(file).toLowerCase();
  const unused = (kind: DataKind) =>
    unusedOptions({
      kind,
      table: extension === '.csv' || extension === '.tsv',
      values,
      bucket: options.bucket,
      rows,
      length,
    });
  if (extension === '.safetensors') {
    const tensors = files.source(file);
    const dataset = await tensorDataset(tensors, {
      label: label?.name ?? null,
      loss: term.kind,
      values,
      classes,
      blank: term.blank,
      ignored,
    });
    tensors.close();
    // shapes are compared before anything runs: those of two rows tell
    const some = [0, 1].slice(0, Math.min(dataset.size, rows ?? 2));
    const height = rows === null ? undefined : pairs ? rows / 2 : rows;
    feedsOf(
      graph,
      mapInputs(graph, dataset, inputs),
      dataset.batch(some.slice(0, height), height),
      terms,
      file,
    );
    return { dataset, labels: null, notes: [], files: [], unused: unused('tensors') };
  }
  if (terms.length > 1 || labelKind === 'sequences' || (label === null && !pairs)) {
    fail(badData({ file, why: ONLY_TENSORS, hint: 'give a .safetensors file' }));
  }
  const tokenizer = await tokenizerOf(source, options);
  const bad = new BadLines(file, options.badLines);
  const records = await recordsOf(source, extension, options, bad, parquet);
  if (!records) {
    if (predicted === 'target') fail(badData({ file, why: NO_TARGET, hint: SOURCE_AND_TARGET }));
    if (predicted !== 'positions') fail(badData({ file, why: NOT_TEXT, hint: TAKES_RECORDS }));
    const windows = { length: length ?? options.maxLength, shift: loss.shift, ignoreIndex: ignored };
    const dataset = windowDataset(await tokenizeText(source, tokenizer), windows, tokenizer, file);
    return { dataset, labels: null, notes: [], files: [], unused: unused('plain') };
  }
  const first = records.peek ?? noRecords(file);
  const { fields } = options;
  const kind = taskOf(file, first, fields, options.task, predicted);
  const multiple = options.bucket ? 1 : options.padTo;
  const padding = { max: options.maxLength, multiple, fixed: length };
  const task = { file, fields, tokenizer, padding, ignored };
  const writing = { ...task, tokenizerFile: options.tokenizer!, from: files, shift: loss.shift };
  const rest = { files: [], unused: unused(kind) };
  if (kind === 'seq2seq') {
    const made = await seq2seqDataset(records, graph, { ...writing, start: options.decoderStart }, bad);
    const notes = [...made.notes, ...records.notes()];
    if (seesPadding(graph, made.dataset, inputs) && !options.bucket)
      notes.push(paddingSeen({ file, fixed: length }));
    return { ...rest, labels: null, ...made, notes };
  }
  if (kind !== 'label' && kind !== 'tags') {
    const { bos, eos, pack, lossOn } = options;
    const made = await languageDataset(records, { ...writing, kind, bos, eos, pack, lossOn }, bad);
    return { ...rest, labels: null, ...made, notes: [...made.notes, ...records.notes()] };
  }
  if (kind === 'tags' && loss.shift) fail(badData({ file, why: SHIFTED, hint: WITHOUT_SHIFT }));
  const notes: Diagnostic[] = [];
  const order = { file, given: options.labels, tokenizer: options.tokenizer, files, classes };
  const labelsOf = (found: readonly unknown[]): LabelMap =>
    labels ?? (values ? { kind: 'values' } : orderedLabels(found, order, (note) => notes.push(note)));
  const texts = { ...task, labelsOf, loss: term.kind };
  const made = pairs
    ? await pairDataset(records, texts, bad, label !== null)
    : kind === 'tags'
      ? await tagDataset(records, { ...task, labelsOf, subwords: options.subwords }, bad)
      : await textDataset(records, texts, bad);
  if (!values && classes !== null && made.classes > classes) {
    fail(tooManyClasses({ file, found: made.classes, classes }));
  }
  notes.push(...made.notes, ...records.notes());
  const { dataset } = made;
  if (seesPadding(graph, dataset, inputs) && (!options.bucket || length !== null)) {
    notes.push(paddingSeen({ file, fixed: length }));
  }
  return { ...rest, dataset, labels: made.labels, notes };
}

const ONLY_TENSORS = 'the labels of this loss are read from .safetensors only';
const NOT_TEXT = 'it is plain text, and the model does not predict tokens';
const TAKES_RECORDS =
  'give JSON Lines (.jsonl), CSV (.csv, .tsv) or Parquet (.parquet) with a text and a label, or .safetensors';
/** Records of conversations may have it; see chat.ts. */
const TOOLS = 'tools';

const CONVERT = 'give JSON Lines (.jsonl) or CSV, or train with `lotrc train`';

const NO_TARGET = 'it is plain text, and the model has a decoder that writes another text';
const SOURCE_AND_TARGET = 'give records with a source and a target';

const SHIFTED = 'a tag belongs to its own position, and the graphs compare position t with label t + 1';
const WITHOUT_SHIFT = 'write the training directory without --shift';

interface Opened extends Rows {
  /** the first record; null when there is none */
  readonly peek: DataRow | null;
  /** what is to be said when all records were read */
  notes(): readonly Diagnostic[];
}

async function recordsOf(
  source: Source,
  extension: string,
  { quote, fields }: DataOptions,
  bad: BadLines,
  parquet: ParquetReader | null,
): Promise<Opened | null> {
  const { file } = source;
  if (extension === '.jsonl' || extension === '.ndjson') {
    const rows = await peeked(source.rows(jsonLines(source, bad)));
    return { file, columns: null, ...rows, notes: () => [] };
  }
  if (extension === '.parquet') {
    if (!parquet) return fail(badData({ file, why: 'Parquet files are not read here', hint: CONVERT }));
    const { columns, rows } = await parquet(source, new Set([...Object.values(fields), TOOLS]));
    return { file, columns, ...(await peeked(source.rows(rows))), notes: () => [] };
  }
  if (extension !== '.csv' && extension !== '.tsv') return null;
  const [delimiter, usual] = extension === '.csv' ? [',', '"'] : ['\t', null];
  const table = await tableRows(source, delimiter, quote === 'none' ? null : (quote ?? usual), bad);
  let [all, quoted] = [0, 0];
  const counted = async function* () {
    for await (const row of table.rows) {
      all++;
      if (/^".*"$/s.test(String(row.value[fields.text] ?? ''))) quoted++;
      yield row;
    }
  };
  const unquoted = quote === null && usual === null;
  const rows = await peeked(source.rows(unquoted ? counted() : table.rows));
  const notes = () => (2 * quoted > all ? [quotesKept({ file, count: quoted })] : []);
  return { file, columns: table.columns, ...rows, notes };
}

/** The first row, and all of them. */
async function peeked(rows: AsyncGenerator<DataRow>) {
  const { value: peek = null } = (await rows.next()) as { readonly value?: DataRow };
  const all = async function* () {
    if (peek) yield peek;
    yield* rows;
  };
  return { peek, rows: all() };
}

function tokenizerOf({ file, files }: Source, { tokenizer }: DataOptions): Promise<Tokenizer> {
  if (tokenizer !== null) return readTokenizer(tokenizer, files);
  const why = 'text needs a tokenizer';
  return fail(badData({ file, why, hint: 'give --tokenizer tokenizer.json, or a character vocabulary' }));
}

/** Whether rows of a batch are padded and no input of the model says where. */
function seesPadding(
  graph: GraphSignature,
  { columns, lengths }: Dataset,
  inputs: ReadonlyMap<string, string>,
): boolean {
  const { length } = fixedExtents(graph);
  const all = Array.from(lengths ?? []);
  const padded = all.some((n) => n !== (length ?? all[0]));
  return padded && ![...mapInputs(graph, { columns }, inputs).values()].includes('attention_mask');
}

/** Number of classes that the logits have, where it is fixed. */
function classesOf({ outputs }: GraphSignature): number | null {
  const last = outputs.find(({ role }) => role === 'logits')?.shape.at(-1);
  return typeof last === 'number' ? last : null;
}
