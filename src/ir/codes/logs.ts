import { closest, defineCode } from '../diagnostics.js';

/** Diagnostics 52xx (logs of training runs). */

export const eventsDamaged = defineCode<{
  file: string;
  damages: readonly { readonly at: number; readonly why: string }[];
}>({
  code: 'LOTR5201',
  severity: 'warning',
  title: 'a TensorBoard event file is damaged or ends within a record',
  explain:
    'Every record of an event file carries checksums, and here some do not fit, or the last record is not whole. The ' +
    'program that wrote the file may have been killed or may still be running, or the file may have been damaged in a ' +
    'copy. Records that are whole are used, the others are left out; after a damaged record length nothing can be found.',
  make: ({ file, damages }) => ({
    message: `${damages[0]!.why}${damages.length > 1 ? `, and ${damages.length - 1} more record${damages.length > 2 ? 's' : ''} cannot be used` : ''}`,
    at: { kind: 'bytes', file, offset: damages[0]!.at },
    notes: damages.slice(1, 4).map(({ at, why }) => ({ message: `at byte ${at}: ${why}` })),
    hint: 'what is whole was used; copy the file again if it should have more',
  }),
});

export const noEvents = defineCode<{ path: string; why: string }>({
  code: 'LOTR5202',
  severity: 'error',
  title: 'there is nothing to convert',
  explain:
    'lotrc logs to-parquet takes TensorBoard event files, or folders, which it searches for files with "tfevents" in ' +
    'their name. Nothing was found there, or no file holds a scalar value (a loss, a learning rate) that matches --tags.',
  make: ({ path, why }) => ({
    message: why,
    at: { kind: 'file', file: path },
    hint: 'name an event file, or a folder above some; --tags chooses among the scalars by their tags',
  }),
});

export const badNames = defineCode<{ file: string; names: number; folders: number }>({
  code: 'LOTR5203',
  severity: 'error',
  title: 'an event file has fewer folders above it than --names has names',
  explain:
    'With --names model,method,task the names of the folders between the given folder and each event file become ' +
    'columns, one folder for each name, from the outside in. Every file must lie at least as deep as there are names.',
  make: ({ file, names, folders }) => ({
    message: `${names} names were given, but the file lies ${folders} folder${folders === 1 ? '' : 's'} deep`,
    at: { kind: 'file', file },
    hint: 'give one name for each folder level, or convert the file by itself',
  }),
});

export const badIndex = defineCode<{ name: string; names: readonly string[] }>({
  code: 'LOTR5204',
  severity: 'error',
  title: 'a column of the index is not in the file',
  explain:
    '--index names columns of the Parquet file that pandas makes the index of the data frame: settings of the runs, folders ' +
    'that --names names, step, split and wall_time; with --layout long also tag and value, with --layout wide the measured values.',
  make: ({ name, names }) => {
    const [near] = closest(name, names, 1);
    return {
      message: `the file has no column ${JSON.stringify(name)} for the index`,
      hint:
        near === undefined ? `its columns are ${names.join(', ')}` : `did you mean ${JSON.stringify(near)}?`,
    };
  },
});
