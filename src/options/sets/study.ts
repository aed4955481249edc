import { defineOptions } from '../define.js';
import { file, flag, folder, names, text, whole, word } from '../types.js';
import { TABLE_FORMATS } from '../words.js';
import { CLOBBER } from './shared.js';

/** sweep and table: studies of many runs. */

export const SWEEP = defineOptions({
  output: {
    type: folder('folder'),
    short: 'o',
    required: true,
    doc: 'folder of the study: a file for each run, runs.parquet with all rows',
  },
  jobs: { type: whole(1), default: 1, doc: 'runs at a time, each in a process of its own' },
  retries: { type: whole(), default: 1, doc: 'how often a run whose process crashed is started again' },
  resume: {
    type: flag,
    default: false,
    doc: 'go on with the study in the folder: runs that are missing or failed',
  },
  json: { type: flag, default: false, doc: 'print the records as JSON (version 1)' },
});

export const TABLE = defineOptions({
  by: {
    type: names('a,b', true),
    doc: 'columns that make the rows of the table: options of the grid, task, round, size (default: the options of the grid but seed, and task)',
  },
  metric: {
    type: text('name'),
    default: 'loss',
    doc: 'the number that is summed up: a metric of the parameters that were kept, or of the last evaluation (last_accuracy)',
  },
  format: {
    type: word('format', TABLE_FORMATS),
    doc: 'markdown, csv, json, parquet or html, which has charts (default: as the ending of -o says, else markdown)',
  },
  output: {
    type: file,
    short: 'o',
    doc: 'file for the table: .md, .csv, .json, .parquet or .html (default: stdout)',
  },
  ...CLOBBER,
});
