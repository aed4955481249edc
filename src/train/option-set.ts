import { NODE_EPS } from '../backends/execution-providers.js';
import { defineOptions } from '../options/define.js';
import { CLOBBER } from '../options/sets/shared.js';
import {
  alternatives,
  file,
  flag,
  folder,
  names,
  pairs,
  real,
  scalar,
  text,
  whole,
  word,
} from '../options/types.js';
import {
  BAD_LINES,
  PREDICTED_TURNS,
  PROCESS_GROUPS,
  RATE_SCHEDULES,
  RECORD_TASKS,
  SUBWORDS,
} from '../options/words.js';
import { METRIC_NAMES } from './metrics/index.js';

/** train and eval: what runs a training directory. */

const name = text('name');

/** The character that quotes fields, or `none`. */
const quote = scalar<string>(
  'char',
  "one character such as '\"', or none",
  { type: 'string', pattern: '^(none|[^\\w\\s,])$' },
  (value) => typeof value === 'string' && (value === 'none' || /^[^\w\s,]$/.test(value)),
  (given) => given,
);

/** Which fields of a record are used. */
const FIELD_OPTIONS = defineOptions({
  textField: { type: name, default: 'text', doc: 'field or column with the text' },
  pairField: { type: name, doc: 'field or column with a second text' },
  labelField: { type: name, default: 'label', doc: 'field or column with the label' },
  promptField: { type: name, default: 'prompt', doc: 'field or column with a prompt' },
  completionField: {
    type: name,
    default: 'completion',
    doc: 'field or column with what follows the prompt',
  },
  sourceField: { type: name, default: 'source', doc: 'field or column with what an encoder reads' },
  targetField: {
    type: name,
    default: 'target',
    doc: 'field or column with what its decoder is to write',
  },
});

/** Fields of conversations and of words with tags. */
const LIST_FIELD_OPTIONS = defineOptions({
  messagesField: { type: name, default: 'messages', doc: 'field with the messages of a conversation' },
  tokensField: { type: name, default: 'tokens', doc: 'field with a list of words' },
  tagsField: { type: name, default: 'tags', doc: 'field with a list of tags, one for each word' },
});

/** How data is read, and where graphs run. */
export const READING = defineOptions({
  tokenizer: { type: file, doc: 'tokenizer.json, or {"type":"character","chars":"..."}' },
  ...FIELD_OPTIONS,
  decoderStart: {
    type: text('token'),
    doc: 'token that decoders start with (default: decoder_start_token_id of the config.json in the folder of the tokenizer)',
  },
  ...LIST_FIELD_OPTIONS,
  labels: {
    type: names('a,b,c', false),
    doc: 'names of the classes in their order (default: id2label of the config.json in the folder of the tokenizer, else sorted)',
  },
  task: {
    type: word('kind', RECORD_TASKS),
    doc: 'label: a text with a label; text: running text; prompt: a prompt and its completion; chat: messages; tags: words with a tag each; seq2seq: a source and a target (default: as the data and the model say)',
  },
  quote: {
    type: quote,
    doc: "the character that quotes fields of .csv (default '\"') and .tsv (default none), or none",
  },
  bos: {
    type: text('token'),
    doc: 'token that starts each text, or none (default: as the tokenizer does)',
  },
  eos: {
    type: text('token'),
    doc: 'token that ends each text, or none (default: eos_token of tokenizer_config.json)',
  },
  lossOn: {
    type: word('part', PREDICTED_TURNS),
    default: 'answers',
    doc: 'what is predicted: answers (completions, messages of the assistant), the last answer, or all',
  },
  subwords: {
    type: word('which', SUBWORDS),
    default: 'first',
    doc: 'a tag counts at the first token of its word, or at all',
  },
  pack: { type: flag, default: false, doc: 'pack several texts into one row, up to --max-length' },
  bucket: {
    type: flag,
    default: false,
    doc: 'make batches of texts of equal length, which need no padding',
  },
  badLines: { type: word('what', BAD_LINES), default: 'stop', doc: 'skip or stop' },
  maxLength: {
    type: whole(2),
    default: 128,
    doc: 'longest row in tokens; longer ones are truncated',
  },
  padTo: { type: whole(1), default: 8, doc: 'rows are padded to a multiple of this' },
  batchSize: { type: whole(1), default: 16, doc: 'examples per batch' },
  inputs: {
    flag: 'input',
    type: pairs('name=column'),
    doc: 'column that an input of the model reads, repeatable',
  },
  ep: { type: word('provider', NODE_EPS), default: 'cpu', doc: 'cpu, cuda or webgpu' },
  threads: { type: whole(), default: 0, doc: 'threads of ONNX Runtime; 0: one per core' },
  lowMemory: {
    type: flag,
    default: false,
    doc: 'do not pack the matrices of a large base in advance, which is done where memory is plentiful: less memory, an eighth slower',
  },
  inProcess: {
    type: flag,
    default: false,
    doc: 'run the graphs in the process of lotrc and not in one of their own: for graphs that you trust',
  },
});

const json = { type: flag, default: false, doc: 'print the result as JSON (version 1)' } as const;

export const TRAIN = defineOptions({
  ...READING,
  data: {
    type: file,
    doc: 'what to train on: .jsonl, .csv, .tsv, .parquet, .safetensors, or plain text; texts also packed (.gz, .zst)',
  },
  streaming: {
    type: flag,
    default: false,
    doc: "read the data window by window, for data larger than memory; --data may name several files, as in 'shards/*.parquet'",
  },
  shuffleWindow: {
    type: whole(1),
    default: 10_000,
    doc: 'with --streaming: records that are in memory, and shuffled among themselves',
  },
  evalData: { type: file, doc: 'what to evaluate on' },
  evalSplit: {
    type: real({ least: 0, below: 1 }, 'share'),
    default: 0,
    doc: 'use this share of the data for evaluation',
  },
  output: {
    type: folder('folder'),
    short: 'o',
    doc: 'folder of the run: settings, checkpoint, logs, adapter (default: DIR/run)',
  },
  ...CLOBBER,
  epochs: { type: real({ above: 0 }, 'n'), default: 3, doc: 'passes over the data' },
  maxSteps: { type: whole(1), doc: 'end after this many steps' },
  accumulate: { type: whole(1), default: 1, doc: 'batches per step' },
  lr: { type: real({ above: 0 }), default: 2e-3, doc: 'largest learning rate' },
  schedule: {
    type: word('kind', RATE_SCHEDULES),
    default: 'linear',
    doc: 'constant, linear, cosine or polynomial, after the warm-up',
  },
  warmup: {
    type: real({ least: 0 }, 'n'),
    default: 0,
    doc: 'warm-up steps; below 1: share of the run',
  },
  minLr: { type: real({ least: 0 }), default: 0, doc: 'where the schedule ends' },
  power: { type: real({ above: 0 }), default: 1, doc: 'exponent of the polynomial schedule' },
  seed: {
    type: whole(),
    default: 0,
    doc: 'order of the examples, and masks of Dropout in training mode',
  },
  lossScale: {
    type: real({ above: 0 }),
    doc: 'at the start (default: 65536 for half-precision models, else 1)',
  },
  evalEvery: { type: whole(1, 'steps'), doc: 'default: at the end of each epoch' },
  checkpointEvery: { type: whole(1, 'steps'), default: 100, doc: 'besides those at evaluations' },
  best: {
    type: word('metric', METRIC_NAMES),
    default: 'loss',
    doc: `metric that chooses the best checkpoint: ${alternatives(METRIC_NAMES)}`,
  },
  patience: {
    type: whole(1),
    doc: 'stop after this many evaluations without improvement (default: never)',
  },
  resume: {
    type: flag,
    default: false,
    doc: 'resume the run in the folder; options that are not given keep the values of the run; --epochs and --max-steps may change',
  },
  distributed: {
    type: word('how', PROCESS_GROUPS),
    doc: 'mpi: train in all processes that mpirun started, which share the examples of each step',
  },
  rankTimeout: {
    type: whole(1, 'seconds'),
    default: 300,
    doc: 'with --distributed: end when the other processes do not answer for this long',
  },
  json,
});

export const EVAL = defineOptions({
  ...READING,
  data: { type: file, required: true, doc: 'what to evaluate on' },
  adapter: {
    type: file,
    doc: 'parameters (default: those of the run in the directory, else the initial ones)',
  },
  run: { type: text('folder'), doc: 'run whose adapter and labels are used (default: DIR/run)' },
  json,
});
