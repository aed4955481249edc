import { defineCode } from '../diagnostics.js';

/** Diagnostics 826x (several processes that train together). */

/** The version of koffi that lotrc is tested with. */
const KOFFI_VERSION = '3.3.4';

export const notLaunched = defineCode<Record<string, never>>({
  code: 'LOTR8260',
  severity: 'error',
  title: '--distributed needs a program that starts the processes',
  explain:
    '`mpirun -n 4 lotrc train ...` starts four processes with the same command line; each learns its rank from the MPI library. ' +
    'The environment of this process has none of the variables by which launchers of MPI programs tell a process that it is ' +
    'one of several, so it would train alone.',
  make: () => ({
    message: '--distributed mpi: this process was not started by mpirun, mpiexec or srun',
    hint: 'start it with `mpirun -n 4 lotrc train ...`, or leave --distributed out',
  }),
});

/** `why`: null where the package is not there. */
export const koffiMissing = defineCode<{ why: string | null }>({
  code: 'LOTR8261',
  severity: 'error',
  title: 'the package that calls the MPI library cannot be loaded',
  explain:
    'lotrc calls the MPI library of the system through the package koffi, which needs no compiler. lotrc does not install it by ' +
    'itself: nothing but --distributed needs it.',
  make: ({ why }) => ({
    message:
      why === null
        ? '--distributed mpi: the package koffi, which calls the MPI library, is not installed'
        : `--distributed mpi: the package koffi, which calls the MPI library, cannot be loaded: ${why}`,
    hint: `run \`npm install koffi@${KOFFI_VERSION}\` where lotrc is installed`,
  }),
});

export const mpiMissing = defineCode<{ tried: readonly string[]; why: string }>({
  code: 'LOTR8262',
  severity: 'error',
  title: 'there is no MPI library that can be loaded',
  explain:
    'An MPI library is part of an installation of Open MPI, MPICH or Intel MPI, with the program mpirun. lotrc looks for it ' +
    'under the usual names where the system looks for libraries. The environment variable LOTRC_MPI_LIBRARY names another file.',
  make: ({ tried, why }) => ({
    message: `no MPI library can be loaded: ${why}`,
    notes: [{ message: `tried ${tried.join(', ')}` }],
    hint: 'install MPI (Debian: openmpi-bin), or give the path of its library in LOTRC_MPI_LIBRARY',
  }),
});

export const mpiUnknown = defineCode<{ library: string; version: string; lacks: string | null }>({
  code: 'LOTR8263',
  severity: 'error',
  title: 'the MPI library has an unknown binary interface',
  explain:
    'The handles of MPI are addresses in Open MPI and whole numbers in MPICH and what is made of it (Intel MPI, MVAPICH, Cray MPICH); ' +
    'libmpi_abi has those of the MPI 5 standard. With wrong handles a program crashes or computes nonsense, so lotrc ' +
    'refuses a library that is none of these, or that lacks a function of MPI 3.',
  make: ({ library, version, lacks }) => ({
    message:
      lacks === null
        ? `${library} is ${JSON.stringify(version)}, whose binary interface lotrc does not know`
        : `${library} has no function ${lacks}`,
    hint: 'take Open MPI, MPICH, Intel MPI or a libmpi_abi, and name its file in LOTRC_MPI_LIBRARY',
  }),
});

export const mpiOther = defineCode<{ library: string; size: number; launched: number }>({
  code: 'LOTR8264',
  severity: 'error',
  title: 'the MPI library is not the one of the launcher',
  explain:
    'mpirun of one installation and the library of another do not find each other: every process is then a group of its own, and ' +
    'each would train alone on all of the data.',
  make: ({ library, size, launched }) => ({
    message: `${launched} processes were started, and ${library} knows of ${size}`,
    hint: 'name the library that belongs to this mpirun in LOTRC_MPI_LIBRARY',
  }),
});

export const mpiFailed = defineCode<{ call: string; why: string }>({
  code: 'LOTR8265',
  severity: 'error',
  title: 'a call of the MPI library failed',
  explain:
    'The MPI library returned an error: most often another process has ended, or the network has. The job ends; the last ' +
    'checkpoint of the run stays and --resume goes on from it.',
  make: ({ call, why }) => ({
    message: `${call} failed: ${why}`,
    hint: 'look for what ended on the other machines, then go on with --resume',
  }),
});

export const rankSilent = defineCode<{ rank: number; size: number; seconds: number }>({
  code: 'LOTR8266',
  severity: 'error',
  title: 'another process of the job does not answer',
  explain:
    'The processes meet several times in a step. This one waited longer for the others than --rank-timeout says: one of them has ended ' +
    'without the launcher noticing, hangs, or is much slower. The job ends; the last checkpoint of the run stays.',
  make: ({ rank, size, seconds }) => ({
    message: `rank ${rank} of ${size} waited ${seconds} s for the others`,
    hint: 'look for the process that hangs, then go on with --resume; for slow machines give a larger --rank-timeout',
  }),
});

export const ranksDiffer = defineCode<{ rank: number; what: readonly string[] }>({
  code: 'LOTR8267',
  severity: 'error',
  title: 'a process of the job has other inputs than rank 0',
  explain:
    'Every process reads the training directory, the data and the tokenizer itself, on its own machine. They must be the ' +
    'same everywhere, byte for byte, and so must the options: otherwise the shares of the ranks would not belong together.',
  make: ({ rank, what }) => ({
    message: `rank ${rank} does not have what rank 0 has`,
    notes: what.map((message) => ({ message })),
    hint: 'copy the files to every machine, or use a shared folder',
  }),
});

export const wholeBatches = defineCode<{ size: number; accumulate: number; why: string }>({
  code: 'LOTR8268',
  severity: 'error',
  title: 'batches cannot be divided, and cannot be dealt out evenly',
  explain:
    'The ranks share the examples of a step. Where the loss of a batch depends on which rows are in it (in-batch negatives, ' +
    'a loss that the model computes), or the model takes batches of one fixed size, batches stay whole and the ranks take turns. A ' +
    'step then needs a number of batches (--accumulate) that is a multiple of the number of ranks.',
  make: ({ size, accumulate, why }) => ({
    message: `${accumulate} batches in a step cannot be dealt out to ${size} ranks, and are not divided: ${why}`,
    hint: `give --accumulate ${Math.ceil(accumulate / size) * size} with a smaller --batch-size, or start another number of ranks`,
  }),
});

export const statesDiffer = defineCode<{ ranks: readonly number[]; step: number }>({
  code: 'LOTR8269',
  severity: 'warning',
  title: 'ranks have other parameters than rank 0',
  explain:
    'Every rank applies the same gradients. Processors of different kinds may round differently, and then parameters drift apart in ' +
    'their last digits. At each checkpoint they are compared, and those of rank 0 replace the others.',
  make: ({ ranks, step }) => ({
    message: `at step ${step} the parameters of rank ${ranks.join(', ')} differ from those of rank 0, which replace them`,
    hint: 'use machines of one kind where bits matter',
  }),
});

export const ranksChanged = defineCode<{ before: number; now: number }>({
  code: 'LOTR8270',
  severity: 'remark',
  title: 'a run goes on with another number of ranks',
  explain:
    'The order of the examples and the examples of each step do not depend on the number of ranks, so any number may go on with a ' +
    'run. Sums are rounded differently: the losses agree to rounding, not in every bit. Masks of Dropout in training mode differ.',
  make: ({ before, now }) => ({
    message: `the run had ${before} rank${before === 1 ? '' : 's'} and goes on with ${now}: same examples, other rounding`,
  }),
});

export const toldToEnd = defineCode<{ step: number; saved: number | null }>({
  code: 'LOTR8271',
  severity: 'remark',
  title: 'the processes of a job were told to end',
  explain:
    'A launcher tells all processes to end when one of them has ended, and on Ctrl-C. The step in progress is finished and a ' +
    'checkpoint written where the other ranks still answer and the launcher leaves the time; otherwise the last checkpoint counts.',
  make: ({ step, saved }) => ({
    message: `told to end after step ${step}: on Ctrl-C, or because another rank ended; ${
      saved === null ? 'there is no checkpoint yet' : `the last checkpoint is that of step ${saved}`
    }`,
    hint: 'resume it with --resume',
  }),
});
