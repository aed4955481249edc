import { defineOptions } from '../define.js';
import { file, flag, text, whole } from '../types.js';

/** build: what runs the steps of a config. */

/** Which config, and where results are kept. */
const CONFIGURED = defineOptions({
  config: {
    type: file,
    doc: 'the config (default: lotrc.config.ts, .mjs or .json in the working folder)',
  },
});

export const BUILD = defineOptions({
  ...CONFIGURED,
  cache: {
    type: text('dir'),
    doc: 'folder of the cache (default: node_modules/.cache/lotrc in the folder of the package.json above the config)',
  },
  jobs: { type: whole(1), doc: 'steps that run at a time (default: one for each core)' },
  force: { type: flag, default: false, doc: 'run every step, whatever is in the cache' },
  dryRun: { type: flag, default: false, doc: 'say what would be made, with counts, and write nothing' },
  watch: { type: flag, default: false, doc: 'build again when the config or a file that it names changes' },
  depfile: {
    type: file,
    doc: 'write a rule for Make or Ninja: the outputs and every file that they depend on',
  },
  json: { type: flag, default: false, doc: 'print JSON (version 1)' },
});
