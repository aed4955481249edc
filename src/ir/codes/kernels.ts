import { defineCode } from '../diagnostics.js';

/** Diagnostics 6xxx (kernels). */

export const unknownDevice = defineCode<{
  name: string;
  api: string;
  known: readonly string[];
  near: readonly string[];
}>({
  code: 'LOTR6003',
  severity: 'error',
  title: 'there is no profile of that device or architecture',
  explain:
    'Plans are made for a device of which the rates of arithmetic and memory and the cost of a launch are known. ' +
    'Choose the listed profile that is nearest to the device.',
  make: ({ name, api, known, near }) => ({
    message: `no ${api} profile is called "${name}"`,
    hint: `${near.length > 0 ? `did you mean ${near[0]}? ` : ''}the profiles are ${known.join(', ')}`,
  }),
});
