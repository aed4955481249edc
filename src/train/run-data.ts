import { badData, rowsDropped } from '../ir/codes/train.js';
import { needsEvaluation } from '../ir/codes/train-loop.js';
import { type Diagnostic, fail } from '../ir/diagnostics.js';
import { type BatchSplit, batchesInOrder } from './batches.js';
import { type Dataset, subset } from './data/dataset.js';
import type { LabelMap } from './data/labels.js';
import { shuffled } from './data/order.js';
import type { OpenedData } from './data/read-data.js';
import type { RecordFile } from './data/source.js';
import { fixedExtents, mapInputs } from './feeds.js';
import { signatureTerms } from './labels.js';
import type { TrainingPlan } from './loop.js';
import type { LossTerm, Signature } from './signature.js';

/** What is said of a run when it starts. */
export interface Started {
  readonly examples: number;
  readonly evalExamples: number;
  readonly perEpoch: number;
  readonly total: number;
  readonly parameters: number;
  readonly unit: string;
  /** processes that train together */
  readonly ranks: number;
}

/** What a run trains and evaluates on. */
export interface RunData {
  readonly data: Dataset;
  readonly evalData: Dataset | null;
  readonly cut: BatchSplit;
  readonly labels: LabelMap | null;
  /** files next to the tokenizer that were read */
  readonly files: readonly string[];
  readonly dataFile: RecordFile;
  readonly evalFile: RecordFile | null;
}

export interface RunDataRequest {
  readonly data: string;
  readonly evalData: string | null;
  /** share of the examples that is held back for evaluation when there is no evaluation file */
  readonly evalSplit: number;
  readonly batchSize: number;
  readonly bucket: boolean;
  readonly inputs: ReadonlyMap<string, string>;
  readonly seed: number;
  /** the map that an earlier part of the run made */
  readonly labels: LabelMap | null;
}

/** Opens the files of a run. `open` reads one; events are told of the first and of what is to be said of the second. */
export async function openRunData(
  signature: Signature,
  request: RunDataRequest,
  open: (file: string, labels: LabelMap | null) => Promise<OpenedData>,
  events: { opened(data: OpenedData): void; note(diagnostic: Diagnostic): void },
): Promise<RunData> {
  const first = await open(request.data, request.labels);
  events.opened(first);
  let data = first.dataset;
  let evalData: Dataset | null = null;
  let evalFile: RecordFile | null = null;
  if (request.evalData !== null) {
    const second = await open(request.evalData, first.labels);
    for (const note of second.notes) events.note(note);
    evalData = second.dataset;
    evalFile = second.data;
  } else if (request.evalSplit > 0) {
    const order = shuffled(data.size, request.seed, 'split');
    const count = Math.min(data.size - 1, Math.max(1, Math.round(data.size * request.evalSplit)));
    evalData = subset(data, order.slice(0, count).sort());
    data = subset(data, order.slice(count).sort());
  }
  const cut = cutOf(signature, data, request.batchSize, request.inputs, request.bucket);
  const { labels, files } = first;
  return { data, evalData, cut, labels, files, dataFile: first.data, evalFile };
}

/** How batches are made for a model: its fixed extents, and whether rows can be left out. */
export function cutOf(
  signature: Signature,
  data: Pick<Dataset, 'columns'>,
  batchSize: number,
  inputs: ReadonlyMap<string, string>,
  bucket: boolean,
): BatchSplit {
  const { graphs } = signature;
  const graph = graphs.step ?? graphs.eval!; // a signature has one of them
  const terms = signatureTerms(signature);
  const { rows: height } = fixedExtents(graph);
  // a pair takes two rows
  const rows = height !== null && terms.some(({ pairs }) => pairs) ? height / 2 : height;
  const ignores = ({ ignoreIndex, ignoreValue }: LossTerm) =>
    ignoreIndex !== null || ignoreValue !== undefined;
  const dropShort = rows !== null && !terms.every(ignores);
  return { inputs: mapInputs(graph, data, inputs), batchSize, rows, dropShort, bucket };
}

/** The rows that are left out where short batches cannot be used. Throws LOTR8204 when these are all rows. */
export function droppedRows(data: Dataset, cut: BatchSplit, file: string): readonly Diagnostic[] {
  const dropped = batchesInOrder(data, cut).reduce((left, batch) => left - batch.length, data.size);
  return notesOfDropped(data.size, dropped, cut, file);
}

/** The same when `count` of `size` rows are in no batch. */
export function notesOfDropped(
  size: number,
  count: number,
  { rows, dropShort }: BatchSplit,
  file: string,
): readonly Diagnostic[] {
  if (!dropShort || count === 0) return [];
  const why = `it has ${size} examples, and the model takes batches of exactly ${rows}`;
  if (count === size) fail(badData({ file, why, hint: 'export the model with a dynamic batch dimension' }));
  return [rowsDropped({ count, batch: rows! })];
}

/** Throws LOTR8242 when evaluations are to be compared and there is nothing to evaluate on. */
export function requireEvaluation({
  plan,
  evalData,
  evalSplit,
}: Pick<RunDataRequest, 'evalData' | 'evalSplit'> & { readonly plan: TrainingPlan }): void {
  if (evalData !== null || evalSplit > 0) return;
  if (plan.patience !== null) fail(needsEvaluation({ option: '--patience' }));
  if (plan.best !== 'loss') fail(needsEvaluation({ option: `--best ${plan.best}` }));
}
