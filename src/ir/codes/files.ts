import { defineCode } from '../diagnostics.js';

/** Diagnostics 7xxx (adapter files). */

export const badSafetensors = defineCode<{ file: string; offset: number; why: string }>({
  code: 'LOTR7001',
  severity: 'error',
  title: 'the file is not a well-formed safetensors file',
  explain:
    'A safetensors file begins with the length of its header (8 bytes), then a JSON header that gives type, shape and ' +
    'place of every tensor, then the data. Here the header is too large, not JSON, or names places that overlap, leave ' +
    'holes, do not fit the shapes, or lie outside the file. The file is damaged or something else.',
  make: ({ file, offset, why }) => ({
    message: `not a well-formed safetensors file: ${why}`,
    at: { kind: 'bytes', file, offset },
    hint: 'check that the file is complete, or write it again',
  }),
});

export const notAnAdapter = defineCode<{ file: string }>({
  code: 'LOTR7002',
  severity: 'error',
  title: 'the safetensors file holds no adapter of lotrc',
  explain:
    'An adapter file carries its plan under __metadata__["lotrc.adapters"]: which layers, which ranks, which base ' +
    'weights. This file has tensors but no plan, so lotrc cannot know where they belong.',
  make: ({ file }) => ({
    message: 'the file holds tensors but no adapter plan of lotrc',
    at: { kind: 'file', file },
    hint: 'give the .safetensors file that `lotrc rewrite`, `extract` or `train` wrote',
  }),
});
