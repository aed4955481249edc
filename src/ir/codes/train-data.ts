import { defineCode } from '../diagnostics.js';

/** Diagnostics 822x and 823x (data for training and evaluation). */

export const optionIgnored = defineCode<{ option: string; why: string }>({
  code: 'LOTR8222',
  severity: 'warning',
  title: 'an option has no effect here',
  explain:
    'The option was given, and nothing reads it: it belongs to another kind of data, model or setting. The command goes on ' +
    'as if it were not there.',
  make: ({ option, why }) => ({
    message: `${option} has no effect: ${why}`,
    hint: 'leave it out, or check that the file and the other options are the intended ones',
  }),
});

export const otherRecords = defineCode<{
  file: string;
  why: string;
  predicted: 'values' | 'row' | 'positions' | 'target';
  forms: readonly string[];
  labelled?: boolean;
}>({
  code: 'LOTR8220',
  severity: 'error',
  title: 'the records are not what the model predicts',
  explain:
    'A model with logits [batch, classes] predicts one class for a text: its records have a text and a label. A model with ' +
    'logits [batch, seq, classes] predicts a class at every position: it is trained on running text, prompts with ' +
    'completions, messages, or words with tags; an encoder-decoder on sources and targets. One label for a text says nothing about the positions.',
  make: ({ file, why, predicted, forms, labelled }) => ({
    message: `${why}, and the model predicts ${
      {
        positions: 'a class at every position of a text',
        target: 'what a decoder is to write',
        row: 'one class for a text',
        values: 'numbers for a text',
      }[predicted]
    }`,
    at: { kind: 'file', file },
    hint:
      `give records with ${forms.join(', or ')}` +
      (labelled ? '; --task text leaves the label out; for one class per text export a classifier' : ''),
  }),
});

export const labelOrder = defineCode<{ file: string; why: string; names: readonly string[] }>({
  code: 'LOTR8226',
  severity: 'error',
  title: 'the names of the classes do not fit the model or the data',
  explain:
    'Class names are numbered in the order of --labels, of id2label in the config.json in the folder of the tokenizer, or sorted as ' +
    'they occur in the data. A head that was trained before needs its own order. The names must be as many as the model ' +
    'has classes, and differ from each other.',
  make: ({ file, why, names }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: `the names are ${listed(names)}; --labels a,b,c gives others`,
  }),
});

export const orderUnused = defineCode<{ file: string; why: string; names: readonly string[] }>({
  code: 'LOTR8221',
  severity: 'warning',
  title: 'the class names of config.json are not those of the data',
  explain:
    'The config.json in the folder of the tokenizer names the classes of the head (id2label), and the data has other labels or the ' +
    'model another number of classes. The labels of the data are numbered in sorted order instead: a head that was ' +
    'trained before then predicts other classes. --labels gives the order that is meant.',
  make: ({ file, why, names }) => ({
    message: `id2label is not used: ${why}`,
    at: { kind: 'file', file },
    notes: [{ message: `id2label names ${listed(names)}` }],
    hint: 'give the order of the classes with --labels a,b,c',
  }),
});

export const paddingSeen = defineCode<{ file: string; fixed: number | null }>({
  code: 'LOTR8223',
  severity: 'warning',
  title: 'the model has no mask input and sees the padding',
  explain:
    'Texts of one batch are filled up to the same length. A model without an attention mask attends to the filling, so what ' +
    'it computes for a text depends on the other texts of the batch. --bucket makes batches of texts of equal length, ' +
    'which need no filling.',
  make: ({ file, fixed }) => ({
    message:
      fixed === null
        ? 'the model has no input for a mask: it attends to the padding, and results depend on the batch'
        : `the model has no input for a mask, and shorter texts are filled up to ${fixed} tokens, which it attends to`,
    at: { kind: 'file', file },
    hint:
      fixed === null
        ? 'give --bucket, or export the model with attention_mask'
        : 'export the model with attention_mask',
  }),
});

export const quotesKept = defineCode<{ file: string; count: number }>({
  code: 'LOTR8224',
  severity: 'warning',
  title: 'fields stand in quotes, which are kept',
  explain:
    'TSV files are read without quoting, as data sets are published: a quote is a character like others. Here most texts ' +
    'begin and end with one, which hints at a file that was written with quoting.',
  make: ({ file, count }) => ({
    message: `${count} texts begin and end with a quote, which is kept as a part of the text`,
    at: { kind: 'file', file },
    hint: "if the file was written with quoting, give --quote '\"'",
  }),
});

export const noEnd = defineCode<{ file: string }>({
  code: 'LOTR8225',
  severity: 'warning',
  title: 'no token ends the examples',
  explain:
    'Each text, or prompt with its completion, should end with a token that says so, or the model does not learn to stop. ' +
    'It is the eos_token of tokenizer_config.json or special_tokens_map.json in the folder of the tokenizer.json, or what --eos names.',
  make: ({ file }) => ({
    message: 'no token is known that ends an example: the model does not learn to stop',
    at: { kind: 'file', file },
    hint: 'put tokenizer_config.json in the folder of the tokenizer, or give --eos TOKEN (--eos none says that none is wanted)',
  }),
});

export const nothingLeft = defineCode<{ file: string; count: number; max: number }>({
  code: 'LOTR8227',
  severity: 'warning',
  title: 'examples have nothing to predict after they were cut',
  explain:
    'The prompt, or the first messages, fill the longest row, so that what is to be predicted was cut off. Such examples are ' +
    'left out.',
  make: ({ file, count, max }) => ({
    message: `${count} examples were left out: within ${max} tokens there is nothing to predict`,
    at: { kind: 'file', file },
    hint: 'raise --max-length as far as the model goes, or shorten the prompts',
  }),
});

export const badTemplate = defineCode<{ file: string; why: string }>({
  code: 'LOTR8228',
  severity: 'error',
  title: 'there is no chat template that can be used',
  explain:
    'Conversations become text by the chat template of the tokenizer, in Jinja: chat_template.jinja, or chat_template in ' +
    'tokenizer_config.json, in the folder of the tokenizer.json. Templates do not see the date of today.',
  make: ({ file, why }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: 'put the tokenizer_config.json or chat_template.jinja of the model in the folder of the tokenizer.json',
  }),
});

export const wordsWithoutTokens = defineCode<{ file: string; count: number }>({
  code: 'LOTR8229',
  severity: 'warning',
  title: 'words have no token, and their tags do not count',
  explain:
    'The tokenizer leaves nothing of some words, such as control characters. There is no position at which their tag could ' +
    'be predicted.',
  make: ({ file, count }) => ({
    message: `${count} words have no token: their tags do not count`,
    at: { kind: 'file', file },
    hint: 'check that the tokenizer is the one of the model',
  }),
});

const LISTED = 12;

/** Up to twelve names. */
function listed(names: readonly string[]): string {
  const more = names.length > LISTED ? `, ... (${names.length})` : '';
  return `${names.slice(0, LISTED).join(', ')}${more}`;
}

export const batchTooLarge = defineCode<{
  rows: number;
  length: number;
  most: number;
  unit?: 'elements';
}>({
  code: 'LOTR8230',
  severity: 'error',
  title: 'a batch has more tokens than lotrc makes',
  explain:
    'A batch is made of rows of one length, with padding. Its size is --batch-size times the longest row, which is at most ' +
    '--max-length, or the length that the model takes. Batches of more than 2^26 tokens, or of tensors with more than 2^28 elements, are refused: they would take all memory.',
  make: ({ rows, length, most, unit = 'tokens' }) => ({
    message: `a batch of ${rows} rows of ${length} ${unit} is too large: at most ${most} ${unit} are possible`,
    hint: 'give a smaller --max-length or --batch-size',
  }),
});
