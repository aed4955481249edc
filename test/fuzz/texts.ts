import { parseJson } from '../../src/ir/files/json.js';
import { renderChat } from '../../src/train/data/chat.js';
import { ChatTemplate } from '../../src/train/data/chat-template.js';
import { FIELDS } from '../../src/train/data/fields.js';
import { openData } from '../../src/train/data/open.js';
import type { DataOptions } from '../../src/train/data/read-data.js';
import { readModelConfig, readTokenizerConfig } from '../../src/train/data/special-tokens.js';
import { readTokenizer } from '../../src/train/data/tokenizer.js';
import { feedsOf, mapInputs } from '../../src/train/feeds.js';
import { dataGraph, signatureTerms } from '../../src/train/labels.js';
import { signatureSchema } from '../../src/train/read-signature.js';
import type { Steps } from './commands.js';
import { type Content, isLink } from './files.js';
import type { Format } from './format.js';
import { JsonTree, mutateJson } from './mutate-json.js';
import { mutateSafetensors, mutateText } from './mutate-text.js';
import type { Random } from './random.js';
import type { Seeds } from './seeds.js';
import { dataIn, dataOf, folderOf, tokenizerOf, trainOrEval } from './training.js';
import { changedBytes } from './values.js';

const FILE = 'k/tokenizer.json';

export const tokenizer: Format = {
  name: 'tokenizer',
  share: 12,
  file: `in/${FILE}`,
  // two seconds are what a pattern may take
  seconds: 6,
  make(random, seeds) {
    const tree = random.pick(seeds.tokenizers);
    const bytes = mutateJson(random, tree, seeds.tokenizers);
    if (random.chance(0.75)) return new Map([[`in/${FILE}`, bytes]]);
    const files = world(random, seeds);
    return files.set(`in/${FILE}`, bytes);
  },
  async exercise(steps, choose, files) {
    const read = await steps.wait(() => readTokenizer(FILE));
    if (!read) return;
    for (const text of TEXTS) {
      if (!choose.chance(0.6)) continue;
      const max = choose.pick([2, 8, 1000]);
      const { ids } = steps.try(() => read.encode(text, choose.chance(0.3) ? 'a b' : null, max)) ?? {
        ids: [],
      };
      if (ids.length > max) throw new Error(`${ids.length} tokens where ${max} were asked for`);
      steps.try(() => read.plain(text));
      steps.try(() => read.frame([1, 2, 3], max));
    }
    if (choose.chance(0.06)) await continued(steps, choose, files);
  },
};

const TEXTS = [
  'Hello, there! It was 12:30.',
  '',
  '  \t\n ',
  '\u00e9te\u0301 \ud83d\ude00 \ud800 \u4e2d\u6587 \u0000',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!',
  '<s>[CLS]</s><|end|> <unk>',
];

/** tokenizer_config.json, special_tokens_map.json, chat_template.jinja, config.json and generation_config.json. */
export const config: Format = {
  name: 'config',
  share: 5,
  seconds: 6,
  make(random, seeds) {
    const files = world(random, seeds);
    const [name, seed] = random.pick([...seeds.configs]);
    const others = [...seeds.configs.values()];
    const trees = others.filter((other) => typeof other !== 'string');
    const texts = others.filter((other) => typeof other === 'string');
    const bytes =
      typeof seed === 'string'
        ? Buffer.from(mutateText(random, seed, texts))
        : mutateJson(random, seed, trees);
    return files.set(`in/k/${name}`, random.chance(0.02) ? { link: '../fifo' } : bytes);
  },
  async exercise(steps, choose, files) {
    steps.try(() => readModelConfig(FILE));
    const read = steps.try(() => readTokenizerConfig(FILE));
    const source = read?.templates.get('default');
    if (read && source !== undefined) {
      const template = steps.try(() => new ChatTemplate(source, read.tokens, FILE));
      if (template)
        steps.try(() => renderChat(template, MESSAGES, choose.pick(['answers', 'last', 'all']), {}));
    }
    if (choose.chance(0.1)) await continued(steps, choose, files);
  },
};

const MESSAGES = [
  { role: 'user', content: 'hello' },
  { role: 'assistant', content: 'yes' },
  { role: 'assistant', content: '\ue000 there', name: 'x' },
];

/** JSON Lines, CSV, TSV, plain text and tensors. */
export const data: Format = {
  name: 'data',
  share: 12,
  seconds: 6,
  make(random, seeds) {
    const files = world(random, seeds);
    const name = dataIn(files)!;
    const seed = files.get(`in/${name}`) as Uint8Array;
    const other = random.pick([...random.pick(seeds.training).data.values()]);
    return files.set(`in/${name}`, mutateData(random, name, seed, other));
  },
  async exercise(steps, choose, files) {
    const name = dataIn(files);
    const text = files.get('in/t/signature.json');
    if (name === null || !text || isLink(text)) return;
    if (files.has('in/t/step.onnx') || choose.chance(0.04)) return continued(steps, choose, files);
    await openAndFeed(steps, choose, name, Buffer.from(text).toString());
  },
};

/** Opens a data file for a signature, and makes a batch of its first rows. */
export async function openAndFeed(
  steps: Steps,
  choose: Random,
  name: string,
  signatureText: string,
): Promise<void> {
  const signature = signatureSchema(parseJson(signatureText), '');
  const tokenizer = name.endsWith('.safetensors') ? null : FILE;
  const inputs = new Map<string, string>();
  const reading: DataOptions = {
    tokenizer,
    fields: { ...FIELDS, pair: choose.chance(0.5) ? 'other' : null },
    badLines: choose.chance(0.7) ? 'skip' : 'stop',
    maxLength: choose.pick([2, 16, 128]),
    padTo: choose.pick([1, 8]),
    task: null,
    quote: choose.pick([null, null, 'none', "'"]),
    labels: null,
    bucket: choose.chance(0.2),
    bos: choose.pick([null, 'none']),
    eos: choose.pick([null, 'none']),
    pack: choose.chance(0.3),
    lossOn: choose.pick(['answers', 'last', 'all']),
    subwords: choose.pick(['first', 'all']),
    decoderStart: null,
  };
  await steps.wait(async () => {
    const { dataset } = await openData(name, signature, reading, null, inputs);
    const graph = dataGraph(signature);
    const rows = Array.from({ length: Math.min(dataset.size, 3) }, (_, i) => i);
    feedsOf(graph, mapInputs(graph, dataset, inputs), dataset.batch(rows), signatureTerms(signature), name);
  });
}

function world(random: Random, seeds: Seeds): Map<string, Content> {
  const seed = random.pick(seeds.training);
  const files = folderOf(seed, random);
  for (const [path, content] of tokenizerOf(seeds, random)) files.set(path, content);
  const [name, bytes] = dataOf(seed, random);
  return files.set(`in/${name}`, bytes);
}

async function continued(steps: Steps, choose: Random, files: ReadonlyMap<string, Content>): Promise<void> {
  const name = files.has('in/t/signature.json') ? dataIn(files) : null;
  if (name !== null) await trainOrEval(steps, choose, files, name);
}

function mutateData(random: Random, name: string, seed: Uint8Array, other: Uint8Array): Uint8Array {
  if (random.chance(0.05)) return changedBytes(random, seed);
  if (name.endsWith('.safetensors')) return mutateSafetensors(random, seed);
  const text = Buffer.from(seed).toString();
  if (name.endsWith('.jsonl') && random.chance(0.75)) {
    const rows = text.trimEnd().split('\n');
    const at = random.below(rows.length);
    const trees = rows.map((row) => JsonTree.parse(row));
    const changed = Buffer.from(mutateJson(random, trees[at]!, trees)).toString('latin1');
    // one that is given twice, at the end without a line feed
    const lines = rows.map((row) => Buffer.from(row).toString('latin1')).with(at, changed);
    return Buffer.from(lines.join(random.pick(['\n', '\n', '\r\n', '\n\n'])), 'latin1');
  }
  const bytes = Buffer.from(mutateText(random, text, [text, Buffer.from(other).toString()]));
  return random.chance(0.1) ? changedBytes(random, bytes) : bytes;
}
