import type { Diagnostic } from '../ir/diagnostics.js';
import { type BatchSource, HeldBatches } from './batch-source.js';
import { openData } from './data/open.js';
import type { OpenedData } from './data/read-data.js';
import type { Watch } from './data/source.js';
import { openStream, type StreamIndex } from './data/stream/stream.js';
import { requireLabels } from './labels.js';
import { cutOf, droppedRows, notesOfDropped, openRunData, type RunData } from './run-data.js';
import type { RunSettings } from './settings.js';
import type { Signature } from './signature.js';
import { StreamedBatches } from './streamed-batches.js';
import type { TrainRequest } from './train.js';

/** The data of a run, ready to be trained on. */
export interface OpenedTraining extends Omit<RunData, 'data'> {
  readonly training: BatchSource;
  /** of data that is read window by window */
  readonly stream: StreamIndex | null;
  /** what is to be said of rows that no batch has */
  readonly dropped: readonly Diagnostic[];
}

interface OpeningEvents {
  readonly reading: Watch;
  opened(data: Pick<OpenedData, 'notes' | 'unused' | 'labels'>): void;
  note(diagnostic: Diagnostic): void;
}

type Open = (file: string, known: OpenedData['labels']) => Promise<OpenedData>;

/** Opens the data of a run; `held`: its settings, when it goes on. Throws LOTR8204, LOTR8240 and those of the readers. */
export async function openTraining(
  request: TrainRequest,
  signature: Signature,
  held: RunSettings | null,
  events: OpeningEvents,
): Promise<OpenedTraining> {
  const { reading, inputs, plan } = request;
  const labels = held?.labels ?? null;
  const open: Open = (file, known) => openData(file, signature, reading, known, inputs, events.reading);
  if (request.window !== undefined)
    return openWindows(request, request.window, signature, held, open, events);
  const asked = { ...request, ...reading, seed: plan.seed, labels };
  const { data, ...rest } = await openRunData(signature, asked, open, events);
  requireLabels(data, signature, 'training data');
  if (rest.evalData) requireLabels(rest.evalData, signature, 'evaluation data');
  const dropped = [...droppedRows(data, rest.cut, request.data)];
  if (rest.evalData) dropped.push(...droppedRows(rest.evalData, rest.cut, request.evalData ?? request.data));
  return { ...rest, training: new HeldBatches(data, rest.cut, plan.seed), stream: null, dropped };
}

async function openWindows(
  request: TrainRequest,
  window: number,
  signature: Signature,
  held: RunSettings | null,
  open: Open,
  events: OpeningEvents,
): Promise<OpenedTraining> {
  const { reading: options, inputs, batchSize } = request;
  const stream = await openStream({
    given: request.data,
    signature,
    options,
    inputs,
    window,
    known: held?.stream?.window === window ? { labels: held.labels, index: held.stream } : null,
    cutFor: (columns) => cutOf(signature, { columns }, batchSize, inputs, options.bucket),
    watch: events.reading,
  });
  events.opened(stream);
  const training = new StreamedBatches(stream, request.plan.seed);
  const { cut, index, files, labels, data: dataFile } = stream;
  const dropped = [...notesOfDropped(training.examples, index.dropped, cut, request.data)];
  const made = { training, cut, labels, files, dataFile, stream: index };
  if (request.evalData === null) return { ...made, evalData: null, evalFile: null, dropped };
  const { dataset: evalData, data: evalFile, notes } = await open(request.evalData, labels);
  for (const note of notes) events.note(note);
  requireLabels(evalData, signature, 'evaluation data');
  dropped.push(...droppedRows(evalData, cut, request.evalData));
  return { ...made, evalData, evalFile, dropped };
}
