import { diskFiles, sha256 as sha256Of } from '#platform';
import { toHex } from '../../../ir/bytes.js';
import { fileChanged } from '../../../ir/codes/load.js';
import { badData } from '../../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../../ir/diagnostics.js';
import { type BatchSplit, batchesInOrder } from '../../batches.js';
import { dropCounted, requireCounted, signatureTerms } from '../../labels.js';
import type { Signature } from '../../signature.js';
import type { Dataset } from '../dataset.js';
import { type OrderRequest, orderedLabels } from '../label-order.js';
import { encodeLabel, type LabelMap, labelTexts } from '../labels.js';
import {
  type DataOptions,
  type OpenedData,
  openTokenizer,
  requireForm,
  requireTexts,
  windowsOf,
} from '../read-data.js';
import { hasRecords } from '../record-files.js';
import { type LabelsOf, RecordReader, unusedFor } from '../record-reader.js';
import { noRecords } from '../records.js';
import type { RecordFile, Watch } from '../source.js';
import { TOKEN_COLUMNS } from '../token-columns.js';
import type { Tokenizer } from '../tokenizer.js';
import { extensionOf } from '../unpack.js';
import { dataFiles } from './files.js';
import { SeveralFiles } from './items.js';
import {
  badLinesOf,
  firstRecord,
  type ReadWindow,
  recordWindows,
  START,
  textWindows,
  type WindowPlace,
} from './windows.js';

/** A window as `StreamIndex` has it: file, row, skipped tokens, examples, batches. */
export type WindowEntry = readonly [
  file: number,
  row: number,
  skip: number,
  examples: number,
  batches: number,
];

/** What one reading of a stream finds, and what later ones need to begin anywhere in it. */
export interface StreamIndex {
  /** records of a window, of running text rows */
  readonly window: number;
  readonly files: readonly RecordFile[];
  readonly windows: readonly WindowEntry[];
  /** examples that no batch has, because the model takes no short ones */
  readonly dropped: number;
}

export interface StreamTask {
  /** files as the user names them */
  readonly given: string;
  readonly signature: Signature;
  readonly options: DataOptions;
  readonly inputs: ReadonlyMap<string, string>;
  readonly window: number;
  /** the map that training made, and what it found in the files */
  readonly known: { readonly labels: LabelMap | null; readonly index: StreamIndex } | null;
  cutFor(columns: readonly string[]): BatchSplit;
  readonly watch: Watch;
}

/** Data that is read window by window, as often as is wanted. */
export interface DataStream extends Omit<OpenedData, 'dataset'> {
  readonly index: StreamIndex;
  readonly cut: BatchSplit;
  readonly unit: Dataset['unit'];
  /** Windows from the one with that number on. Throws LOTR1006 when a file changes, and those of the readers. */
  windows(from: number): AsyncGenerator<Dataset>;
}

interface Window {
  readonly at: WindowPlace;
  readonly dataset: Dataset;
}

/** What was found of the data. */
interface Found {
  readonly labels: LabelMap | null;
  readonly notes: readonly Diagnostic[];
  readonly unused: ReadonlyMap<string, string>;
  readonly tokenizerFiles: readonly string[];
  readonly columns: readonly string[];
  /** null: what a run holds was found before */
  readonly scan: Scan | null;
  /** readings from any place, with the labels that were found */
  windows(from: WindowPlace): AsyncGenerator<Window>;
}

/**
 * Opens data files to be read window by window. What is not known of them is found by reading all of them once: the examples, their
 * labels, and where windows start. Throws LOTR8204, LOTR8240 and those of the readers.
 */
export async function openStream(task: StreamTask): Promise<DataStream> {
  const { given, signature, options } = task;
  const names = dataFiles(given);
  // an index that is not of these files is of no use, and its run is another one
  const fits = task.known?.index.windows.every(([file]) => file < names.length);
  const known = fits ? task.known : null;
  const [first] = names as [string];
  for (const file of names) requireForm(file);
  if (extensionOf(first) === '.safetensors')
    fail(badData({ file: first, why: 'ready tensors are not read window by window', hint: TENSORS }));
  requireTexts(given, signature);
  const tokenizer = await openTokenizer(given, options, diskFiles);
  const files = new SeveralFiles(names, task.watch);
  if (known) await files.contents();
  const records = hasRecords(first);
  const found = await (records ? findRecords : findText)({ ...task, known }, files, tokenizer);
  const { scan, labels, notes, unused, columns } = found;
  const contents = await files.contents();
  const sha256 = toHex(
    sha256Of()
      .update(contents.map((file) => file.sha256).join())
      .digest(),
  );
  const index: StreamIndex = scan
    ? { window: task.window, files: contents, windows: scan.windows, dropped: scan.dropped }
    : { ...known!.index, files: contents };
  return {
    data: { file: given, sha256 },
    labels,
    notes,
    files: found.tokenizerFiles,
    unused,
    index,
    cut: task.cutFor(columns),
    unit: records ? 'example' : 'window',
    windows: async function* (from) {
      const [file, row, skip] = index.windows[from]!;
      let number = from;
      for await (const { dataset } of found.windows({ file, row, skip })) {
        if (dataset.size !== index.windows[number++]?.[3]) fail(fileChanged({ file: given }));
        yield dataset;
      }
      if (number < index.windows.length) fail(fileChanged({ file: given }));
    },
  };
}

const TENSORS = 'leave --streaming out, or give texts';

/** What the first reading counts. */
class Scan {
  readonly windows: WindowEntry[] = [];
  dropped = 0;
  #cut: BatchSplit | null = null;
  readonly #task: Pick<StreamTask, 'signature' | 'cutFor' | 'given'>;
  readonly #open: Set<number>;
  #width: string | null = null;

  constructor(task: Pick<StreamTask, 'signature' | 'cutFor' | 'given'>) {
    this.#task = task;
    this.#open = new Set(signatureTerms(task.signature).keys());
  }

  /** Throws LOTR8204 when the labels of a window have another number of values than those before. */
  add({ at, dataset }: Window): void {
    const { given, signature, cutFor } = this.#task;
    this.#cut ??= cutFor(dataset.columns);
    const batches = batchesInOrder(dataset, this.#cut);
    this.windows.push([at.file, at.row, at.skip, dataset.size, batches.length]);
    this.dropped += batches.reduce((left, rows) => left - rows.length, dataset.size);
    dropCounted(this.#open, dataset, signature);
    const { shape, data } = dataset.batch([0]).labels;
    const width = data instanceof Float32Array ? String(shape.slice(1)) : '';
    this.#width ??= width;
    if (width !== this.#width)
      fail(badData({ file: given, why: `some labels have ${this.#width} values, and others ${width}` }));
  }

  /** Throws LOTR8240 when no label counts. */
  end(): void {
    requireCounted(this.#open, 'training data');
  }
}

async function findText(task: StreamTask, files: SeveralFiles, tokenizer: Tokenizer): Promise<Found> {
  const { given, signature, options, window, known } = task;
  const [file] = files.files as [string];
  const cut = windowsOf(file, signature, options);
  const windows = (from: WindowPlace) => textWindows(files, given, cut, window, tokenizer, from);
  const unused = unusedFor('plain', file, signature, options);
  const scan = known ? null : new Scan(task);
  const found = {
    labels: null,
    notes: [],
    unused,
    tokenizerFiles: [],
    columns: TOKEN_COLUMNS,
    scan,
    windows,
  };
  if (!scan) return found;
  for await (const made of windows(START)) scan.add(made);
  scan.end();
  return found;
}

async function findRecords(task: StreamTask, files: SeveralFiles, tokenizer: Tokenizer): Promise<Found> {
  const { given, signature, options, inputs, window, known } = task;
  const how = { files, name: given, options, size: window };
  const first = await firstRecord(how);
  const read = (from: WindowPlace, labelsOf: LabelsOf) => {
    const reader = new RecordReader(files.files[0]!, first, signature, options, tokenizer, inputs, diskFiles);
    const bad = badLinesOf(files.files, given, options.badLines);
    const told: Diagnostic[] = [];
    const windows = recordWindows(how, reader, from, bad, labelsOf, (notes) => told.push(...notes));
    const notes = (columns: readonly string[]) => [...bad.report(), ...reader.notes(columns), ...told];
    return { reader, windows, notes };
  };
  const windowsWith = (labels: LabelMap | null) => (from: WindowPlace) => read(from, () => labels!).windows;
  if (known) {
    const { labels } = known;
    const { reader, windows } = read(START, () => labels!);
    const { value } = (await windows.next()) as { readonly value?: ReadWindow };
    await windows.return(undefined);
    const { dataset, files: tokenizerFiles } = value ?? noRecords(given);
    const { columns } = dataset;
    const { unused } = reader;
    return { labels, notes: [], unused, tokenizerFiles, columns, scan: null, windows: windowsWith(labels) };
  }
  const scanned = async (labelsOf: LabelsOf) => {
    const scan = new Scan(task);
    const { reader, windows, notes } = read(START, labelsOf);
    let last: ReadWindow | null = null;
    for await (const made of windows) {
      scan.add(made);
      last = { ...made };
    }
    if (!last) return noRecords(given);
    scan.end();
    const { labels, files: tokenizerFiles, dataset } = last as ReadWindow;
    const { columns } = dataset;
    return { reader, scan, labels, tokenizerFiles, columns, notes: notes(columns) };
  };
  const names = new FoundLabels();
  let made = await scanned((labels, order) => names.add(labels, order));
  const notes: Diagnostic[] = [];
  const labels = names.map((note) => notes.push(note)) ?? made.labels;
  // those that turn out to be of no class are bad lines
  if (labels && names.isOdd(labels)) made = await scanned(() => labels);
  if (labels) made.reader.requireClasses(names.classesOf(labels));
  const { tokenizerFiles, columns, scan } = made;
  notes.push(...made.notes);
  const { unused } = made.reader;
  return { labels, notes, unused, tokenizerFiles, columns, scan, windows: windowsWith(labels) };
}

/** The distinct labels of a first reading, which takes each for a class. */
class FoundLabels {
  readonly #found = new Map<string, unknown>();
  #order: OrderRequest | null = null;

  add(labels: readonly unknown[], order: OrderRequest): LabelMap {
    this.#order = order;
    for (const label of labels) this.#found.set(JSON.stringify(label), label);
    return { kind: 'names', names: labelTexts(this.#found.values()) };
  }

  /** Their numbers; null where there were none, or labels are numbers to be predicted. */
  map(note: (diagnostic: Diagnostic) => void): LabelMap | null {
    return this.#order && orderedLabels([...this.#found.values()], this.#order, note);
  }

  isOdd(map: LabelMap): boolean {
    return [...this.#found.values()].some((label) => 'why' in encodeLabel(map, label));
  }

  /** How many classes they need. */
  classesOf(map: LabelMap): number {
    if (map.kind === 'names') return map.names.length;
    let largest = -1;
    for (const label of this.#found.values()) {
      const number = encodeLabel(map, label);
      if (!('why' in number)) largest = Math.max(largest, number[0]!);
    }
    return largest + 1;
  }
}
