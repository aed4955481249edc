import { badData, tooManyClasses } from '../../ir/codes/train.js';
import { paddingSeen } from '../../ir/codes/train-data.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { NamedFiles } from '../../ir/files/named-files.js';
import { fixedExtents, mapInputs } from '../feeds.js';
import { dataGraph, labelPort, signatureTerms } from '../labels.js';
import { lossFacts } from '../losses/facts.js';
import type { GraphSignature, LossTerm, Signature } from '../signature.js';
import type { BadRecords } from './bad-lines.js';
import { textDataset } from './classification.js';
import { type DataKind, unusedOptions } from './data-kinds.js';
import type { Dataset } from './dataset.js';
import type { OrderRequest } from './label-order.js';
import type { LabelMap } from './labels.js';
import { languageDataset } from './language-rows.js';
import { pairDataset } from './pairs.js';
import type { DataOptions } from './read-data.js';
import type { DataRow, Rows } from './records.js';
import { SeenRows } from './seen-rows.js';
import { seq2seqDataset } from './seq2seq.js';
import { tagDataset } from './tags.js';
import { predicts, taskOf } from './tasks.js';
import type { Tokenizer } from './tokenizer.js';
import { extensionOf } from './unpack.js';

/** The numbers of labels, from those of the records that were made into rows. */
export type LabelsOf = (found: readonly unknown[], order: OrderRequest) => LabelMap;

export interface ReadRows {
  readonly dataset: Dataset;
  /** what labels mean; null where they are tokens */
  readonly labels: LabelMap | null;
  /** the number of classes that the labels need; 0 where they are none */
  readonly classes: number;
  /** files next to the tokenizer that were read */
  readonly files: readonly string[];
}

/** Makes rows of the records of a data file, of all at once or of some after others. */
export class RecordReader {
  readonly kind: DataKind;
  readonly unused: ReadonlyMap<string, string>;
  readonly #file: string;
  readonly #signature: Signature;
  readonly #graph: GraphSignature;
  readonly #options: DataOptions;
  readonly #tokenizer: Tokenizer;
  readonly #inputs: ReadonlyMap<string, string>;
  readonly #files: NamedFiles;
  readonly #seen = new SeenRows();
  #length: number | null = null;
  #padded = false;

  /** `first`: the first record says what the records are. Throws LOTR8220. */
  constructor(
    file: string,
    first: DataRow,
    signature: Signature,
    options: DataOptions,
    tokenizer: Tokenizer,
    inputs: ReadonlyMap<string, string>,
    /** where the files next to the tokenizer are */
    files: NamedFiles,
  ) {
    this.#file = file;
    this.#signature = signature;
    this.#graph = dataGraph(signature);
    this.#options = options;
    this.#tokenizer = tokenizer;
    this.#inputs = inputs;
    this.#files = files;
    this.kind = taskOf(file, first, options.fields, options.task, predicts(signature));
    this.unused = unusedFor(this.kind, file, signature, options);
  }

  /** Throws those of the readers. */
  async read(
    records: Rows & { readonly peek: DataRow | null },
    bad: BadRecords,
    labelsOf: LabelsOf,
  ): Promise<ReadRows> {
    const made = await this.#made(records, bad, labelsOf);
    const { length } = fixedExtents(this.#graph);
    for (const own of Array.from(made.dataset.lengths ?? [])) {
      this.#length ??= own;
      this.#padded ||= own !== (length ?? this.#length);
    }
    return made;
  }

  /** What is to be said of the rows that were read. `columns`: of their data set */
  notes(columns: readonly string[]): readonly Diagnostic[] {
    const { maxLength, bucket } = this.#options;
    const { length: fixed } = fixedExtents(this.#graph);
    const writes = this.kind === 'text' || this.kind === 'prompt' || this.kind === 'chat';
    const notes = [
      ...this.#seen.notes(this.#file, this.kind === 'seq2seq' ? maxLength : (fixed ?? maxLength)),
    ];
    // rows of a batch are padded, and no input of the model says where
    const unseen = () =>
      ![...mapInputs(this.#graph, { columns }, this.#inputs).values()].includes('attention_mask');
    const divided = !bucket || (fixed !== null && this.kind !== 'seq2seq');
    if (!writes && this.#padded && divided && unseen()) notes.push(paddingSeen({ file: this.#file, fixed }));
    return notes;
  }

  /** Throws LOTR8207 for more classes than the model has. */
  requireClasses(found: number): void {
    const classes = modelClasses(this.#graph);
    if (classes !== null && found > classes) fail(tooManyClasses({ file: this.#file, found, classes }));
  }

  async #made(
    records: Rows & { readonly peek: DataRow | null },
    bad: BadRecords,
    labelsOf: LabelsOf,
  ): Promise<ReadRows> {
    const { kind } = this;
    const [file, options, graph, tokenizer] = [this.#file, this.#options, this.#graph, this.#tokenizer];
    const { loss } = this.#signature;
    const [term] = signatureTerms(this.#signature) as [LossTerm];
    const { length } = fixedExtents(graph);
    const padding = { max: options.maxLength, multiple: options.bucket ? 1 : options.padTo, fixed: length };
    const ignored = ignoredLabel(this.#signature);
    const task = { file, fields: options.fields, tokenizer, padding, ignored, seen: this.#seen };
    const writing = { ...task, tokenizerFile: options.tokenizer!, from: this.#files, shift: loss.shift };
    if (kind === 'seq2seq') {
      const made = await seq2seqDataset(records, graph, { ...writing, start: options.decoderStart }, bad);
      return { labels: null, classes: 0, ...made };
    }
    if (kind === 'text' || kind === 'prompt' || kind === 'chat') {
      const { bos, eos, pack, lossOn } = options;
      const made = await languageDataset(records, { ...writing, kind, bos, eos, pack, lossOn }, bad);
      return { labels: null, classes: 0, ...made };
    }
    if (kind === 'tags' && loss.shift) fail(badData({ file, why: SHIFTED, hint: WITHOUT_SHIFT }));
    const classes = modelClasses(graph);
    const values = predicts(this.#signature) === 'values';
    const order = { file, given: options.labels, tokenizer: options.tokenizer, files: this.#files, classes };
    const numbered = (found: readonly unknown[]): LabelMap =>
      values ? { kind: 'values' } : labelsOf(found, order);
    const texts = { ...task, labelsOf: numbered, loss: term.kind };
    const made = lossFacts(term.kind).pairs
      ? await pairDataset(records, texts, bad, labelPort(graph) !== undefined)
      : kind === 'tags'
        ? await tagDataset(records, { ...task, labelsOf: numbered, subwords: options.subwords }, bad)
        : await textDataset(records, texts, bad);
    return { ...made, files: [] };
  }
}

/** Options that are not used for a file of that kind, by name, and why. */
export function unusedFor(
  kind: DataKind,
  file: string,
  signature: Signature,
  { bucket }: Pick<DataOptions, 'bucket'>,
): ReadonlyMap<string, string> {
  const extension = extensionOf(file);
  return unusedOptions({
    kind,
    table: extension === '.csv' || extension === '.tsv',
    values: predicts(signature) === 'values',
    bucket,
    ...fixedExtents(dataGraph(signature)),
  });
}

/** The label that does not count. */
export function ignoredLabel(signature: Signature): number {
  const [term] = signatureTerms(signature) as [LossTerm];
  return (predicts(signature) === 'values' ? term.ignoreValue : term.ignoreIndex) ?? -100;
}

/** Number of classes that the logits have, where it is fixed. */
export function modelClasses({ outputs }: GraphSignature): number | null {
  const last = outputs.find(({ role }) => role === 'logits')?.shape.at(-1);
  return typeof last === 'number' ? last : null;
}

const SHIFTED = 'a tag belongs to its own position, and the graphs compare position t with label t + 1';
const WITHOUT_SHIFT = 'write the training directory without --shift';
