import { defineCode } from '../diagnostics.js';

/** Diagnostics 83xx: configs and builds. */

export const noConfig = defineCode<{ folder: string; found: readonly string[] }>({
  code: 'LOTR8301',
  severity: 'error',
  title: 'there is no config to build from',
  explain:
    '`lotrc build` reads lotrc.config.ts, lotrc.config.mjs or lotrc.config.json in the working folder, or the file that ' +
    '--config names. There must be one of them, and only one.',
  make: ({ folder, found }) => ({
    message:
      found.length === 0
        ? 'there is no lotrc.config.ts, lotrc.config.mjs or lotrc.config.json'
        : `there are several configs: ${found.join(', ')}`,
    at: { kind: 'file', file: folder },
    hint:
      found.length === 0 ? 'write one (docs/build.md), or name it with --config' : 'name one with --config',
  }),
});

export const badConfig = defineCode<{
  file: string;
  path: string;
  why: string;
  hint?: string | undefined;
}>({
  code: 'LOTR8302',
  severity: 'error',
  title: 'a config holds a value that does not fit',
  explain:
    'A name in the config is unknown, a value is of another kind than the option takes, or something that must be given is ' +
    'missing. The message begins with the path in the config. The options of a step are those of its command, by the keys in ' +
    'docs/options.md; docs/config.schema.json lets editors check them.',
  make: ({ file, path, why, hint }) => ({
    message: path === '' ? `the config ${why}` : `${path} ${why}`,
    at: { kind: 'file', file },
    hint: hint ?? 'docs/build.md shows what a config holds',
  }),
});

export const configFails = defineCode<{ file: string; why: string }>({
  code: 'LOTR8303',
  severity: 'error',
  title: 'a config cannot be loaded',
  explain:
    'The config cannot be read, is not valid TypeScript, JavaScript or JSON, imports something that is not there, or ends in an ' +
    'error when it is run. The message quotes the reason.',
  make: ({ file, why }) => ({
    message: `the config cannot be loaded: ${why}`,
    at: { kind: 'file', file },
    hint: 'a config exports its value: `export default defineConfig({ models: { ... } })`',
  }),
});

export const stepEnded = defineCode<{ step: string; how: string }>({
  code: 'LOTR8304',
  severity: 'error',
  title: 'the process of a build step ended',
  explain:
    'The steps of `lotrc build` run in processes of their own. This one ended before its step did: it was killed, or there was ' +
    'not enough memory. What it had not finished was not written. Fewer steps at a time (--jobs) need less memory.',
  make: ({ step, how }) => ({
    message: `the process of the step ${JSON.stringify(step)} ended ${how}`,
    hint: 'run the build again, with --jobs 1 where memory is short',
  }),
});

export const goldenDiffers = defineCode<{ file: string; what: string }>({
  code: 'LOTR8305',
  severity: 'error',
  title: 'an output is not as its golden file says',
  explain:
    '`lotrc check` compares what a config makes with files that were committed: adapters, nodes, digests of tensors, and outputs ' +
    'on recorded inputs. What differs is printed. When the change is meant, `lotrc check --update` writes the files again; read ' +
    'their diff before it is committed.',
  make: ({ file, what }) => ({
    message: `what was built differs in ${what}`,
    at: { kind: 'file', file },
    hint: 'when this is meant, run `lotrc check --update` and read the diff',
  }),
});

export const goldenMissing = defineCode<{ file: string }>({
  code: 'LOTR8306',
  severity: 'error',
  title: 'a golden file is missing',
  explain:
    '`lotrc check` compares what a config makes with files that were committed, and one of them is not there: the config makes ' +
    'something new, or the file was not committed.',
  make: ({ file }) => ({
    message: 'there is no such golden file',
    at: { kind: 'file', file },
    hint: 'run `lotrc check --update` to write it, and commit it',
  }),
});

export const configExists = defineCode<{ file: string }>({
  code: 'LOTR8307',
  severity: 'error',
  title: 'there is a config already',
  explain:
    '`lotrc init` writes a new config, and one is there: lotrc.config.ts, lotrc.config.mjs or lotrc.config.json in the folder. ' +
    '`lotrc build` takes only one. --force replaces the file that `lotrc init` would write; another form must be removed first.',
  make: ({ file }) => ({
    message: 'there is a config already, and it was not changed',
    at: { kind: 'file', file },
    hint: 'run `lotrc build` with it, remove it, or replace it with --force',
  }),
});

export const noModelHere = defineCode<{ folder: string; found: readonly string[] }>({
  code: 'LOTR8308',
  severity: 'error',
  title: 'a folder does not say which model is meant',
  explain:
    'A folder in place of a model means the model.onnx in it, else onnx/model.onnx, else the only .onnx file in it or in ' +
    'its folder models. Models that lotrc wrote (.lotr.onnx, .merged.onnx, .base.onnx) are not looked for. There is none, or there ' +
    'are several.',
  make: ({ folder, found }) => ({
    message:
      found.length === 0
        ? 'the folder holds no .onnx file'
        : `the folder holds several models: ${found.slice(0, 8).join(', ')}${found.length > 8 ? ', ...' : ''}`,
    at: { kind: 'file', file: folder },
    hint: 'give the path of the model',
  }),
});

export const cannotTune = defineCode<{ file: string; about: string }>({
  code: 'LOTR8309',
  severity: 'error',
  title: 'it is not clear what a model is to be trained for',
  explain:
    '`lotrc tune` chooses the loss from the inputs and outputs of the model: classes, numbers, tags, the next token, the text of a ' +
    'decoder, vectors, or the start and end of an answer. This model has other outputs, or predicts masked tokens, which data files of ' +
    'lotrc do not say. --loss says what it is trained for, with --logits, --shift and --mask as `lotrc emit onnx-train` has them.',
  make: ({ file, about }) => ({
    message: `the model ${about}, and that says nothing about the loss`,
    at: { kind: 'file', file },
    hint: 'give --loss KIND, and --logits OUTPUT where it has several outputs',
  }),
});

export const badRecord = defineCode<{ file: string }>({
  code: 'LOTR8310',
  severity: 'error',
  title: 'a file does not hold recorded numbers',
  explain:
    '`lotrc verify MODEL --against FILE` and `lotrc check` compare the outputs of a model with those that were recorded: a safetensors ' +
    'file with tensors `input/NAME` and `output/NAME`, and the tolerance in its metadata. `lotrc verify MODEL --record FILE` writes one.',
  make: ({ file }) => ({
    message: 'the file has no outputs with a tolerance',
    at: { kind: 'file', file },
    hint: 'record it again: `lotrc verify MODEL --record FILE`',
  }),
});

export const badImport = defineCode<{ request: string; why: string; hint?: string | undefined }>({
  code: 'LOTR8320',
  severity: 'error',
  title: 'the import of a model does not fit',
  explain:
    'With the plugin, `./bert.onnx?lotr&rank=4` imports a model with adapters. Its path begins with ./ or ../, and its options are those of ' +
    '`lotrc rewrite` by the keys in docs/options.md, a list given once for each item. One of them is unknown, does not fit, is missing, or ' +
    'the file is not there.',
  make: ({ request, why, hint }) => ({
    message: `the import ${why}`,
    at: { kind: 'file', file: request },
    hint: hint ?? 'docs/plugin.md shows what an import holds',
  }),
});

export const importTooLarge = defineCode<{ request: string; most: number }>({
  code: 'LOTR8321',
  severity: 'error',
  title: 'a model is too large to be imported',
  explain:
    'With the plugin a model is one file with its weights in it, which the bundler reads into memory. Such a file ends at 2 GiB. ' +
    '`lotrc build` writes a model of any size, with its weights in files of their own (`weights: copy`); copy these to where the ' +
    'site or program is served from, and give the runtime their addresses.',
  make: ({ request, most }) => ({
    message: `the model is too large to be imported: in one file it would have more than ${most} bytes`,
    at: { kind: 'file', file: request },
    hint: 'make it with `lotrc build`, with `weights: copy`, and copy what it writes to where it is served from',
  }),
});
