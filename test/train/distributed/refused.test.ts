import { describe, expect, test } from 'vitest';
import { runMain } from '../../support/mpi.js';

// What --distributed says before it has a group, on a machine with or without MPI.

const COMMAND = ['train', 'nowhere', '--data', 'none.jsonl', '--distributed', 'mpi'];

/** A process without the package koffi. */
const HIDDEN = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`
    export async function resolve(name, context, next) {
      if (name !== 'koffi') return next(name, context);
      throw Object.assign(new Error("Cannot find package 'koffi'"), { code: 'ERR_MODULE_NOT_FOUND' });
    }\`));
`)}`;

describe('--distributed mpi', () => {
  test.each([
    ['outside mpirun', {}, [], /^error LOTR8260: .*not started by mpirun.*\n {2}hint: .*mpirun -n 4/],
    [
      'without koffi',
      { PMI_RANK: '0' },
      ['--import', HIDDEN],
      /^error LOTR8261: .*koffi.*not installed\n {2}hint: run `npm install koffi@/,
    ],
    [
      'without a library',
      { PMI_RANK: '0', LOTRC_MPI_LIBRARY: '/nowhere/libmpi.so' },
      [],
      /^error LOTR8262: .*\n {2}note: tried \/nowhere\/libmpi\.so\n {2}hint: install MPI/,
    ],
    [
      'with a library of something else',
      { PMI_RANK: '0', LOTRC_MPI_LIBRARY: 'libc.so.6' },
      [],
      /^error LOTR8263: libc\.so\.6 has no function MPI_Get_library_version/,
    ],
  ])('%s', (_, environment, nodeWords, said) => {
    const { code, text } = runMain(COMMAND, environment, nodeWords);
    expect(text).toMatch(said);
    expect(code).toBe(1);
  });

  test('--rank-timeout alone is said to have no effect', () => {
    expect(runMain(['train', 'nowhere', '--data', 'none.jsonl', '--rank-timeout', '9']).text).toMatch(
      /--rank-timeout .*one process trains alone/,
    );
  });
});
