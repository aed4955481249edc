import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openData } from '../../src/train/data/open.js';
import { readSignature } from '../../src/train/read-signature.js';
import { done } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { READING } from '../support/reading.js';

/** made by test/data/seq2seq/make.py */
const CASE = join(import.meta.dirname, '../data/seq2seq');
const expected = JSON.parse(readFileSync(join(CASE, 'expected.json'), 'utf8')) as {
  loss: number;
  cut6: number;
};
const TOKENIZER = ['--tokenizer', join(CASE, 'tokenizer.json')];
const DATA = join(CASE, 'data.jsonl');

const root = mkdtempSync(join(tmpdir(), 'lotrc-seq2seq-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = join(root, 'train');
const evaluate = (...words: readonly string[]) => lotrc('eval', folder, ...words);

async function lossOf(...words: readonly string[]): Promise<number> {
  const { code, out, err } = await evaluate('--json', ...words);
  expect(err).not.toMatch(/error/);
  expect(code).toBe(0);
  return (JSON.parse(out) as { loss: number }).loss;
}

beforeAll(async () => {
  const rewritten = join(root, 't5.lotr.onnx');
  await done('rewrite', join(CASE, 'model.onnx'), '--rank', '2', '-o', rewritten);
  await done('emit', 'onnx-train', rewritten, '-o', folder);
}, 60_000);

describe('sources and targets for an encoder-decoder', () => {
  test.each([[1], [3], [8]])('the loss of PyTorch with labels=..., in batches of %d', async (size) => {
    const loss = await lossOf('--data', DATA, ...TOKENIZER, '--batch-size', String(size));
    expect(loss).toBeCloseTo(expected.loss, 5);
  });
  test('cut to a length, as PyTorch has it for the cut texts; said once', async () => {
    const { out, err } = await evaluate('--data', DATA, ...TOKENIZER, '--max-length', '6', '--json');
    expect((JSON.parse(out) as { loss: number }).loss).toBeCloseTo(expected.cut6, 5);
    expect(err.match(/LOTR8207/g)).toHaveLength(1);
  });
  test('other fields, tables, and a start token that is named', async () => {
    const rows = readFileSync(DATA, 'utf8').trim().split('\n');
    const table = join(root, 'data.tsv');
    const cells = rows.map((row) => JSON.parse(row) as { source: string; target: string });
    writeFileSync(table, `de\ten\n${cells.map(({ source, target }) => `${source}\t${target}\n`).join('')}`);
    const alone = join(root, 'tokenizer.json');
    copyFileSync(join(CASE, 'tokenizer.json'), alone);
    const words = ['--data', table, '--tokenizer', alone, '--source-field', 'de', '--target-field', 'en'];
    expect(await lossOf(...words, '--decoder-start', '<pad>')).toBeCloseTo(expected.loss, 5);
    expect(Math.abs((await lossOf(...words, '--decoder-start', '</s>')) - expected.loss)).toBeGreaterThan(
      1e-3,
    );
    const { code, err } = await evaluate(...words);
    expect(code).toBe(1);
    expect(err).toMatch(/LOTR8251: there is no config.json in the folder of the tokenizer/);
  });
  test('a model without a mask input: the padding is seen (LOTR8223), but not with --bucket', async () => {
    const signature = readSignature(folder);
    const unmasked = signature.graphs.eval!.inputs.filter(({ name }) => name !== 'attention_mask');
    const graphs = { ...signature.graphs, eval: { ...signature.graphs.eval!, inputs: unmasked } };
    const codes = async (bucket: boolean) => {
      const options = { ...READING, tokenizer: join(CASE, 'tokenizer.json'), padTo: 8, bucket };
      const { notes } = await openData(DATA, { ...signature, graphs }, options, null);
      return notes.map(({ code }) => code);
    };
    expect([await codes(false), await codes(true)]).toEqual([['LOTR8223'], []]);
  });
  test('trains: the loss on the same texts falls', async () => {
    const words = ['--data', DATA, ...TOKENIZER, '--batch-size', '4', '--epochs', '3', '--lr', '0.05'];
    await done('train', folder, ...words, '-o', join(root, 'run'));
    expect(await lossOf('--run', join(root, 'run'), '--data', DATA, ...TOKENIZER)).toBeLessThan(
      expected.loss - 0.05,
    );
  });
});

describe('is refused', () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(root, name), text);
    return join(root, name);
  };
  test.each([
    [
      'records with a label',
      'a.jsonl',
      '{"text":"a cat","label":1}\n',
      [],
      /LOTR8208.*"decoder_input_ids".*text, label.*"source" and "target"/s,
    ],
    ['plain text', 'a.txt', 'a cat sees\n', [], /LOTR8204.*plain text.*a source and a target/s],
    [
      'another task',
      'b.jsonl',
      '{"source":"a","target":"b"}\n',
      ['--task', 'text'],
      /LOTR8220: --task text.*"source" and "target"/s,
    ],
  ])('%s', async (_name, name, text, words, message) => {
    const { code, err } = await evaluate('--data', file(name, text), ...TOKENIZER, ...words);
    expect(err).toMatch(message);
    expect(code).toBe(1);
  });
  test('a directory emitted with --shift (LOTR8252)', async () => {
    const shifted = join(root, 'shifted');
    await done('emit', 'onnx-train', join(root, 't5.lotr.onnx'), '-o', shifted, '--shift');
    const { code, err } = await lotrc('eval', shifted, '--data', DATA, ...TOKENIZER);
    expect(err).toMatch(/LOTR8252/);
    expect(code).toBe(1);
  });
});
