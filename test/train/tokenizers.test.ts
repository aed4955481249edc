import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkIds } from '../../src/train/check-ids.js';
import { TokenizerPipeline } from '../../src/train/data/tokenizer/pipeline.js';
import { readTokenizer } from '../../src/train/data/tokenizer.js';
import type { Port } from '../../src/train/signature.js';
import { CHARACTERS, done, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';

const folder = join(import.meta.dirname, '../data/tokenizers');
const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

/** made by test/data/tokenizers/make.py: a text, or a unit and how often it is */
interface Texts {
  readonly texts: readonly (string | readonly [string, number])[];
  readonly pairs: readonly (readonly [string, string])[];
  readonly cuts: readonly number[];
}

/** ids and token types */
type Row = readonly [readonly number[], readonly number[]];

/** What Python's tokenizers give. */
interface Wanted {
  readonly single: readonly (readonly unknown[])[];
  readonly plain: readonly (readonly unknown[])[];
  readonly pairs: readonly Row[];
  readonly cut: readonly (readonly [readonly number[], ...Row[]])[];
}

const { texts, pairs, cuts } = read('texts.json') as Texts;
const whole = texts.map((text) => (typeof text === 'string' ? text : text[0].repeat(text[1])));
const kinds = readdirSync(folder)
  .filter((name) => name.endsWith('.ids.json'))
  .map((name) => name.replace('.ids.json', ''));

/** Ids as the fixtures have them: long rows as their length and the start of a SHA-256. */
function brief(ids: ArrayLike<number>): readonly unknown[] {
  const list = Array.from(ids);
  return list.length <= 120
    ? list
    : [list.length, createHash('sha256').update(list.join()).digest('hex').slice(0, 16)];
}

test('17 kinds of tokenizers, 64 texts, 12 pairs', () => {
  expect([kinds.length, texts.length, pairs.length]).toEqual([17, 64, 12]);
});

describe.each(kinds)('%s: as Python', (kind) => {
  const wanted = read(`${kind}.ids.json`) as Wanted;
  const tokenizer = readTokenizer(join(folder, `${kind}.json`));
  test('ids of one text', async () => {
    const { encode, plain } = bound(await tokenizer);
    const found = whole.map((text) => brief(encode(text, null, 1e9).ids));
    for (const [i, row] of found.entries()) expect([texts[i], row]).toEqual([texts[i], wanted.single[i]]);
    expect(wanted.plain.map((_, i) => brief(plain(whole[i]!)))).toEqual(wanted.plain);
  });
  test('ids and token types of pairs', async () => {
    const { encode } = bound(await tokenizer);
    for (const [i, [a, b]] of pairs.entries()) {
      const { ids, types, full } = encode(a, b, 1e9);
      expect([a, b, [...ids], types]).toEqual([a, b, ...wanted.pairs[i]!]);
      expect(full).toBe(ids.length);
    }
  });
  test('cut to a length', async () => {
    const { encode } = bound(await tokenizer);
    for (const [i, max] of cuts.entries()) {
      const [single, ...rows] = wanted.cut[i]!;
      expect([max, [...encode(whole[4]!, null, max).ids]]).toEqual([max, single]);
      for (const [k, [a, b]] of pairs.entries()) {
        const { ids, types } = encode(a, b, max);
        expect([max, a, b, [...ids], types]).toEqual([max, a, b, ...rows[k]!]);
      }
    }
  });
});

function bound(tokenizer: Awaited<ReturnType<typeof readTokenizer>>) {
  return {
    encode: tokenizer.encode.bind(tokenizer),
    plain: tokenizer.plain.bind(tokenizer),
  };
}

describe('what a tokenizer.json asks for and is not known is refused by name', () => {
  const base = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null };
  const words = { type: 'WordLevel', vocab: { a: 0, b: 1 }, unk_token: '[UNK]' };
  const bpe = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
  const made = (fields: object) => new TokenizerPipeline('t.json', { ...base, model: words, ...fields });
  test.each([
    [
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Rot13' }] } },
      /normalizer\.normalizers\[1\]: .*"Rot13"/,
    ],
    [
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } },
      /normalizer: "precompiled_charsmap"/,
    ],
    [{ pre_tokenizer: { type: 'UnicodeScripts' } }, /pre_tokenizer: .*"UnicodeScripts"/],
    [
      { pre_tokenizer: { type: 'Split', pattern: { Regex: 'a(' }, behavior: 'Isolated' } },
      /pre_tokenizer: the regular expression "a\("/,
    ],
    [{ pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Shuffled' } }, /"Shuffled"/],
    [{ pre_tokenizer: { type: 'Metaspace', add_prefix_space: false } }, /pre_tokenizer: "add_prefix_space"/],
    [{ post_processor: { type: 'Reverse' } }, /post_processor: .*"Reverse"/],
    [
      {
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '<s>' } }],
          special_tokens: {},
        },
      },
      /"<s>"/,
    ],
    [{ model: { type: 'Chars' } }, /model: .*"Chars"/],
    [{ model: { ...bpe, dropout: 0.1 } }, /model: "dropout"/],
    [{ model: { ...bpe, merges: ['a c'] } }, /model: a merge has "c"/],
    [{ model: { ...bpe, vocab: { a: 0.5 } } }, /model: the id of the token "a"/],
    [{ model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 3 } }, /model: "unk_id"/],
    [{ truncation: { strategy: 'OnlyFirst' } }, /truncation: .*"OnlyFirst"/],
  ] as const)('%j', (fields, message) => {
    expect(() => made(fields)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message) as string }),
    );
  });
  test('a text without a token for it, and a length below the special tokens', () => {
    const spaces = { pre_tokenizer: { type: 'WhitespaceSplit' } };
    expect(made(spaces).plain('b a')).toEqual([1, 0]);
    expect(() => made(spaces).plain('b c')).toThrow(/model: the text has "c"/);
    const bert = { post_processor: { type: 'BertProcessing', cls: ['a', 0], sep: ['b', 1] } };
    expect(() => made(bert).encode('a', 'b', 2)).toThrow(/adds 3 special tokens, and the longest row has 2/);
  });
});

describe('pairs of texts', () => {
  const cases = join(import.meta.dirname, '../data/cases/train');
  const root = mkdtempSync(join(tmpdir(), 'lotrc-tokenizers-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  async function trainable(name: string): Promise<string> {
    const rewritten = join(root, `${name}.lotr.onnx`);
    await done('rewrite', join(cases, `${name}.onnx`), '--rank', '4', '-o', rewritten);
    await done('emit', 'onnx-train', rewritten, '-o', join(root, name));
    return join(root, name);
  }
  async function lossOf(folder: string, data: string, tokenizer: string): Promise<number> {
    const words = ['--tokenizer', join(cases, tokenizer), '--pair-field', 'text_b', '--json'];
    const { code, out, err } = await lotrc('eval', folder, '--data', join(cases, data), ...words);
    expect(err).toBe('');
    expect(code).toBe(0);
    return (JSON.parse(out) as { loss: number }).loss;
  }
  test('the second text has token type 1: the loss of PyTorch', async () => {
    expect(await lossOf(await trainable('bert3'), 'pairs.jsonl', 'tokenizer.json')).toBeCloseTo(1.1694697, 6);
  });
  test('a byte-level post-processor keeps the second text: the loss for the ids of Python', async () => {
    const folder = await trainable('gpt2c');
    expect(await lossOf(folder, 'pg1.jsonl', 'gpt2tok.json')).toBeCloseTo(0.68342842, 6);
    expect(await lossOf(folder, 'pg2.jsonl', 'gpt2tok.json')).toBeCloseTo(0.67475106, 6);
  });
});

describe('ids that the model has no row for (LOTR8250)', () => {
  const root = mkdtempSync(join(tmpdir(), 'lotrc-ids-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  test('a tokenizer of another model is refused; the same text without its new letters is not', async () => {
    const { train } = await textClassifier(root);
    const tokenizer = join(root, 'larger.json');
    writeFileSync(tokenizer, JSON.stringify({ type: 'character', chars: `${CHARACTERS}éö` }));
    const data = join(root, 'data.jsonl');
    const run = (text: string) => {
      writeFileSync(data, `${JSON.stringify({ text, label: 1 })}\n`);
      return lotrc('eval', train, '--data', data, '--tokenizer', tokenizer);
    };
    expect((await run('cafe')).code).toBe(0);
    const { code, err } = await run('café');
    expect(code).toBe(1);
    expect(err).toMatch(/LOTR8250.*"input_ids" has 27 at place 3 of a row, and its table has 27 rows/s);
  });
  test.each([
    [-100, 'ids'],
    [9, 'position_ids'],
    [0.5, 'ids'],
  ])('%d', (id, name) => {
    const port: Port = { name, role: 'batch', dtype: 'i64', shape: ['batch', 2], rows: 9 };
    const check = (value: number) => checkIds(port, { shape: [1, 2], data: Float32Array.of(8, value) });
    expect(() => check(0)).not.toThrow();
    expect(() => check(id)).toThrow(/table has 9 rows/);
  });
});
