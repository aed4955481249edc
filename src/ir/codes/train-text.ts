import { defineCode, explainCode } from '../diagnostics.js';

/** Diagnostics 825x (token ids of texts, and what encoder-decoder models need). */

export const idOutOfRange = defineCode<{ input: string; id: number; rows: number; place: number }>({
  code: 'LOTR8250',
  severity: 'error',
  make: ({ input, id, rows, place }) => ({
    message: `the input ${JSON.stringify(input)} has ${id} at place ${place} of a row, and its table has ${rows} rows`,
    hint: /position/i.test(input)
      ? `give --max-length ${rows}`
      : 'use the tokenizer that was published with the model',
  }),
});

explainCode(idOutOfRange, {
  title: 'an id is outside the table of the model',
  explain:
    'Token ids, token types and positions choose rows of tables of the model (embeddings). An id below 0 or behind the last ' +
    'row means that the tokenizer belongs to another model, or that rows are longer than the positions that the model knows.',
});

export const noDecoderStart = defineCode<{ file: string; files: readonly string[] }>({
  code: 'LOTR8251',
  severity: 'error',
  title: 'nothing says which token decoders start with',
  explain:
    'The inputs of a decoder are the labels one place later, after a token that every target starts with: <pad> in T5, </s> ' +
    'in BART and Marian. config.json or generation_config.json in the folder of the tokenizer names its id, decoder_start_token_id; ' +
    '--decoder-start names the token.',
  make: ({ file, files }) => ({
    message:
      files.length === 0
        ? 'there is no config.json in the folder of the tokenizer, and no --decoder-start'
        : 'config.json has no decoder_start_token_id, and there is no --decoder-start',
    at: { kind: 'file', file },
    hint: 'put the config.json of the model in the folder of the tokenizer, or give --decoder-start TOKEN',
  }),
});

export const shiftedTwice = defineCode<Record<never, never>>({
  code: 'LOTR8252',
  severity: 'error',
  title: 'labels of an encoder-decoder are shifted twice',
  explain:
    'The inputs of a decoder are already one place later than its labels, so position t predicts label t. Graphs that were ' +
    'emitted with --shift score position t against label t + 1, which is right for decoders alone.',
  make: () => ({
    message:
      'the training directory was emitted with --shift, and the model has a decoder whose inputs are shifted',
    hint: 'emit the directory without --shift',
  }),
});
