import { defineCode } from '../diagnostics.js';

/** Diagnostics 825x (token ids of texts, and what encoder-decoder models need). */

export const idOutOfRange = defineCode<{ input: string; id: number; rows: number; place: number }>({
  code: 'LOTR8250',
  severity: 'error',
  title: 'an id is outside the table of the model',
  explain:
    'Token ids, token types and positions choose rows of tables of the model (embeddings). An id below 0 or behind the last ' +
    'row means that the tokenizer belongs to another model, or that rows are longer than the positions that the model knows.',
  make: ({ input, id, rows, place }) => ({
    message: `the input ${JSON.stringify(input)} has ${id} at place ${place} of a row, and its table has ${rows} rows`,
    hint: /position/i.test(input)
      ? `give --max-length ${rows}`
      : 'use the tokenizer that was published with the model',
  }),
});
