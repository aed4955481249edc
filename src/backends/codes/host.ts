import { defineCode, explainCode } from '../../ir/diagnostics.js';

/** Diagnostics 811x (running training graphs). */

const HINTS: Readonly<Record<string, string>> = {
  cuda: 'fetch the CUDA libraries with `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node` (linux-x64), or take --ep cpu',
  webgpu:
    'the WebGPU provider needs a graphics driver with Vulkan, Metal or Direct3D 12; --ep cpu runs everywhere',
};

export const cannotRun = defineCode<{ file: string; why: string; ep: string }>({
  code: 'LOTR8110',
  severity: 'error',
  make: ({ file, why, ep }) => ({
    message: `ONNX Runtime cannot load the graph on the ${ep} provider: ${why.replace(/\s+/g, ' ')}`,
    at: { kind: 'file', file },
    hint: HINTS[ep] ?? 'check that every file of "base" in signature.json is in the folder',
  }),
});

explainCode(cannotRun, {
  title: 'ONNX Runtime refuses a training graph',
  explain:
    'A graph of the training directory cannot be loaded. The base weights may have been moved away, the execution provider ' +
    'may not be there on this machine, or the runtime may be older than the operator set of the model.',
});

export const stepFails = defineCode<{ file: string; shapes: string; why: string }>({
  code: 'LOTR8111',
  severity: 'error',
  make: ({ file, shapes, why }) => ({
    message: `ONNX Runtime cannot run the graph on ${shapes}: ${why.replace(/\s+/g, ' ')}`,
    at: { kind: 'file', file },
    hint: 'check that the tokenizer is the one of the model; shorten with --max-length, or make --batch-size smaller',
  }),
});

explainCode(stepFails, {
  title: 'ONNX Runtime cannot run a training graph on this batch',
  explain:
    'ONNX Runtime failed on the data of this batch: token ids beyond the embedding table, sequences longer than the ' +
    "model's positions, a batch of another size than the model has, or more memory than there is.",
});

export const graphsEnded = defineCode<{
  folder: string;
  how: string;
  /** the run that it was part of; its steps so far, and the one of the last checkpoint */
  run?: { readonly step: number; readonly total: number; readonly saved: number | null };
}>({
  code: 'LOTR8112',
  severity: 'error',
  title: 'the process that runs the training graphs ended',
  explain:
    'Training graphs run in a process of their own, so that its end can be reported: a crash in the native code of ONNX ' +
    'Runtime, too little memory (the system, or lotrc at 90 % of the memory, ends it with SIGKILL), or a signal from outside. What a run ' +
    'has written stays: --resume goes on from the last checkpoint, with the bits of a run that was not disturbed.',
  make: ({ folder, how, run }) => ({
    message: `the process that runs the training graphs ended ${how}${
      run ? ` after step ${run.step} of ${run.total}` : ''
    }`,
    at: { kind: 'file', file: folder },
    notes: run
      ? [
          {
            message:
              run.saved === null
                ? 'there is no checkpoint yet'
                : `the last checkpoint is of step ${run.saved}`,
          },
        ]
      : [],
    hint: [
      ...(how.includes('SIGKILL') ? ['check that the memory suffices'] : []),
      run
        ? run.saved === null
          ? 'start the run again'
          : 'resume it with --resume'
        : 'if it happens again, report the graphs to the ONNX Runtime project',
    ].join('; '),
  }),
});

export const noDevice = defineCode<{ ep: string; host: string; ranks: number; devices: number }>({
  code: 'LOTR8272',
  severity: 'error',
  title: 'a machine has more ranks than devices',
  explain:
    'With --ep cuda each rank of a machine runs its graphs on a GPU of its own: the first on GPU 0 of those that its process sees, the ' +
    'next on GPU 1. CUDA_VISIBLE_DEVICES says which ones a process sees; launchers set it where they give GPUs to ranks. Two ranks on one ' +
    'GPU would be slower than one. ONNX Runtime for WebGPU takes no number of a device, so there a machine has one rank.',
  make: ({ ep, host, ranks, devices }) => ({
    message: `${ranks} ranks on ${host} would share ${devices === 1 ? 'one device' : `${devices} devices`} of --ep ${ep}`,
    hint:
      ep === 'cuda'
        ? 'start as many ranks on each machine as it has GPUs: mpirun -n 8 -H gpu1:4,gpu2:4'
        : 'start one rank on each machine, or give --ep cuda or --ep cpu',
  }),
});
