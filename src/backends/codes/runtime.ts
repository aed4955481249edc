import { listed } from '../../ir/codes/listed.js';
import { defineCode, explainCode } from '../../ir/diagnostics.js';

/** Diagnostics 812x (`lotrc/runtime`: files that are fetched, adapters that are swapped). */

export const cannotFetch = defineCode<{ file: string; why: string }>({
  code: 'LOTR8120',
  severity: 'error',
  make: ({ file, why }) => ({
    message: `the file cannot be fetched: ${why}`,
    at: { kind: 'file', file },
    hint: 'check that the whole folder is served under this address',
  }),
});

explainCode(cannotFetch, {
  title: 'a file cannot be fetched',
  explain:
    '`lotrc/runtime` reads the files of a training directory or a model from the place that the program names: an address, ' +
    'files by name, or a function. This file is not there, or the server did not answer.',
});

export const adapterUnknown = defineCode<{ name: string; known: readonly string[] }>({
  code: 'LOTR8121',
  severity: 'error',
  make: ({ name, known }) => ({
    message: `no adapter ${JSON.stringify(name)} is loaded${known.length > 0 ? `; there are ${listed(known, 5)}` : ''}`,
    hint: `first: await session.load(${JSON.stringify(name)}, bytes)`,
  }),
});

explainCode(adapterUnknown, {
  title: 'no adapter of that name is loaded',
  explain: 'A session chooses adapters by the names under which they were loaded.',
});

export const notSwappable = defineCode<{ file: string; why: string }>({
  code: 'LOTR8122',
  severity: 'error',
  make: ({ file, why }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: 'write the model with `lotrc rewrite BASE --factors inputs`, or `lotrc apply BASE ADAPTER --factors inputs`',
  }),
});

explainCode(notSwappable, {
  title: 'adapters of this model cannot be swapped',
  explain:
    'ONNX Runtime in JavaScript takes other factors only as inputs of the model. `lotrc rewrite --factors inputs` writes such a ' +
    'model; with embedded or optional factors there is nothing that a program could give.',
});

export const cannotMix = defineCode<{ why: string; hint: string }>({
  code: 'LOTR8123',
  severity: 'error',
  make: ({ why, hint }) => ({ message: why, hint }),
});

explainCode(cannotMix, {
  title: 'these adapters cannot be mixed in this model',
  explain:
    'A mix is exact or refused. Where one factor alone differs between adapters, that factor is a weighted sum. Else factors are joined ' +
    'along their ranks, which needs ranks that the model leaves open in every factor, and a single product. A wrap that is not linear ' +
    'in the update cannot be mixed, weighted or switched off.',
});

export const adapterUnfit = defineCode<{ file: string; why: string }>({
  code: 'LOTR8124',
  severity: 'error',
  make: ({ file, why }) => ({
    message: why,
    at: { kind: 'file', file },
    hint: 'convert it for this model: `lotrc convert ADAPTER OUT --model MODEL`',
  }),
});

explainCode(adapterUnfit, {
  title: 'the adapter does not fit the model',
  explain:
    'A session takes adapter files that lotrc wrote for the same layers, methods and types; ranks may differ where the model leaves ' +
    'them open. `lotrc convert ADAPTER OUT --model MODEL` makes such a file of others.',
});

export const noProjection = defineCode<{ kind: string }>({
  code: 'LOTR8125',
  severity: 'error',
  make: ({ kind }) => ({
    message: `the directory was made for --optimizer ${kind}, which projects after each step`,
    hint: 'train with lotrc train, or emit the directory with another --optimizer',
  }),
});

explainCode(noProjection, {
  title: 'lotrc/runtime has no projection',
  explain:
    'Optimizers such as lowrank-adamw and lotr-adamw decompose matrices after each step. lotrc train does so; lotrc/runtime, which pages ' +
    'load, has no decompositions.',
});
