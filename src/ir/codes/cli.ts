import { defineCode } from '../diagnostics.js';

/** Diagnostics 8xxx (command line and host) and 9xxx (internal). */

export const usage = defineCode<{ problem: string; hint?: string | undefined }>({
  code: 'LOTR8001',
  severity: 'error',
  title: 'the command line is not valid',
  explain:
    'A command or option is unknown, an argument is missing, or a value is not of the kind that the option takes. ' +
    'The exit code is 2. `lotrc --help` lists the commands, `lotrc COMMAND --help` the options of one, with examples.',
  make: ({ problem, hint }) => ({
    message: problem,
    hint: hint ?? '`lotrc --help` lists commands and options',
  }),
});

export const unknownCode = defineCode<{ word: string; near: readonly string[] }>({
  code: 'LOTR8002',
  severity: 'error',
  title: 'there is no diagnostic with this code',
  explain:
    '`lotrc explain` takes the code of a diagnostic, such as LOTR3006 (or 3006). `lotrc explain` alone lists them all.',
  make: ({ word, near }) => ({
    message: `there is no diagnostic ${JSON.stringify(word)}`,
    hint: `${near.length > 0 ? `the closest ${near.length === 1 ? 'is' : 'are'} ${near.join(', ')}; ` : ''}\`lotrc explain\` lists all`,
  }),
});

/** The version of onnxruntime-node that lotrc is tested with. */
const ORT_VERSION = '1.30.0';

/** `why`: null where the package is not there. */
export const hostMissing = defineCode<{ why: string | null }>({
  code: 'LOTR8003',
  severity: 'error',
  title: 'ONNX Runtime cannot be started',
  explain:
    '`lotrc verify`, `train`, `eval`, `check` and `diff --numbers` run models with the package onnxruntime-node, which lotrc does ' +
    'not install by itself: it is ten times as large as lotrc. It is not installed, not for this platform, or its native library ' +
    'does not load. The other commands work without it. On Linux its installation also downloads libraries for graphics cards, several ' +
    'hundred megabytes, unless the environment has ONNXRUNTIME_NODE_INSTALL=skip.',
  make: ({ why }) => ({
    message:
      why === null
        ? 'the package onnxruntime-node, which runs models, is not installed'
        : `ONNX Runtime cannot be started: ${why}`,
    hint: `run \`npm install onnxruntime-node@${ORT_VERSION}\` where lotrc is installed`,
  }),
});

export const ortRefused = defineCode<{ file: string; doing: 'load' | 'run'; why: string }>({
  code: 'LOTR8004',
  severity: 'error',
  title: 'ONNX Runtime refuses the model',
  explain:
    'ONNX Runtime could not load the model, or could not run it on the chosen inputs; the message quotes its reason. A model that loads and does not run often needs other inputs: extents that fit each other, or values ' +
    'in a range that only its user knows. Give them with --dim and --inputs.',
  make: ({ file, doing, why }) => ({
    message: `ONNX Runtime cannot ${doing} the model: ${why}`,
    at: { kind: 'file', file },
    hint:
      doing === 'load'
        ? 'check that the file is complete, and that ONNX Runtime 1.30 knows its operators'
        : 'set extents with --dim NAME=N, or give inputs with --inputs FILE.safetensors',
  }),
});

export const hostCrashed = defineCode<{ file: string; how: string }>({
  code: 'LOTR8005',
  severity: 'error',
  title: 'the process that ran ONNX Runtime ended',
  explain:
    'ONNX Runtime brought its process down (a crash, or not enough memory). lotrc runs it in a process of its own so ' +
    'that this can be reported. Some damaged or unusual models do this.',
  make: ({ file, how }) => ({
    message: `ONNX Runtime ended ${how} while it worked on the model`,
    at: { kind: 'file', file },
    hint: 'check that the memory suffices; otherwise report the model to the ONNX Runtime project',
  }),
});

export const hostTimeout = defineCode<{ file: string; seconds: number }>({
  code: 'LOTR8013',
  severity: 'error',
  title: 'a run in ONNX Runtime takes too long',
  explain:
    'Loading a model and running it once took longer than --timeout (five minutes unless it is given), and lotrc ended the ' +
    'process that ran it. The model may hold a Loop that never ends, or the inputs may be very large.',
  make: ({ file, seconds }) => ({
    message: `ONNX Runtime was ended: the run took longer than ${seconds} seconds`,
    at: { kind: 'file', file },
    hint: 'choose smaller extents with --dim NAME=N, or allow more time with --timeout SECONDS',
  }),
});

export const inputsDiffer = defineCode<{ name: string; why: string }>({
  code: 'LOTR8006',
  severity: 'error',
  title: 'the two models do not take the same inputs',
  explain:
    '`lotrc verify A B` runs both models on the same inputs, so every input that has no default must be in both, with ' +
    'one element type. Factors that a model written with --factors inputs takes are read from the adapter file that ' +
    'is given with --adapter-a or --adapter-b.',
  make: ({ name, why }) => ({
    message: `input "${name}" ${why}`,
    at: { kind: 'value', name },
    hint: 'compare a model with its base; give factors that are inputs with --adapter-a or --adapter-b',
  }),
});

export const outputsDiffer = defineCode<{ name: string; why: string }>({
  code: 'LOTR8007',
  severity: 'error',
  title: 'the two models do not have the same outputs',
  explain: 'An output of one model is missing in the other, or has another element type or shape there.',
  make: ({ name, why }) => ({
    message: `output "${name}" ${why}`,
    at: { kind: 'value', name },
    hint: 'compare two versions of one model',
  }),
});

export const cannotFeed = defineCode<{ name: string; why: string }>({
  code: 'LOTR8008',
  severity: 'error',
  title: 'an input cannot be made or does not fit',
  explain:
    '`lotrc verify` makes random tensors of the types that the model declares. Inputs that are not tensors, hold ' +
    'strings, or have no declared rank must be given in a safetensors file, named as the inputs are.',
  make: ({ name, why }) => ({
    message: `no value for input "${name}": ${why}`,
    at: { kind: 'value', name },
    hint: 'give the inputs with --inputs FILE.safetensors',
  }),
});

export const tooDifferent = defineCode<{ name: string; difference: string; tolerance: number }>({
  code: 'LOTR8009',
  severity: 'error',
  title: 'the outputs of the two models differ',
  explain:
    'The largest difference of an output, divided by its largest magnitude, is over the tolerance: --tolerance, or 1e-4, ' +
    '0.01 where a model computes in float16, 0.08 in bfloat16. Two forms of one computation differ by rounding; a larger ' +
    'difference has another cause.',
  make: ({ name, difference, tolerance }) => ({
    message: `output "${name}" differs by ${difference} relative to its largest magnitude; the tolerance is ${tolerance}`,
    at: { kind: 'value', name },
    hint: 'raise --tolerance if rounding explains it',
  }),
});

export const unknownDim = defineCode<{ dim: string; known: readonly string[] }>({
  code: 'LOTR8010',
  severity: 'error',
  title: '--dim names a dimension that the model does not have',
  explain:
    '--dim NAME=N sets the extent of a symbolic dimension of the inputs. `lotrc inspect` lists their names.',
  make: ({ dim, known }) => ({
    message: `no input has a dimension named ${JSON.stringify(dim)}`,
    hint:
      known.length > 0
        ? `the inputs have ${known.map((name) => JSON.stringify(name)).join(', ')}`
        : 'all extents are fixed',
  }),
});

export const otherExtents = defineCode<{ dims: ReadonlyMap<string, number> }>({
  code: 'LOTR8011',
  severity: 'remark',
  title: 'the models were compared on other extents than the usual ones',
  explain:
    '`lotrc verify` chooses 2 for a batch and 8 for other symbolic dimensions. A model that loads and does not run on ' +
    'these is tried with a batch of one, and with one number for all dimensions. --dim sets them.',
  make: ({ dims }) => ({
    message: `the models do not run with the usual extents and were compared with ${[...dims].map(([name, extent]) => `${name}=${extent}`).join(', ')}`,
    hint: 'set extents with --dim NAME=N',
  }),
});

export const notCompared = defineCode<{ names: readonly string[] }>({
  code: 'LOTR8012',
  severity: 'warning',
  title: 'outputs that are not tensors were not compared',
  explain:
    'Sequences, maps and optional values cannot be read through the JavaScript interface of ONNX Runtime. `lotrc verify` ' +
    'compares the other outputs. A ZipMap of a classifier is such an output: export it with zipmap off to compare ' +
    'its probabilities.',
  make: ({ names }) => ({
    message: `not compared, because they are not tensors: ${names.map((name) => `"${name}"`).join(', ')}`,
    hint: 'compare these outputs in Python, or export the model with tensors in their place',
  }),
});

export const nanMeetsNan = defineCode<{ name: string; count: number; size: number }>({
  code: 'LOTR8014',
  severity: 'warning',
  title: 'an output is NaN in both models in the same places',
  explain:
    '`lotrc verify` takes NaN for equal to NaN, as two forms of one computation give it on the same inputs. Such elements say ' +
    'nothing about whether the models agree: an error in one of them would be hidden. Random inputs may lie outside what the ' +
    'model can compute (a logarithm of negative numbers), or a weight is NaN.',
  make: ({ name, count, size }) => ({
    message: `output "${name}" is NaN in both models in ${count} of ${size} elements, which were not compared`,
    at: { kind: 'value', name },
    hint: 'give inputs that the model can compute with --inputs FILE.safetensors',
  }),
});

export const badOption = defineCode<{ option: string; why: string }>({
  code: 'LOTR8015',
  severity: 'error',
  title: 'an option of a function has a value that it does not take',
  explain:
    'A program gave a function of lotrc a value that is out of the range of its option, or of another type. The command line ' +
    'has the same options with the same ranges and refuses such values as LOTR8001. docs/options.md lists them all.',
  make: ({ option, why }) => ({
    message: `option "${option}" ${why}`,
    hint: 'docs/options.md lists every option with its range and default',
  }),
});

export const internal = defineCode<{ what: string; file: string | null }>({
  code: 'LOTR9002',
  severity: 'error',
  title: 'lotrc failed with an internal error',
  explain:
    'A check inside lotrc failed: this is a bug in lotrc, not a fault of the model or the command. The exit code is 70. The ' +
    'report names the version, the command and the place in the code; it contains nothing from the model.',
  make: ({ what, file }) => ({
    message: `internal error: ${what}`,
    ...(file === null ? {} : { at: { kind: 'file', file } as const }),
    hint: file === null ? 'please report this' : 'please report this with the file above',
  }),
});
