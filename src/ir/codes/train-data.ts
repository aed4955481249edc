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
