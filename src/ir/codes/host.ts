import { defineCode } from '../diagnostics.js';

/** Diagnostics 811x (running training graphs). */

const HINTS: Readonly<Record<string, string>> = {
  cuda: 'fetch the CUDA libraries with `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node` (linux-x64), or take --ep cpu',
  webgpu:
    'the WebGPU provider needs a graphics driver with Vulkan, Metal or Direct3D 12; --ep cpu runs everywhere',
};

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
    hint: HINTS[ep] ?? 'check that every file of "base" in signature.json is in the folder',
  }),
});

export const stepFails = defineCode<{ file: string; shapes: string; why: string }>({
  code: 'LOTR8111',
  severity: 'error',
  title: 'ONNX Runtime cannot run a training graph on this batch',
  explain:
    'ONNX Runtime failed on the data of this batch: token ids beyond the embedding table, sequences longer than the ' +
    "model's positions, a batch of another size than the model has, or more memory than there is.",
  make: ({ file, shapes, why }) => ({
    message: `ONNX Runtime cannot run the graph on ${shapes}: ${why.replace(/\s+/g, ' ')}`,
    at: { kind: 'file', file },
    hint: 'check that the tokenizer is the one of the model; shorten with --max-length, or make --batch-size smaller',
  }),
});
