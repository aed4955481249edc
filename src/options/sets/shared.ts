import { file, flag, text, word } from '../types.js';
import { WEIGHTS_MODES } from '../words.js';

/** What several commands have, so that it reads the same everywhere. */

/** `--weights`. */
export const weightsMode = word('mode', WEIGHTS_MODES);

export const WEIGHTS = {
  weights: {
    type: weightsMode,
    default: 'keep',
    doc: 'weights of the base: keep (stored as in the base), link (referred to in the base file), copy (into a .data file), inline',
  },
} as const;

/** How passes are watched. */
export const WATCH = {
  printIrAfter: {
    type: text('which'),
    doc: 'print the model to stderr after passes: changed, all, or names separated by commas',
  },
  time: { type: flag, default: false, doc: 'print the time of each pass to stderr' },
} as const;

/** The report as JSON. */
export const REPORT = { json: { type: flag, default: false, doc: 'print the report as JSON' } } as const;

/** Files that are there already. */
export const CLOBBER = {
  clobber: { flag: 'no-clobber', type: flag, default: true, doc: 'refuse to replace files that are there' },
} as const;

/** An output file with its usual name. */
export const outputOption = <const D extends string>(doc: D) => ({ type: file, short: 'o', doc }) as const;

/** Options of a command line alone: where it writes, and what it prints on the way. What runs a command's work itself has its own. */
export const OF_COMMAND = ['output', 'clobber', 'printIrAfter', 'time', 'json'] as const;
