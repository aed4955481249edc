import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../../src/ir/files/json.js';
import { readPosition } from '../../src/train/checkpoint.js';
import { readSignature, signatureSchema } from '../../src/train/read-signature.js';
import { TrainingRun } from '../../src/train/run.js';
import { readSettings, writeSettings } from '../../src/train/settings.js';
import type { Steps } from './commands.js';
import type { Content, Files } from './files.js';
import type { Format } from './format.js';
import { JsonTree, mutateJson } from './mutate-json.js';
import { mutateSafetensors } from './mutate-text.js';
import type { Random } from './random.js';
import type { Seeds } from './seeds.js';
import type { TrainingSeed } from './training-seeds.js';
import { aLink, changedBytes } from './values.js';

/** After this message a run loads its graphs. */
const LOADS_GRAPHS = /trainable parameters\n$/;

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

/** The files of a training folder before something of it is changed. */
export function folderOf(seed: TrainingSeed, random: Random): Map<string, Content> {
  const files = new Map<string, Content>([['in/t/signature.json', Buffer.from(seed.signatureTree.text)]]);
  for (const [name, bytes] of seed.files) files.set(`in/t/${name}`, bytes);
  // a graph that nobody changed may be loaded; that takes longer than all else
  if (random.chance(0.01)) for (const [name, bytes] of seed.graphs) files.set(`in/t/${name}`, bytes);
  return files;
}

/** A data file of a training folder. */
export function dataOf(seed: TrainingSeed, random: Random): readonly [name: string, bytes: Uint8Array] {
  return random.pick([...seed.data]);
}

/** A tokenizer and the files next to it. */
export function tokenizerOf({ tokenizers, configs }: Seeds, random: Random): Map<string, Content> {
  const files = new Map<string, Content>();
  files.set('in/k/tokenizer.json', Buffer.from(random.pick(tokenizers).text));
  for (const [name, tree] of configs) {
    if (random.chance(0.7))
      files.set(`in/k/${name}`, typeof tree === 'string' ? Buffer.from(tree) : Buffer.from(tree.text));
  }
  return files;
}

export const training: Format = {
  name: 'training',
  share: 12,
  make(random, seeds) {
    const seed = random.pick(seeds.training);
    const files = folderOf(seed, random);
    const choice = random.below(12);
    const trees = seeds.training.map(({ signatureTree }) => signatureTree);
    if (choice < 8) {
      const bytes = mutateJson(random, seed.signatureTree, trees);
      files.set('in/t/signature.json', random.chance(0.01) ? aLink(random) : bytes);
    } else if (choice < 10) {
      files.set('in/t/state.safetensors', mutateSafetensors(random, seed.files.get('state.safetensors')!));
    } else if (choice === 10) {
      const [name, bytes] = random.pick([...seed.files]);
      files.set(`in/t/${name}`, random.chance(0.3) ? aLink(random) : changedBytes(random, bytes));
    } else files.delete(random.pick([...files.keys()]));
    const [name, data] = dataOf(seed, random);
    files.set(`in/${name}`, data);
    for (const [path, content] of tokenizerOf(seeds, random)) files.set(path, content);
    return files;
  },
  async exercise(steps, choose, files) {
    const signature = steps.try(() => readSignature('t'));
    if (signature) {
      const text = JSON.stringify(signature);
      steps.same('a written signature', text, JSON.stringify(signatureSchema(parseJson(text), '')));
    }
    steps.try(() => TrainingRun.open('t', { inProcess: true, threads: 1 }));
    const data = dataIn(files);
    if (signature && data !== null && choose.chance(0.15)) await trainOrEval(steps, choose, files, data);
  },
};

export const run: Format = {
  name: 'run',
  share: 10,
  make(random, seeds) {
    const seed = random.pick(seeds.training);
    const files = folderOf(seed, random);
    const [[name, data]] = [...seed.data] as unknown as [[string, Uint8Array]];
    files.set(`in/${name}`, data);
    // files next to the tokenizer are a part of what a run depends on
    for (const [path, content] of tokenizerOf(seeds, random)) {
      if (path.endsWith('tokenizer.json') || random.chance(0.05)) files.set(path, content);
    }
    const tokenizer = files.get('in/k/tokenizer.json') as Uint8Array;
    const trees = seeds.training.map(({ settings }) => settings);
    const right = JsonTree.parse(seed.settings.text.replaceAll(sha256(''), sha256(tokenizer)));
    const choice = random.below(10);
    const settings = choice < 7 ? mutateJson(random, right, trees) : Buffer.from(right.text);
    files.set('out/r/run.json', random.chance(0.01) ? aLink(random) : settings);
    for (const [file, bytes] of seed.run) {
      const changed = choice > 5 && random.chance(0.7) ? mutateSafetensors(random, bytes) : bytes;
      if (random.chance(0.9)) files.set(`out/r/${file}`, changed);
    }
    return files;
  },
  async exercise(steps, choose, files) {
    const folder = '../out/r';
    const settings = steps.try(() => readSettings(folder));
    steps.try(() => readPosition(folder));
    if (settings) {
      const before = readFileSync(join(folder, 'run.json'));
      if (before.byteLength < 1e5) {
        writeSettings('../out/again', settings);
        steps.same(
          'a written run.json',
          JSON.stringify(settings),
          JSON.stringify(readSettings('../out/again')),
        );
      }
    }
    const data = dataIn(files);
    // a pipe that was named as the data is waited for, as the user may want
    const waits =
      settings !== null &&
      [settings.data, settings.evalData].some((of) => of !== null && !isRegular(of.file));
    if (waits) return;
    if (choose.chance(0.4)) {
      const given = choose.chance(0.5) && data !== null ? ['--data', data] : [];
      const more = choose.chance(0.3) ? ['--epochs', '5'] : [];
      await steps.command(
        ['train', 't', '--in-process', '--resume', '-o', folder, ...given, ...more],
        LOADS_GRAPHS,
      );
    } else if (data !== null && choose.chance(0.1)) {
      await steps.command(['eval', 't', '--in-process', '--run', folder, '--data', data, '--threads', '1']);
    }
  },
};

/** Also true where there is no file: reading says so at once. */
function isRegular(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return true;
  }
}

/** The data file of an input. */
export function dataIn(files: Files): string | null {
  const found = [...files.keys()].find((path) => /^in\/[^/]+\.(jsonl|csv|tsv|txt|safetensors)$/.test(path));
  return found === undefined ? null : found.slice('in/'.length);
}

/** Options of reading data. */
const READING: readonly (readonly string[])[] = [
  ['--pair-field', 'other'],
  ['--text-field', '__proto__'],
  ['--text-field', 'other'],
  ['--label-field', 'constructor'],
  ['--task', 'text'],
  ['--task', 'tags'],
  ['--task', 'chat'],
  ['--labels', 'no,yes,other,last'],
  ['--quote', "'"],
  ['--quote', 'none'],
  ['--bos', 'none'],
  ['--eos', 'none'],
  ['--eos', '</s>'],
  ['--loss-on', 'all'],
  ['--loss-on', 'last'],
  ['--subwords', 'all'],
  ['--pack'],
  ['--bucket'],
  ['--bad-lines', 'skip'],
  ['--bad-lines', 'skip'],
  ['--max-length', '2'],
  ['--max-length', '16'],
  ['--pad-to', '1'],
  ['--decoder-start', '<s>'],
  ['--input', 'attention_mask=attention_mask'],
  ['--eval-split', '0.5'],
];

/** `train` up to where graphs are loaded, or, of an input that has graphs, a step; rarely `eval`. */
export async function trainOrEval(steps: Steps, choose: Random, files: Files, data: string): Promise<void> {
  const loads = files.has('in/t/step.onnx');
  const options = READING.filter(() => choose.chance(0.1)).flat();
  const tokenizer = data.endsWith('.safetensors') ? [] : ['--tokenizer', 'k/tokenizer.json'];
  const common = ['--data', data, ...tokenizer, '--threads', '1', '--batch-size', '2', '--in-process'];
  if (choose.chance(loads ? 0.5 : 0.05)) {
    const reading = options.filter((word, i) => word !== '--eval-split' && options[i - 1] !== '--eval-split');
    await steps.command(['eval', 't', ...common, ...reading, '--json']);
    return;
  }
  const words = ['train', 't', ...common, ...options, '--max-steps', '1', '-o', '../out/r'];
  await steps.command(words, loads ? null : LOADS_GRAPHS);
}
