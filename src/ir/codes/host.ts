import { defineCode } from '../diagnostics.js';

/** Diagnostics 811x (running training graphs). */

export const cannotRun = defineCode<{ file: string; why: string; ep: string }>({
  code: 'LOTR8110',
  severity: 'error',
  title: 'ONNX Runtime refuses a training graph',
  explain:
    'A graph of the training directory cannot be loaded. The base weights may have been moved away, the execution provider ' +
    'may not be there on this machine, or the runtime may be older than the operator set of the model.',
  make: ({ file, why, ep }) => ({
    message: `ONNX Runtime cannot load the graph on the ${ep} provider: ${why.replace(/\s+/g, ' ')}`,
    at: { kind: 'file', file },
    hint: 'check that every file of "base" in signature.json is in the folder; see the README for CUDA and WebGPU',
  }),
});
