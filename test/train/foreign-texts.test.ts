import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPeft } from '../../src/interop/peft-read.js';
import { readModelConfig, readTokenizerConfig } from '../../src/train/data/special-tokens.js';
import { readTokenizer } from '../../src/train/data/tokenizer.js';
import { readEvents } from '../../src/train/logs/event-file.js';
import { readSettings } from '../../src/train/settings.js';
import { type TrainingSeed, trainingSeeds } from '../fuzz/training-seeds.js';
import { Workspace } from '../fuzz/workspace.js';
import { lotrc } from '../support/cli.js';

// Tokenizers, and files that are read whole, that someone else wrote.

const folder = mkdtempSync(join(tmpdir(), 'lotrc-foreign-texts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

const WORDS = { type: 'WordPiece', vocab: { '[UNK]': 0, a: 1, b: 2, '##a': 3 }, unk_token: '[UNK]' };

async function tokenizerWith(parts: Readonly<Record<string, unknown>>) {
  const file = at('tokenizer.json');
  writeFileSync(file, JSON.stringify({ version: '1.0', model: WORDS, ...parts }));
  return readTokenizer(file);
}

describe('tokenizers that are refused', () => {
  const twice = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };
  test.each([
    [
      'a map that is not base64',
      { normalizer: { type: 'Precompiled', precompiled_charsmap: '*!' } },
      'precompiled_charsmap',
    ],
    [
      'a text that is left out',
      { post_processor: templates([], ['A', 'B']) },
      '"single" leaves out the text A',
    ],
    [
      'a text that comes twice',
      { post_processor: templates(['A', 'A'], ['A', 'B']) },
      'a text A that "single" has 2 times',
    ],
    [
      'a second text of one',
      { post_processor: templates(['A', 'B'], ['A', 'B']) },
      'a text B that "single" has 1 times',
    ],
    ['padding beyond the ids', { padding: { pad_id: 2 ** 40 } }, '"pad_id" is not the id of a token'],
    [
      'ids whose pairs are too large',
      { model: { type: 'BPE', vocab: { a: 2 ** 30 }, merges: [] } },
      'the id 1073741824',
    ],
  ])('%s', async (_, parts, why) => {
    await expect(tokenizerWith(parts)).rejects.toThrow(new RegExp(`LOTR8209.*${escaped(why)}`, 's'));
  });
  test('values nested very deep', async () => {
    const file = at('deep.json');
    writeFileSync(
      file,
      `{"model":{"type":"BPE","vocab":{},"merges":[${'['.repeat(9000)}${']'.repeat(9000)}]}}`,
    );
    await expect(readTokenizer(file)).rejects.toThrow(/LOTR8209.*nested deeper than 64 levels/s);
  });
  test('steps that each make the text longer', async () => {
    const longer = { ...twice, content: 'a'.repeat(1000) };
    const normalizers = Array.from({ length: 40 }, () => longer);
    const growing = await tokenizerWith({ normalizer: { type: 'Sequence', normalizers } });
    expect(() => growing.plain('a')).toThrow(/LOTR8209.*makes more than 16777216 characters of one text/s);
    expect((await tokenizerWith({ normalizer: twice })).plain('a')).toEqual([1, 3]);
  });
  test('bytes of bytes of bytes', async () => {
    const pretokenizers = Array.from({ length: 40 }, () => ({ type: 'ByteLevel', use_regex: false }));
    const growing = await tokenizerWith({ pre_tokenizer: { type: 'Sequence', pretokenizers } });
    expect(() => growing.plain('\u00e9')).toThrow(/LOTR8209.*makes more than 16777216 characters/s);
  });
});

test('a word of very many characters is looked up in tokens that are no longer than those of the vocabulary', async () => {
  const tokenizer = await tokenizerWith({ model: { ...WORDS, max_input_chars_per_word: 1e9 } });
  const long = 'a'.repeat(60_000);
  expect(tokenizer.plain(long)).toEqual([1, ...new Array<number>(59_999).fill(3)]);
});

describe.skipIf(process.platform === 'win32')('a pipe that nothing writes to, in place of a file', () => {
  const pipe = at('pipe');
  const refused = /it cannot be read: it is not a regular file|LOTR1002.*it is not a regular file/s;
  execFileSync('mkfifo', [pipe]);
  for (const name of ['run.json', 'adapter_config.json', 'config.json', 'chat_template.jinja']) {
    symlinkSync('pipe', at(name));
  }
  test('tokenizer and the files next to it', async () => {
    await expect(readTokenizer(pipe)).rejects.toThrow(refused);
    expect(() => readTokenizerConfig(pipe)).toThrow(refused);
    expect(() => readModelConfig(pipe)).toThrow(refused);
  });
  test('settings of a run, events, a PEFT configuration', () => {
    expect(() => readSettings(folder)).toThrow(refused);
    expect(() => readEvents(pipe)).toThrow(refused);
    expect(() => readPeft(folder)).toThrow(refused);
  });
});

test('files of more bytes than a text can have', async () => {
  const file = at('long.onnxtxt');
  writeFileSync(file, '');
  truncateSync(file, 2 ** 29); // takes no place on the disk
  const why = /it has 536870912 bytes, and the limit is 536870888/;
  await expect(readTokenizer(file)).rejects.toThrow(why);
  expect(await lotrc('inspect', file)).toMatchObject({ code: 1, err: expect.stringMatching(why) as string });
  rmSync(file);
});

describe('extents of a signature that no batch has', () => {
  const folders = new Map<string, TrainingSeed>();
  const workspace = new Workspace();
  beforeAll(() => {
    for (const seed of trainingSeeds(workspace)) folders.set(seed.name, seed);
  });
  afterAll(() => {
    workspace.remove();
  });
  test.each([
    ['values', 'd.safetensors', 0, 0, /LOTR8201: field "graphs\.step": port "x" takes batches of 0 rows/],
    ['classes', 'd.jsonl', 0, 0, /LOTR8201: field "graphs\.step": port "input_ids" takes batches of 0 rows/],
    ['pairs', 'd.jsonl', 0, 3, /LOTR8201: field "graphs\.step": port "input_ids" takes batches of 3 rows/],
    [
      'values',
      'd.safetensors',
      0,
      2 ** 40,
      /LOTR8230: a batch of 1099511627776 rows of 3 elements is too large/,
    ],
    ['language', 'd.txt', 1, 1, /LOTR8204: the model takes rows of 1 tokens, and prediction needs two/],
    ['language', 'd.txt', 1, 2 ** 31, /LOTR8230: a batch of 1 rows of 2147483648 tokens is too large/],
  ] as const)('%s, %s: axis %i is %i', async (name, data, axis, extent, wanted) => {
    const seed = folders.get(name)!;
    const signature = structuredClone(seed.signature);
    for (const { inputs } of Object.values(signature.graphs)) {
      for (const { role, shape } of inputs)
        if (role === 'batch') (shape as (number | string)[])[axis] = extent;
    }
    workspace.place(
      new Map([
        ['in/t/signature.json', Buffer.from(JSON.stringify(signature))],
        ...[...seed.files].map(([file, bytes]) => [`in/t/${file}`, bytes] as const),
        [`in/${data}`, seed.data.get(data)!],
        ['in/vocab.json', Buffer.from('{"type":"character","chars":" abcdefghijklmnopqrstuvwxyz"}')],
      ]),
    );
    const path = (file: string) => workspace.path(file);
    const reading = data.endsWith('.safetensors')
      ? []
      : ['--tokenizer', path('vocab.json'), '--pair-field', 'other'];
    const words = ['eval', path('t'), '--in-process', '--data', path(data), '--batch-size', '1', ...reading];
    const { code, err } = await lotrc(...words);
    expect([code, err]).toEqual([1, expect.stringMatching(wanted)]);
  });
});

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function templates(single: readonly string[], pair: readonly string[]) {
  const items = (texts: readonly string[]) => texts.map((id) => ({ Sequence: { id, type_id: 0 } }));
  return { type: 'TemplateProcessing', single: items(single), pair: items(pair), special_tokens: {} };
}
