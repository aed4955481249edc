import { NODE_EPS } from '../backends/execution-providers.js';
import {
  fits,
  flag,
  later,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  text,
  whole,
} from '../ir/files/schema.js';
import { BAD_LINES, PREDICTED_TURNS, RATE_SCHEDULES, RECORD_TASKS, SUBWORDS } from '../options/words.js';
import { FIELDS, type Fields } from './data/fields.js';
import type { LabelMap } from './data/labels.js';
import type { DataOptions } from './data/read-data.js';
import type { RecordFile } from './data/source.js';
import type { StreamIndex, WindowEntry } from './data/stream/stream.js';
import type { TrainingPlan } from './loop.js';
import { METRIC_NAMES } from './metrics/index.js';
import type { RunSettings } from './settings.js';

/**
 * `run.json`, field by field. Fields that older versions did not write default to what
 * those versions did.
 */

const above0 = fits<number>('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0);
const share = fits<number>(
  'a number from 0 to 1',
  (value) => Number.isFinite(value) && (value as number) >= 0 && (value as number) <= 1,
);
const from0 = fits<number>('a number from 0', (value) => Number.isFinite(value) && (value as number) >= 0);

/** An object of `run.json`: a setting that this version does not know would be lost, so it is refused. */
const settings = <T>(fields: Parameters<typeof object<T>>[0]): Schema<T> => object<T>(fields, 'refused');

const file = settings<RecordFile>({ file: text, sha256: text });

const fields = settings<Fields>({
  text: later(text, FIELDS.text),
  pair: later(nullable(text), FIELDS.pair),
  label: later(text, FIELDS.label),
  prompt: later(text, FIELDS.prompt),
  completion: later(text, FIELDS.completion),
  messages: later(text, FIELDS.messages),
  tokens: later(text, FIELDS.tokens),
  tags: later(text, FIELDS.tags),
  source: later(text, FIELDS.source),
  target: later(text, FIELDS.target),
});

const reading = settings<DataOptions>({
  tokenizer: nullable(text),
  fields,
  badLines: oneOf(BAD_LINES),
  maxLength: whole(1),
  padTo: whole(1),
  task: later(nullable(oneOf(RECORD_TASKS)), null),
  quote: later(nullable(text), null),
  labels: later(nullable(list(text)), null),
  bucket: later(flag, false),
  bos: later(nullable(text), null),
  eos: later(nullable(text), null),
  pack: later(flag, false),
  lossOn: later(oneOf(PREDICTED_TURNS), 'answers'),
  subwords: later(oneOf(SUBWORDS), 'first'),
  decoderStart: later(nullable(text), null),
});

const plan = settings<TrainingPlan>({
  epochs: above0,
  maxSteps: nullable(whole(1)),
  accumulate: whole(1),
  schedule: settings<TrainingPlan['schedule']>({
    kind: oneOf(RATE_SCHEDULES),
    peak: from0,
    floor: from0,
    power: number,
    warmup: from0,
  }),
  seed: whole(),
  lossScale: above0,
  evalEvery: nullable(whole(1)),
  checkpointEvery: whole(1),
  best: later(oneOf(METRIC_NAMES), 'loss'),
  patience: later(nullable(whole(1)), null),
  warmupSteps: later(nullable(whole()), null),
});

type Labels<Kind> = Extract<LabelMap, { kind: Kind }>;
const labelMaps: { readonly [Kind in LabelMap['kind']]: Schema<Labels<Kind>> } = {
  names: settings<Labels<'names'>>({
    kind: oneOf(['names']),
    names: list(text),
    order: optional(oneOf(['given', 'config', 'data'])),
  }),
  integers: settings({ kind: oneOf(['integers']) }),
  values: settings({ kind: oneOf(['values']) }),
};
const kinds = Object.keys(labelMaps) as readonly LabelMap['kind'][];
const labels: Schema<LabelMap> = (value, field) => {
  const { kind } = object<Pick<LabelMap, 'kind'>>({ kind: oneOf(kinds) })(value, field);
  return labelMaps[kind](value, field);
};

const entry = fits<WindowEntry>(
  'a list of five whole numbers',
  (value) =>
    Array.isArray(value) && value.length === 5 && value.every((n) => Number.isSafeInteger(n) && n >= 0),
);

const stream = settings<StreamIndex>({
  window: whole(1),
  files: list(file),
  windows: list(entry),
  dropped: whole(),
});

/** `run.json`. */
export const settingsSchema: Schema<RunSettings> = settings<RunSettings>({
  version: oneOf([1]),
  training: text,
  data: file,
  evalData: nullable(file),
  evalSplit: share,
  reading,
  tokenizer: nullable(file),
  batchSize: whole(1),
  plan,
  ep: oneOf(NODE_EPS),
  threads: whole(),
  lowMemory: later(flag, false),
  ranks: later(whole(1), 1),
  inputs: record(text),
  labels: nullable(labels),
  stream: later(nullable(stream), null),
  tokenizerFiles: optional(list(file)),
});
