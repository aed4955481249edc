import { defineOptions } from '../define.js';
import { extents, file, flag, names, real, regex, text, whole, word } from '../types.js';
import { GRAPH_OPTIMIZATIONS, PARQUET_LAYOUTS } from '../words.js';
import { CLOBBER, outputOption, REPORT, WATCH, weightsMode } from './shared.js';

/** inspect, print, verify, run: what looks at any model, compares two, or runs passes on one; logs; the help commands. */

const json = { type: flag, default: false, doc: 'print JSON' } as const;

export const INSPECT = defineOptions({
  json: { ...json, doc: 'print JSON (version 1)' },
  checkWeights: {
    type: flag,
    default: false,
    doc: 'read all weights and report those with NaN or infinite elements',
  },
});

export const PRINT = defineOptions({
  output: outputOption('write to this file instead of stdout'),
  locations: {
    flag: 'no-locations',
    type: flag,
    default: true,
    doc: 'leave out the locations of large tensors; keep their checksums',
  },
  ...CLOBBER,
});

export const VERIFY = defineOptions({
  dims: {
    flag: 'dim',
    type: extents('name=n'),
    doc: 'extent of a symbolic dimension, repeatable (default: 2 for batch, 8 for others)',
  },
  inputs: {
    type: file,
    doc: 'inputs from a .safetensors file, by name; the others are made from the seed',
  },
  adapterA: { type: file, doc: 'factors that model A takes as inputs, from a .safetensors file' },
  adapterB: { type: file, doc: 'factors that model B takes as inputs, from a .safetensors file' },
  seed: { type: whole(), default: 0, doc: 'seed of the random inputs' },
  record: {
    type: file,
    doc: 'write inputs and outputs of one model to this .safetensors file, with the tolerance and a digest of the model',
  },
  against: { type: file, doc: 'compare one model with what --record wrote' },
  tolerance: {
    type: real({ least: 0 }),
    doc: 'largest allowed difference relative to the largest magnitude of an output (default: 1e-4; 0.01 where a model computes in float16, 0.08 in bfloat16)',
  },
  timeout: {
    type: real({ above: 0, most: 86400 }, 'seconds'),
    default: 300,
    doc: 'time that one run of a model may take',
  },
  optimization: {
    type: word('level', GRAPH_OPTIMIZATIONS),
    default: 'all',
    doc: "ONNX Runtime's graph optimisation: disabled, basic, extended or all",
  },
  ...CLOBBER,
  json,
});

export const RUN = defineOptions({
  passes: {
    type: text('pipeline'),
    required: true,
    doc: 'passes with their options: a,b{key=value}; see `lotrc passes`',
  },
  output: outputOption('write the model here (.onnx, or .onnxtxt for text); by default print it as text'),
  weights: {
    type: weightsMode,
    default: 'keep',
    doc: 'weights of the base: keep, link, copy or inline',
  },
  ...CLOBBER,
  ...WATCH,
});

export const TO_PARQUET = defineOptions({
  output: { ...outputOption('the Parquet file'), required: true },
  names: {
    type: names('list', true),
    doc: 'folders between a given folder and an event file become these columns, from the outside in: model,method,task',
  },
  tags: { type: regex(), doc: 'only values whose tag matches, such as ^eval/' },
  layout: {
    type: word('form', PARQUET_LAYOUTS),
    default: 'wide',
    doc: 'wide: a row per step, a column per value; long: a row per value, with its tag',
  },
  index: {
    type: names('list', true),
    doc: 'columns that are the index in pandas, from the outside in: task,lr,rank,seed,step; rows are sorted by them',
  },
  categories: {
    type: flag,
    default: false,
    doc: 'other columns of texts are categories in pandas, polars and others that read through Arrow',
  },
  ...CLOBBER,
  ...REPORT,
});

export const SHOW_LOGS = defineOptions({ names: TO_PARQUET.names, ...REPORT });

export const PASSES = defineOptions({ json });

export const METHODS_SHOWN = defineOptions({ json });

export const EXPLAIN = defineOptions({ json });

/** What every command has. */
export const COMMON = defineOptions({
  diagnostics: {
    type: word('format', ['text', 'json']),
    default: 'text',
    doc: 'how diagnostics appear on stderr: text or json',
  },
  quiet: {
    type: flag,
    default: false,
    short: 'q',
    doc: 'leave out progress, remarks, next steps, and the reports of commands that write files',
  },
  verbose: {
    type: flag,
    default: false,
    short: 'v',
    doc: 'show each of several equal diagnostics, and what each code means',
  },
});
