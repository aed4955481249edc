import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { characterVocabulary } from '../../src/train/data/characters.js';
import { encodeLabel, labelMapOf } from '../../src/train/data/labels.js';
import { tokenizeText, windowDataset } from '../../src/train/data/language.js';
import { shuffled } from '../../src/train/data/order.js';
import { Source } from '../../src/train/data/source.js';
import { readTokenizer, type Tokenizer } from '../../src/train/data/tokenizer.js';
import { GROW_AFTER, nextScale } from '../../src/train/loss-scale.js';
import { learningRate, type RateSchedule, warmupSteps } from '../../src/train/schedule.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-data-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('learning rates', () => {
  const base: RateSchedule = { kind: 'constant', peak: 0.3, floor: 0.1, power: 3, warmup: 4, total: 24 };
  const half = 14;
  test.each([
    ['constant', 0.3],
    ['linear', 0.2],
    ['cosine', 0.2],
    ['polynomial', 0.1 + 0.2 / 8],
  ] as const)('%s: half way between peak and floor as its formula says', (kind, value) => {
    const schedule = { ...base, kind };
    expect(learningRate(schedule, half)).toBeCloseTo(value, 14);
    expect(learningRate(schedule, 4)).toBeCloseTo(0.3, 14);
    expect([0, 1, 2, 3].map((step) => learningRate(schedule, step))).toEqual([
      0.06,
      0.12,
      (0.3 * 3) / 5,
      0.24,
    ]);
    if (kind !== 'constant') expect(learningRate(schedule, 24)).toBeCloseTo(0.1, 14);
  });
  test('warm-up is a number of steps or a share', () => {
    expect([warmupSteps(0.25, 40), warmupSteps(7, 40), warmupSteps(70, 40), warmupSteps(0, 40)]).toEqual([
      10, 7, 40, 0,
    ]);
  });
});

test('the loss scale halves on overflow, doubles after a while, and stays where it is not needed', () => {
  let scale = { value: 1024, steady: 5, skipped: 0 };
  expect((scale = nextScale(scale, false, 1024))).toEqual({ value: 512, steady: 0, skipped: 1 });
  for (let i = 0; i < GROW_AFTER; i++) scale = nextScale(scale, true, 1024);
  expect(scale).toEqual({ value: 1024, steady: 0, skipped: 0 });
  let one = { value: 1, steady: 0, skipped: 0 };
  for (let i = 0; i < 2 * GROW_AFTER; i++) one = nextScale(one, true, 1);
  expect(one.value).toBe(1);
});

describe('order of examples', () => {
  test('a permutation that the seed and the epoch decide', () => {
    const order = shuffled(97, 5, 0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 97 }, (_, i) => i));
    expect(shuffled(97, 5, 0)).toEqual(order);
    expect(shuffled(97, 5, 1)).not.toEqual(order);
    expect(shuffled(97, 6, 0)).not.toEqual(order);
  });
  test('every place is equally likely for the first example', () => {
    const counts = new Int32Array(5);
    for (let seed = 0; seed < 1000; seed++) counts[shuffled(5, seed, 0).indexOf(0)]!++;
    // five standard deviations of a binomial with n = 1000, p = 1/5
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(64);
  });
});

describe('windows of running text', () => {
  const letters = characterVocabulary({ chars: ' abcdefghijklmnopqrstuvwxyz' }) as Tokenizer;
  const path = join(root, 'text.txt');
  writeFileSync(path, 'the quick brown fox\njumps over the lazy dog');
  let ids: Int32Array;
  beforeAll(async () => {
    ids = await tokenizeText(new Source(path), letters);
  });
  test.each([
    ['labels one place on', false],
    ['labels are the inputs, the graph shifts', true],
  ])('%s: every token but the first is predicted once', (_name, shift) => {
    const data = windowDataset(ids, { length: 7, shift, ignoreIndex: -100 }, letters, path);
    const predicted: number[] = [];
    for (let row = 0; row < data.size; row++) {
      const { columns, labels } = data.batch([row]);
      const input = columns.get('input_ids')!.data;
      for (let t = 0; t < 7; t++) {
        const label = shift ? (t < 6 ? labels.data[t + 1]! : -100) : labels.data[t]!;
        if (label !== -100) predicted.push(label);
        if (shift && columns.get('attention_mask')!.data[t] === 1) expect(labels.data[t]).toBe(input[t]);
      }
    }
    expect(predicted).toEqual([...ids.slice(1)]);
  });
  test('rows that fill up a batch are ignored', () => {
    const data = windowDataset(ids, { length: 7, shift: false, ignoreIndex: -100 }, letters, path);
    const { labels, examples } = data.batch([0], 3);
    expect(examples).toBe(1);
    expect([...labels.data.slice(7)]).toEqual(new Array(14).fill(-100));
  });
});

describe('labels', () => {
  test('names in sorted order, whole numbers as they are, numbers to predict', () => {
    expect(labelMapOf(['no', 'yes', 'no'], false)).toEqual({
      kind: 'names',
      names: ['no', 'yes'],
      order: 'data',
    });
    expect(labelMapOf(['2', 0, 1], false)).toEqual({ kind: 'integers' });
    expect(encodeLabel({ kind: 'names', names: ['no', 'yes'] }, 'yes')).toEqual([1]);
    expect(encodeLabel({ kind: 'integers' }, '2')).toEqual([2]);
    expect(encodeLabel({ kind: 'values' }, [0.5, '2'])).toEqual([0.5, 2]);
  });
  test.each([
    [{ kind: 'names', names: ['no'] }, 'maybe', /does not occur/],
    [{ kind: 'integers' }, 'x', /not a class number/],
    [{ kind: 'integers' }, -1, /not a class number/],
    [{ kind: 'values' }, 'x', /not a number/],
    [{ kind: 'names', names: ['no'] }, { a: 1 }, /not a text/],
  ] as const)('%o cannot take %o', (map, label, why) => {
    expect(encodeLabel(map, label)).toEqual({ why: expect.stringMatching(why) as string });
  });
});

describe('a tokenizer.json', () => {
  const file = join(root, 'tokenizer.json');
  const vocabulary = Object.fromEntries(
    '[PAD] [CLS] [SEP] [UNK] one two three four five six'.split(' ').map((word, id) => [word, id]),
  );
  const special = (id: number, content: string) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  writeFileSync(
    file,
    JSON.stringify({
      version: '1.0',
      added_tokens: [special(0, '[PAD]'), special(1, '[CLS]'), special(2, '[SEP]'), special(3, '[UNK]')],
      normalizer: null,
      pre_tokenizer: { type: 'Whitespace' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [
          { SpecialToken: { id: '[CLS]', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '[SEP]', type_id: 0 } },
        ],
        pair: [
          { SpecialToken: { id: '[CLS]', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '[SEP]', type_id: 0 } },
          { Sequence: { id: 'B', type_id: 1 } },
          { SpecialToken: { id: '[SEP]', type_id: 1 } },
        ],
        special_tokens: {
          '[CLS]': { id: '[CLS]', ids: [1], tokens: ['[CLS]'] },
          '[SEP]': { id: '[SEP]', ids: [2], tokens: ['[SEP]'] },
        },
      },
      decoder: null,
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: vocabulary,
      },
    }),
  );
  test('special tokens stay when a text or a pair is cut', async () => {
    const tokenizer = await readTokenizer(file);
    const ids = (text: string, pair: string | null, max: number) => [
      ...tokenizer.encode(text, pair, max).ids,
    ];
    expect(tokenizer.padId).toBe(0);
    expect(ids('one two three', null, 8)).toEqual([1, 4, 5, 6, 2]);
    expect(ids('one two three', null, 4)).toEqual([1, 4, 5, 2]);
    expect(tokenizer.encode('one two three', null, 4).full).toBe(5);
    expect(ids('one two three four', 'five six', 7)).toEqual([1, 4, 5, 2, 8, 9, 2]);
    expect(tokenizer.plain('six seven')).toEqual([9, 3]);
  });
});
