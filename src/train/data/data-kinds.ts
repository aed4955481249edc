import { RECORD_TASKS, type RecordTask } from './tasks.js';

/** What a data file is. */
export type DataKind = 'tensors' | 'plain' | RecordTask;

/** Options of reading, and the kinds of data that have a use for each. */
const READERS: Readonly<Record<string, readonly DataKind[]>> = {
  tokenizer: ['plain', ...RECORD_TASKS],
  textField: ['label', 'text'],
  pairField: ['label'],
  labelField: ['label'],
  badLines: RECORD_TASKS,
  maxLength: ['plain', ...RECORD_TASKS],
  padTo: RECORD_TASKS,
  quote: RECORD_TASKS,
  task: RECORD_TASKS,
  labels: ['label', 'tags'],
  bucket: RECORD_TASKS,
  promptField: ['prompt'],
  completionField: ['prompt'],
  bos: ['text', 'prompt'],
  eos: ['text', 'prompt'],
  pack: ['text', 'prompt', 'chat'],
  lossOn: ['prompt', 'chat'],
  messagesField: ['chat'],
  tokensField: ['tags'],
  tagsField: ['tags'],
  subwords: ['tags'],
  sourceField: ['seq2seq'],
  targetField: ['seq2seq'],
  decoderStart: ['seq2seq'],
};

const KINDS: Readonly<Record<DataKind, string>> = {
  tensors: 'the data is ready tensors',
  plain: 'the data is plain text',
  label: 'the data is texts with labels',
  text: 'the data is texts without labels',
  prompt: 'the data is prompts with completions',
  chat: 'the data is messages',
  tags: 'the data is words with tags',
  seq2seq: 'the data is sources and targets',
};

export interface Reading {
  readonly kind: DataKind;
  /** a table, not JSON Lines */
  readonly table: boolean;
  /** labels are numbers */
  readonly values: boolean;
  readonly bucket: boolean;
  /** extents that the model fixes */
  readonly rows: number | null;
  readonly length: number | null;
}

/** Options, by their names in `--help` without dashes, that this data and model have no use for, and why. */
export function unusedOptions({
  kind,
  table,
  values,
  bucket,
  rows,
  length,
}: Reading): ReadonlyMap<string, string> {
  const unused = new Map<string, string>();
  for (const [option, kinds] of Object.entries(READERS)) {
    if (!kinds.includes(kind)) unused.set(option, KINDS[kind]);
  }
  const unless = (used: boolean, option: string, why: string) => {
    if (!used && !unused.has(option)) unused.set(option, why);
  };
  unless(table, 'quote', 'the data is not a table');
  unless(!values, 'labels', 'the labels are numbers');
  unless(length === null, 'maxLength', `the model takes rows of exactly ${length} tokens`);
  unless(length === null, 'padTo', `the model takes rows of exactly ${length} tokens`);
  unless(!bucket, 'padTo', 'with --bucket there is no padding');
  unless(rows === null, 'batchSize', `the model takes batches of exactly ${rows}`);
  return unused;
}
