import { defineOptions } from '../../options/define.js';
import { SELECT } from '../../options/sets/adapters.js';
import { CLOBBER, REPORT } from '../../options/sets/shared.js';
import { doubling, extents, file, names, whole, word } from '../../options/types.js';
import { NODE_EPS } from '../execution-providers.js';

/** bench: what times models in ONNX Runtime. */
export const BENCH = defineOptions({
  output: {
    type: file,
    short: 'o',
    doc: 'file for the rows: .json, .csv, or .html with charts',
  },
  ranks: {
    type: doubling(),
    default: [8],
    doc: 'ranks of the adapters: 8,32 or 8..128, which is 8,16,32,64,128 (each twice the one before)',
  },
  methods: { type: names('a,b', true), default: ['lotr'], doc: 'methods of the adapters: lotr,lora' },
  targets: SELECT.targets,
  exclude: SELECT.exclude,
  batch: {
    type: doubling(),
    doc: 'extents of the first dimension of the inputs: 1,16 (the default) or 1..16',
  },
  seq: {
    type: doubling(),
    doc: 'extents of their second dimension: 128 (the default) or 32..512',
  },
  dims: {
    flag: 'dim',
    type: extents('name=n'),
    doc: 'extent of another symbolic dimension, repeatable',
  },
  repeat: { type: whole(1), default: 5, doc: 'processes for each number, in turns' },
  runs: { type: whole(1), default: 3, doc: 'forward passes of a process, after one that is not counted' },
  threads: { type: whole(), default: 0, doc: 'threads of ONNX Runtime; 0: one per core' },
  ep: { type: word('provider', NODE_EPS), default: 'cpu', doc: 'cpu, cuda or webgpu' },
  ...CLOBBER,
  ...REPORT,
});
