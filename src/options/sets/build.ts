import { defineOptions } from '../define.js';
import { file, flag, text, whole, word } from '../types.js';
import { CONFIG_FORMATS } from '../words.js';
import { CLOBBER, outputOption } from './shared.js';

/** init, build, check, diff: what writes a config, runs its steps, and compares what they make. */

/** Which config, and how its steps run. */
const STEPS = defineOptions({
  config: {
    type: file,
    doc: 'the config (default: lotrc.config.ts, .mjs or .json in the working folder)',
  },
  cache: {
    type: text('dir'),
    doc: 'folder of the cache (default: node_modules/.cache/lotrc in the folder of the package.json above the config)',
  },
  jobs: { type: whole(1), doc: 'steps that run at a time (default: one for each core)' },
});

export const INIT = defineOptions({
  output: outputOption('the config, or a folder for it; by default lotrc.config.ts in the working folder'),
  format: {
    type: word('format', CONFIG_FORMATS),
    default: 'ts',
    doc: 'ts or mjs, with comments that say why; json, without',
  },
  data: {
    type: file,
    doc: 'data to train on (default: the only .jsonl, .csv or .tsv file in the folder of the config or its folder data)',
  },
  tokenizer: {
    type: file,
    doc: 'tokenizer of the model (default: tokenizer.json in the folder of the model, or above it)',
  },
  force: { type: flag, default: false, doc: 'replace a config that is there' },
  ...CLOBBER,
});

export const BUILD = defineOptions({
  ...STEPS,
  force: { type: flag, default: false, doc: 'run every step, whatever is in the cache' },
  ...CLOBBER,
  dryRun: { type: flag, default: false, doc: 'say what would be made, with counts, and write nothing' },
  watch: { type: flag, default: false, doc: 'build again when the config or a file that it names changes' },
  depfile: {
    type: file,
    doc: 'write a rule for Make or Ninja: the outputs and every file that they depend on',
  },
  json: { type: flag, default: false, doc: 'print JSON (version 1)' },
});

export const CHECK = defineOptions({
  ...STEPS,
  update: { type: flag, default: false, doc: 'write the golden files that are missing or differ' },
  ...CLOBBER,
});

export const DIFF = defineOptions({
  numbers: { type: flag, default: false, doc: 'also run both on the same inputs, as `lotrc verify` does' },
  json: { type: flag, default: false, doc: 'print JSON (version 1)' },
});
