import { defineCode, explainCode } from '../diagnostics.js';
import { listed } from './listed.js';

/** Diagnostics 82xx (the training host: training directories, data, runs, logs). */

export const badTrainingFolder = defineCode<{ file: string; why: string }>({
  code: 'LOTR8201',
  severity: 'error',
  make: ({ file, why }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: 'write the directory with `lotrc emit onnx-train MODEL -o DIR`',
  }),
});

explainCode(badTrainingFolder, {
  title: 'this is not a training directory that can be used',
  explain:
    'A training directory is what `lotrc emit onnx-train` writes: graphs, state.safetensors and signature.json, with the ' +
    'base weights. A file is missing, is of another version, or does not fit the others.',
});

export const badData = defineCode<{ file: string; why: string; hint?: string }>({
  code: 'LOTR8204',
  severity: 'error',
  make: ({ file, why, hint }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: hint ?? '`lotrc train --help` lists the formats and the options that name fields',
  }),
});

explainCode(badData, {
  title: 'a data file cannot be used',
  explain:
    'Data is JSON Lines, CSV or TSV with a text and a label field, plain text for language models, or safetensors whose ' +
    'tensors are named like the inputs of the model and have one row per example.',
});

export const badLine = defineCode<{ file: string; line: number; why: string }>({
  code: 'LOTR8205',
  severity: 'error',
  title: 'a line of a data file cannot be used',
  explain:
    'A record is not well-formed, lacks a field, or its label is not one that training knows. By default the first such ' +
    'line ends the command; with --bad-lines skip they are left out and counted.',
  make: ({ file, line, why }) => ({
    message: why,
    at: { kind: 'text', file, line, column: 1 },
    hint: 'correct the line, or skip such lines with --bad-lines skip',
  }),
});

export const linesSkipped = defineCode<{ file: string; count: number; first: readonly string[] }>({
  code: 'LOTR8206',
  severity: 'warning',
  title: 'lines of a data file were left out',
  explain: 'With --bad-lines skip, records that cannot be used are left out. The first few are listed.',
  make: ({ file, count, first }) => ({
    message: `${count} ${count === 1 ? 'line was' : 'lines were'} left out`,
    at: { kind: 'file', file },
    notes: first.map((message) => ({ message })),
  }),
});

export const truncated = defineCode<{
  file: string;
  count: number;
  total: number;
  max: number;
  longest: number;
}>({
  code: 'LOTR8207',
  severity: 'warning',
  title: 'examples were truncated to --max-length tokens',
  explain:
    'Examples with more tokens than --max-length lose their end (special tokens stay); training does not see what is ' +
    'cut off.',
  make: ({ file, count, total, max, longest }) => ({
    message: `${count} of ${total} examples were truncated to ${max} tokens; the longest has ${longest}`,
    at: { kind: 'file', file },
    hint: 'raise --max-length as far as the model goes',
  }),
});

export const inputUnknown = defineCode<{ input: string; columns: readonly string[]; hint?: string }>({
  code: 'LOTR8208',
  severity: 'error',
  make: ({ input, columns, hint }) => ({
    message: `the model needs the input ${JSON.stringify(input)}; the data has ${columns.join(', ')}`,
    hint:
      hint ?? `give --input ${input}=COLUMN, or a safetensors file with a tensor ${JSON.stringify(input)}`,
  }),
});

explainCode(inputUnknown, {
  title: 'the data has nothing for an input of the model',
  explain:
    'Text gives token ids, an attention mask, token types and positions, which are matched to inputs by their names. ' +
    'Other inputs need data from safetensors, or a name given with --input.',
});

export const badTokenizer = defineCode<{ file: string; why: string; hint?: string }>({
  code: 'LOTR8209',
  severity: 'error',
  title: 'the tokenizer file cannot be used',
  explain:
    '--tokenizer takes a tokenizer.json as Hugging Face tools write it, or a character vocabulary: a JSON file ' +
    '{"type":"character","chars":"..."} in which the place of a character is its id. A tokenizer.json with a part that lotrc ' +
    'does not know is refused: without that part the model would get other ids than it was trained with.',
  make: ({ file, why, hint }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: hint ?? 'take the tokenizer.json that was published with the model',
  }),
});

export const runExists = defineCode<{ folder: string }>({
  code: 'LOTR8210',
  severity: 'error',
  title: 'the folder already holds a run',
  explain:
    'A new run is never written over an old one. --resume continues it; --output chooses another folder.',
  make: ({ folder }) => ({
    message: 'the folder already holds a run',
    at: { kind: 'file', file: folder },
    hint: 'resume it with --resume, or choose another folder with --output',
  }),
});

export const runDiffers = defineCode<{ folder: string; what: readonly string[] }>({
  code: 'LOTR8211',
  severity: 'error',
  make: ({ folder, what }) => ({
    message: `this run was started with other settings: ${what.join('; ')}`,
    at: { kind: 'file', file: folder },
    hint: 'leave out these options to keep those of the run, or start a new run with --output',
  }),
});

explainCode(runDiffers, {
  title: 'the run to resume was started with other settings or data',
  explain:
    'A resumed run gives bit for bit what it would have given without the interruption. That needs the same data, ' +
    'training directory and settings. Options that are not given again are taken from the run.',
});

export const badRun = defineCode<{ file: string; why: string }>({
  code: 'LOTR8212',
  severity: 'error',
  make: ({ file, why }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: 'start a new run with --output',
  }),
});

explainCode(badRun, {
  title: 'a file of the run cannot be used',
  explain:
    'A run keeps its settings in run.json and its state in checkpoint.safetensors. Both are written whole or not at all, ' +
    'so a damaged one was changed by something else.',
});

export const diverged = defineCode<
  | { step: number; skipped: number; scale: number }
  | {
      step: number;
      kind: 'parameter' | 'optimizer state';
      tensor: string;
      nan: number;
      infinite: number;
      size: number;
    }
>({
  code: 'LOTR8213',
  severity: 'error',
  make: (found) => ({
    message:
      'skipped' in found
        ? `${found.skipped} steps in a row up to step ${found.step} had no finite gradient; the loss scale is ${found.scale}`
        : `after step ${found.step} ${found.kind} "${found.tensor}" holds ${found.nan} NaN and ${found.infinite} infinite ` +
          `values of ${found.size}`,
    hint: 'try a smaller --lr, or more warm-up',
  }),
});

explainCode(diverged, {
  title: 'the run has diverged: gradients, parameters or optimizer state are infinite or NaN',
  explain:
    'A step whose gradients are not finite changes nothing, and the loss scale is halved. 40 in a row mean that the ' +
    'run has diverged, or that the model cannot compute these examples. Parameters and the state of the optimizer are checked ' +
    'before each checkpoint, and parameters before the adapter is written: none of them is written with NaN or infinity. The ' +
    'last checkpoint is kept.',
});

export const interrupted = defineCode<{ step: number; total: number; folder: string }>({
  code: 'LOTR8215',
  severity: 'warning',
  title: 'training was interrupted and can be resumed',
  explain:
    'On Ctrl-C the step in progress is finished and a checkpoint is written. --resume goes on from there.',
  make: ({ step, total, folder }) => ({
    message: `interrupted after step ${step} of ${total}; the checkpoint is written`,
    at: { kind: 'file', file: folder },
    hint: 'resume it with --resume',
  }),
});

export const rowsDropped = defineCode<{ count: number; batch: number }>({
  code: 'LOTR8216',
  severity: 'warning',
  title: 'the last examples of each pass are left out',
  explain:
    'The model takes batches of one fixed size, the number of examples is not a multiple of it, and the training graphs ' +
    'have no label for rows that do not count (the loss takes no labels, or an older version wrote the directory). ' +
    'Shuffling leaves out other examples in each epoch.',
  make: ({ count, batch }) => ({
    message: `the model takes batches of exactly ${batch}: ${count} examples are left out in each pass`,
    hint: 'write the directory again with `lotrc emit onnx-train`, or export the model with a dynamic batch dimension',
  }),
});

export const tooManyClasses = defineCode<{ file: string; found: number; classes: number }>({
  code: 'LOTR8217',
  severity: 'error',
  title: 'the data has more classes than the model',
  explain: 'The logits of the model have a fixed number of classes, and the labels of the data need more.',
  make: ({ file, found, classes }) => ({
    message: `the labels need ${found} classes and the model has ${classes}`,
    at: { kind: 'file', file },
    hint: 'check --label-field, or export the model with a head of that many classes',
  }),
});

export const noTrainingData = defineCode<Record<never, never>>({
  code: 'LOTR8203',
  severity: 'error',
  title: 'there is no data to train on',
  explain: '`lotrc train` needs a data file (--data). Only a resumed run (--resume) remembers its own.',
  make: () => ({ message: 'there is no data to train on', hint: 'give --data FILE' }),
});

export const fixedHere = defineCode<{ file: string; names: readonly string[] }>({
  code: 'LOTR8231',
  severity: 'error',
  title: 'the adapter holds trained weights that the training directory keeps as in the base',
  explain:
    'The adapter was trained with --also-train and holds weights in full. The graphs of this directory were written ' +
    'without that option: they read these weights from the base, so part of what was trained would be lost.',
  make: ({ file, names }) => ({
    message:
      `the adapter holds ${names.length} trained ${names.length === 1 ? 'weight' : 'weights'} that the graphs here take ` +
      `from the base: ${listed(names, 3)}`,
    at: { kind: 'file', file },
    hint: 'evaluate it in the directory that it was trained in, or emit one with `--adapter FILE`',
  }),
});
