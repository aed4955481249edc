import { defineCode } from '../diagnostics.js';

/** Diagnostics 40xx (passes) and 90xx (internal). */

export const unknownPass = defineCode<{ name: string; near: readonly string[] }>({
  code: 'LOTR4001',
  severity: 'error',
  title: 'there is no pass of that name',
  explain: 'A pipeline names passes, separated by commas. `lotrc passes` lists them with their options.',
  make: ({ name, near }) => ({
    message: `there is no pass "${name}"`,
    hint: near.length > 0 ? `did you mean ${near.join(' or ')}?` : '`lotrc passes` lists them',
  }),
});

export const passError = defineCode<{ pass: string; why: string }>({
  code: 'LOTR4002',
  severity: 'error',
  title: 'a pipeline is not valid',
  explain:
    'A pipeline is `pass,pass{option=value,...},...`. Values with commas, braces, quotes or spaces are written as JSON ' +
    'strings, lists as JSON arrays of strings.',
  make: ({ pass, why }) => ({
    message: `pass "${pass}": ${why}`,
    hint: '`lotrc passes` shows every option with its values',
  }),
});

export const notReady = defineCode<{ pass: string; why: string; hint: string }>({
  code: 'LOTR4003',
  severity: 'error',
  title: 'a pass needs another one before it',
  explain:
    'Passes say what must be true of a model before them: that it has a plan of adapters, or that adapted layers are ' +
    'lotrc::LoTRLinear. `lotrc passes` shows it.',
  make: ({ pass, why, hint }) => ({ message: `pass "${pass}": ${why}`, hint }),
});

export const internalError = defineCode<{ pass: string; why: string; reproducer: string | null }>({
  code: 'LOTR9001',
  severity: 'error',
  title: 'a pass failed with an internal error',
  explain:
    'A pass ended with an internal error: this is a bug in lotrc, not a fault of your model. When a reproducer was written ' +
    'it holds the textual IR before the pass and the command to repeat the failure; weights are not in it.',
  make: ({ pass, why, reproducer }) => ({
    message: `pass "${pass}" failed: ${why}`,
    hint:
      reproducer === null
        ? 'please report this with the model, or with its `lotrc print` text'
        : `please report this with ${reproducer}, which repeats it`,
  }),
});
