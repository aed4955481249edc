import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OrtProcess } from '../src/backends/ort/process.js';
import { JsonError, parseJson } from '../src/ir/files/json.js';
import { mayBacktrack } from '../src/ir/time-limit.js';
import { characterVocabulary } from '../src/train/data/characters.js';
import { encodeLabel } from '../src/train/data/labels.js';
import { windowDataset } from '../src/train/data/language.js';
import { readLines } from '../src/train/data/lines.js';
import { Source } from '../src/train/data/source.js';
import { tokenColumns } from '../src/train/data/token-columns.js';
import { readTokenizer } from '../src/train/data/tokenizer.js';
import { lotrc } from './support/cli.js';

/** Small files of strangers that would take all memory, or hours. */

const ATTACK = join(import.meta.dirname, 'data/cases/attack');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-small-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test.each(['cos_huge', 'inputs of 2^31 x 2^31'])('%s: verify refuses to make the inputs', async (name) => {
  const model = name === 'cos_huge' ? join(ATTACK, 'cos_huge.onnx') : at('wide.onnxtxt');
  const side = 2 ** 31;
  writeFileSync(
    at('wide.onnxtxt'),
    `<ir_version: 9, opset_import: ["" : 17]>\ng (float[${side},${side}] x) => (float[${side},${side}] y) { y = Neg (x) }\n`,
  );
  const { code, err } = await lotrc('verify', model, model);
  expect(code).toBe(1);
  expect(err).toMatch(/error LOTR8008: .*at most 268435456 elements together/);
});

// each of these took exponential or quadratic time or memory in some program
test.each(['expfun', 'concat_doubling', 'expand_huge', 'infinite_loop', 'fan5000'])(
  '%s is read, simplified and printed',
  async (name) => {
    const { code, err } = await lotrc('run', join(ATTACK, `${name}.onnx`), '--passes', 'simplify,cse,dce');
    expect([code, err]).toEqual([0, '']);
  },
);

test('weights in Constant nodes are copied into the training folder, and its graphs load', async () => {
  const model = join(ATTACK, 'constant_weights_emit_LOTR1203.onnx');
  const { code, err } = await lotrc('emit', 'onnx-train', model, '--loss', 'mse', '-o', at('train'));
  expect([code, err]).toEqual([0, expect.not.stringContaining('error')]);
  const host = new OrtProcess();
  try {
    for (const graph of ['step', 'grad', 'eval', 'infer']) await host.load(at(`train/${graph}.onnx`));
  } finally {
    host.close();
  }
});

describe('patterns that backtrack', () => {
  test('of a tokenizer.json end with a diagnostic', async () => {
    const file = at('tokenizer.json');
    const part = { type: 'Split', pattern: { Regex: '^(a+)+$' }, behavior: 'Isolated' };
    const model = { type: 'WordPiece', vocab: { '[UNK]': 0, a: 1 }, unk_token: '[UNK]' };
    writeFileSync(file, JSON.stringify({ version: '1.0', added_tokens: [], pre_tokenizer: part, model }));
    const tokenizer = await readTokenizer(file);
    expect(tokenizer.plain('aaaa')).toHaveLength(1);
    expect(() => tokenizer.plain(`${'a'.repeat(60)}!`)).toThrow(
      /LOTR8209.*pattern takes longer than 2 seconds on a text of 61 characters/s,
    );
  });

  test.each([
    ['^(a+)+$', true],
    ['(a|aa)*b', true],
    ['(?:x{2,}){9}', true],
    ['(.)\\1', true],
    ['a*a*a*b', true],
    ['\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+', false],
    ["(?i:'s|'t)|[^\\r\\n\\p{L}]?\\p{L}+| ?[^\\s(*+)]+[\\r\\n]*", false],
    ['\\(\\*\\)+(?:ab)?', false],
  ])('%s is watched: %s', (source, watched) => {
    expect(mayBacktrack(source)).toBe(watched);
  });
});

test('a JSON header of millions of values is refused', () => {
  expect(() => parseJson(`[${'0,'.repeat(2_000_000)}0]`)).toThrow(JsonError);
});

test('each of very many labels is found at once', () => {
  const names = Array.from({ length: 100_000 }, (_, i) => `name ${i}`);
  const map = { kind: 'names', names } as const;
  expect(names.every((name, i) => (encodeLabel(map, name) as readonly number[])[0] === i)).toBe(true);
});

test('batches of very long rows are refused before they take the memory', () => {
  const row = { ids: Int32Array.of(1), types: null };
  const padding = { max: 999_999_999, multiple: 1, fixed: 999_999_999 };
  expect(() => tokenColumns([row], padding, 0, 16)).toThrow(
    /LOTR8230: a batch of 16 rows of 999999999 tokens/,
  );
  const windows = { length: 999_999_999, shift: true, ignoreIndex: -100 };
  const tokenizer = characterVocabulary({ type: 'character', chars: 'ab' });
  if (typeof tokenizer === 'string') throw new Error(tokenizer);
  const data = windowDataset(Int32Array.of(0, 1, 1), windows, tokenizer, 'book.txt');
  expect(() => data.batch([0])).toThrow('LOTR8230');
});

test('lines longer than the parts that are read come whole', async () => {
  const lines = ['', 'a'.repeat(3_500_000), 'b\r', 'c'.repeat(1 << 20), 'end'];
  writeFileSync(at('lines.txt'), lines.join('\n'));
  const found: [number, string][] = [];
  for await (const { line, bytes } of readLines(new Source(at('lines.txt'))))
    found.push([line, Buffer.from(bytes).toString()]);
  expect(found).toEqual(lines.map((text, i) => [i + 1, text.replace('\r', '')]));
});
