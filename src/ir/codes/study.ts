import { defineCode } from '../diagnostics.js';

/** Diagnostics 834x: studies of many runs. */

export const badGrid = defineCode<{ file: string; why: string }>({
  code: 'LOTR8340',
  severity: 'error',
  title: 'a grid of runs holds a value that does not fit',
  explain:
    '`lotrc sweep` reads a JSON file with the model, options of `lotrc tune` that all runs have, and a list of values for ' +
    'each option that is tried. Keys are those of docs/options.md; docs/experiments.md shows a grid.',
  make: ({ file, why }) => ({
    message: `the grid does not fit: ${why}`,
    at: { kind: 'file', file },
    hint: 'docs/experiments.md shows what a grid holds',
  }),
});

export const studyDiffers = defineCode<{ folder: string; resumed: boolean }>({
  code: 'LOTR8341',
  severity: 'error',
  title: 'a folder holds another study',
  explain:
    'The folder of a study keeps its grid. --resume goes on with the runs that are missing or failed, and takes the same grid ' +
    'and model only: rows of two grids in one table would be compared as if they were one study.',
  make: ({ folder, resumed }) => ({
    message: resumed ? 'the study in the folder has another grid or model' : 'the folder holds a study',
    at: { kind: 'file', file: folder },
    hint: resumed
      ? 'give another folder with -o, or the grid that the study began with'
      : 'give --resume to go on with it, or another folder with -o',
  }),
});

export const studyRunFailed = defineCode<{ run: string; why: string; tries: number }>({
  code: 'LOTR8342',
  severity: 'warning',
  title: 'a run of a study failed',
  explain:
    'Each run is a process of its own. One that crashes is started again; one that ends with a diagnostic is not, since it would ' +
    'end the same. The study goes on, the row says why, and --resume tries the run once more.',
  make: ({ run, why, tries }) => ({
    message: `${run} failed${tries > 1 ? ` ${tries} times` : ''}: ${why}`,
    hint: 'mend what is said, and give --resume',
  }),
});

export const noStudy = defineCode<{ folder: string; why: string }>({
  code: 'LOTR8343',
  severity: 'error',
  title: 'a folder holds no study that can be shown',
  explain:
    '`lotrc table` reads the files runs/*.json that `lotrc sweep` wrote. Columns are the options of the grid, task, round, size ' +
    '(trained parameters) and the metrics.',
  make: ({ folder, why }) => ({
    message: `there is nothing to show: ${why}`,
    at: { kind: 'file', file: folder },
    hint: 'give the folder of -o of `lotrc sweep`, and columns that its runs have',
  }),
});
