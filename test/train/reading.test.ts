import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FileSource } from '../../src/ir/files/file-source.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { FIELDS } from '../../src/train/data/fields.js';
import { openData } from '../../src/train/data/open.js';
import type { DataOptions, OpenedData } from '../../src/train/data/read-data.js';
import { tensorDataset } from '../../src/train/data/tensors.js';
import { readSignature } from '../../src/train/read-signature.js';
import { done, records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { READING, refused, writeJsonl } from '../support/reading.js';

/** How `lotrc train` and `lotrc eval` read data files, and what they refuse. */

const CASES = join(import.meta.dirname, '../data/cases/train');
const root = mkdtempSync(join(tmpdir(), 'lotrc-reading-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const NAMES = ['fish', 'bird', 'newt'];
const DATA = records(12, NAMES);
let net: TextClassifier;
let serial = 0;
const fresh = () => join(root, `run${serial++}`);

function file(name: string, text: string): string {
  const path = join(root, name);
  writeFileSync(path, text);
  return path;
}
const jsonl = (name: string, rows: readonly object[]) => writeJsonl(join(root, name), rows);
const train = (data: string, ...more: readonly string[]) =>
  lotrc(
    'train',
    net.train,
    ...['--data', data, '--tokenizer', net.tokenizer, '--max-steps', '1', '-o', fresh()],
    ...more,
  );

/** The data of a file for the classifier, or for another training directory. */
const open = (data: string, more: Partial<DataOptions> = {}, folder = net.train): Promise<OpenedData> =>
  openData(data, readSignature(folder), { ...READING, tokenizer: net.tokenizer, ...more }, null);

/** A model of the cases, rewritten and emitted. */
async function emitted(name: string, ...more: readonly string[]): Promise<string> {
  const model = join(root, `${name}.onnx`);
  cpSync(join(CASES, `${name}.onnx`), model);
  await done('rewrite', model, '--rank', '2');
  const folder = join(root, name);
  await done('emit', 'onnx-train', join(root, `${name}.lotr.onnx`), '-o', folder, ...more);
  return folder;
}

beforeAll(async () => {
  net = await textClassifier(join(root, 'net'));
}, 60_000);

describe('options', () => {
  test('LOTR8222 options that nothing reads', async () => {
    const words = ['--power', '2', '--schedule', 'constant', '--min-lr', '0', '--eval-every', '3'];
    const { code, err } = await train(jsonl('a.jsonl', DATA), ...words, '--quote', "'", '--pack');
    for (const option of ['--power', '--min-lr', '--eval-every', '--quote', '--pack'])
      expect(err).toContain(`warning LOTR8222: ${option} has no effect:`);
    expect(code).toBe(0);
  });
});

describe('what the model predicts', () => {
  test('LOTR8220 one label for a text and a class for every position', async () => {
    const folder = await emitted('tied.ts', '--shift');
    const lmcls = join(CASES, 'lmcls.jsonl');
    const one = await refused(open(lmcls, {}, folder));
    expect(one).toMatchObject({ code: 'LOTR8220', message: expect.stringMatching(/one "label" for a text/) });
    expect(one.hint).toMatch(/"prompt" and "completion"/);
    expect((await open(lmcls, { task: 'text' }, folder)).dataset.size).toBe(2);
    expect(await refused(open(lmcls, { task: 'prompt' }))).toMatchObject({ code: 'LOTR8220' });
    // ready tensors: labels of rows are not those of positions
    const tensors = join(root, 'rows.safetensors');
    const column = i64Tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    for (const labels of [i64Tensor([2], [0, 1]), i64Tensor([2, 1], [0, 1])]) {
      writeSafetensors(
        tensors,
        new Map([
          ['input_ids', column],
          ['attention_mask', i64Tensor([2, 3], [1, 1, 1, 1, 1, 1])],
          ['labels', labels],
        ]),
      );
      const { code, err } = await lotrc('eval', folder, '--data', tensors);
      expect(err).toMatch(
        /error LOTR8204: (labels are \[2\] and the graph wants|"labels" is \[2,1\], and "seq" is 3)/,
      );
      expect(code).toBe(1);
    }
  });
});

describe('tables', () => {
  test('TSV has no quoting, --quote gives it one', async () => {
    expect((await open(join(CASES, 'swallow.tsv'))).dataset.size).toBe(6);
    const fields = { ...FIELDS, text: '#1 String', pair: '#2 String', label: 'Quality' };
    expect((await open(join(CASES, 'mrpc.tsv'), { fields })).dataset.size).toBe(4);
    const quoted = file('quoted.tsv', 'text\tlabel\n"a\tb"\tfish\n"c"\tbird\n');
    expect((await open(quoted, { quote: '"' })).dataset.lengths).toEqual([2, 1]);
    const single = file('single.csv', "text,label\n'a,b',fish\n");
    expect((await open(single, { quote: "'" })).dataset.lengths).toEqual([2]);
    const none = file('none.csv', 'text,label\n"a,fish\nb",bird\n');
    expect((await open(none, { quote: 'none' })).dataset.size).toBe(2);
  });
  test('LOTR8224 quotes that are kept', async () => {
    const { notes } = await open(file('kept.tsv', 'text\tlabel\n"a"\tfish\n"b"\tbird\nc\tnewt\n'));
    expect(notes.map(({ code }) => code)).toEqual(['LOTR8224']);
  });
  test('LOTR8204 a column that comes twice', async () => {
    const twice = file('twice.csv', 'text,label,label\na,fish,bird\n');
    expect(await refused(open(twice))).toMatchObject({ message: 'it has 2 columns "label"' });
    expect((await open(file('other.csv', 'text,label,x,x\na,fish,1,2\n'))).dataset.size).toBe(1);
  });
});

describe('labels', () => {
  const ids = i64Tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  const mask = f32Tensor([2, 3], [1, 1, 1, 1, 1, 1]);
  const tensors = (labels: ReturnType<typeof i64Tensor>) => {
    const path = join(root, `labels${serial++}.safetensors`);
    writeSafetensors(
      path,
      new Map([
        ['input_ids', ids],
        ['attention_mask', mask],
        ['labels', labels],
      ]),
    );
    return path;
  };
  test('of ready tensors are classes of the model', async () => {
    const bad = await refused(open(tensors(i64Tensor([2], [1, 3]))));
    expect(bad.message).toBe('row 1 (counted from 0): the label 3 is not a class of the model, which has 3');
    expect((await refused(open(tensors(i64Tensor([2], [-1, 0]))))).message).toMatch(
      /label -1 is not a class/,
    );
    expect((await open(tensors(i64Tensor([2], [-100, 0])))).dataset.size).toBe(2);
    const two = { label: 'labels', loss: 'cross-entropy', values: false, classes: 2, ignored: -100 } as const;
    await expect(tensorDataset(new FileSource(join(CASES, 'onebad.safetensors')), two)).rejects.toThrow(
      /row 5 .*label 2/,
    );
  });
  test('of bce lie between 0 and 1, those of mse are finite', async () => {
    const bce = await textClassifier(join(root, 'bce'), { loss: 'bce', classes: 1 });
    const bad = jsonl('bce.jsonl', [
      { text: 'a', label: 0.5 },
      { text: 'b', label: 1.5 },
    ]);
    expect(await refused(open(bad, {}, bce.train))).toMatchObject({
      code: 'LOTR8205',
      message: 'the label 1.5 is not between 0 and 1',
    });
    const path = tensors(f32Tensor([2, 1], [-0.5, 1]) as unknown as ReturnType<typeof i64Tensor>);
    expect((await refused(open(path, {}, bce.train))).message).toMatch(/row 0 .*-0.5 is not between/);
    const mse = await textClassifier(join(root, 'mse'), { loss: 'mse', classes: 1 });
    const infinite = tensors(f32Tensor([2, 1], [0, Number.NaN]) as unknown as ReturnType<typeof i64Tensor>);
    expect((await refused(open(infinite, {}, mse.train))).message).toMatch(/row 1 .*not a finite number/);
    // whole numbers as labels of a loss on numbers, in a batch that is filled up
    const { dataset } = await open(tensors(i64Tensor([2, 1], [3, 4])), {}, mse.train);
    const { data } = dataset.batch([1], 2).labels;
    expect([...data]).toEqual([4, 3.4028234663852886e38]);
  });
});

describe('the order of classes', () => {
  const orderOf = async (more: Partial<DataOptions>, rows: readonly object[] = DATA) => {
    const { labels, notes } = await open(jsonl('order.jsonl', rows), more);
    return { labels, codes: notes.map(({ code }) => code) };
  };
  /** A copy of the tokenizer in a folder with a config.json. */
  const beside = (names: readonly string[]): string => {
    const folder = join(root, `config${serial++}`);
    mkdirSync(folder);
    cpSync(net.tokenizer, join(folder, 'vocab.json'));
    const id2label = Object.fromEntries(names.map((name, i) => [String(i), name]));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ id2label }));
    return join(folder, 'vocab.json');
  };
  test('--labels, else the config.json in the folder of the tokenizer, else sorted', async () => {
    const given = ['newt', 'fish', 'bird'];
    expect(await orderOf({ labels: given })).toEqual({
      labels: { kind: 'names', names: given, order: 'given' },
      codes: [],
    });
    expect(await orderOf({ tokenizer: beside(['newt', 'bird', 'fish']) })).toEqual({
      labels: { kind: 'names', names: ['newt', 'bird', 'fish'], order: 'config' },
      codes: [],
    });
    expect((await orderOf({})).labels).toMatchObject({ names: ['bird', 'fish', 'newt'], order: 'data' });
    expect((await orderOf({ tokenizer: beside(['LABEL_0', 'LABEL_1', 'LABEL_2']) })).codes).toEqual([]);
  });
  test('LOTR8221 a config.json that names other classes', async () => {
    const { labels, codes } = await orderOf({ tokenizer: beside(['dog', 'cat', 'cow']) });
    expect(labels).toMatchObject({ names: ['bird', 'fish', 'newt'] });
    expect(codes).toEqual(['LOTR8221']);
    expect((await orderOf({ tokenizer: beside(['bird', 'fish']) })).codes).toEqual(['LOTR8221']);
  });
  test('LOTR8226 an order that does not fit, LOTR8205 a label that it does not name', async () => {
    expect(await refused(orderOf({ labels: ['fish', 'bird'] }))).toMatchObject({ code: 'LOTR8226' });
    expect(await refused(orderOf({ labels: ['fish', 'fish', 'bird'] }))).toMatchObject({ code: 'LOTR8226' });
    const odd = await refused(orderOf({ labels: ['fish', 'bird', 'cow'] }));
    expect(odd).toMatchObject({
      code: 'LOTR8205',
      message: 'the label "newt" is not one of fish, bird, cow',
    });
  });
  test('class numbers replace names that are given', async () => {
    const rows = DATA.map(({ text }, i) => ({ text, label: i % 3 }));
    const { dataset } = await open(jsonl('numbers.jsonl', rows), { labels: ['newt', 'fish', 'bird'] });
    expect([...dataset.batch([0, 1, 2]).labels.data]).toEqual([0, 1, 2]);
  });
  test('is printed', async () => {
    const { err } = await train(jsonl('a.jsonl', DATA), '--labels', 'newt,fish,bird');
    expect(err).toContain('classes: 0 newt, 1 fish, 2 bird (as given)');
  });
});

describe('a model without a mask', () => {
  test('LOTR8223 sees the padding; with --bucket the loss does not depend on the batch', async () => {
    const folder = await emitted('nomask');
    const sent = join(root, 'sent.jsonl');
    writeFileSync(sent, readFileSync(join(CASES, 'sent.jsonl'), 'utf8').split('\n').slice(0, 40).join('\n'));
    const loss = async (...more: readonly string[]) => {
      const words = ['--data', sent, '--tokenizer', join(CASES, 'tokenizer.json'), '--json'];
      const { out, err } = await lotrc('eval', folder, ...words, ...more);
      return { loss: (JSON.parse(out) as { loss: number }).loss, warned: err.includes('warning LOTR8223') };
    };
    const padded = await loss('--batch-size', '16');
    const alone = await loss('--batch-size', '1', '--pad-to', '1');
    const bucket = await loss('--batch-size', '16', '--bucket');
    expect(padded.warned).toBe(true);
    expect(Math.abs(padded.loss - alone.loss)).toBeGreaterThan(1e-4);
    expect(bucket.warned).toBe(false);
    expect(bucket.loss).toBeCloseTo(alone.loss, 6);
  });
  test('batches of one length: every row once in an epoch, in an order that the seed decides', async () => {
    const data = jsonl('a.jsonl', records(50, NAMES));
    const output = fresh();
    const words = ['--data', data, '--tokenizer', net.tokenizer, '--bucket', '--batch-size', '4'];
    const { err, code } = await lotrc('train', net.train, ...words, '--epochs', '1', '-o', output);
    expect(code).toBe(0);
    // eleven lengths: seven with 5 texts and four with 4 or 3, in batches of 4
    const lengths = records(50, NAMES).map(({ text }) => text.length);
    const batches = [...new Set(lengths)]
      .map((length) => Math.ceil(lengths.filter((other) => other === length).length / 4))
      .reduce((a, b) => a + b);
    expect(err).toContain(`50 examples; ${batches} steps an epoch`);
  });
});

test('eval reads inputs as the run did', async () => {
  const tensors = join(root, 'named.safetensors');
  writeSafetensors(
    tensors,
    new Map([
      ['words', i64Tensor([2, 3], [1, 2, 3, 4, 5, 6])],
      ['attention_mask', f32Tensor([2, 3], [1, 1, 1, 1, 1, 1])],
      ['labels', i64Tensor([2], [0, 1])],
    ]),
  );
  const output = fresh();
  const words = ['--data', tensors, '--input', 'input_ids=words', '--max-steps', '1', '-o', output];
  expect((await lotrc('train', net.train, ...words)).code).toBe(0);
  const { code, err } = await lotrc('eval', net.train, '--run', output, '--data', tensors);
  expect(err).toBe('');
  expect(code).toBe(0);
});

test('a run of an older version, whose settings lack those that came later, is resumed', async () => {
  const output = fresh();
  const words = ['--data', jsonl('a.jsonl', DATA), '--tokenizer', net.tokenizer, '--max-steps', '2'];
  expect((await lotrc('train', net.train, ...words, '-o', output)).code).toBe(0);
  const path = join(output, 'run.json');
  const settings = JSON.parse(readFileSync(path, 'utf8')) as {
    reading: Record<string, unknown> & { fields: Record<string, unknown> };
    labels: Record<string, unknown>;
  };
  const { tokenizer, badLines, maxLength, padTo, fields } = settings.reading;
  const { text, pair, label } = fields;
  const old = { tokenizer, fields: { text, pair, label }, badLines, maxLength, padTo };
  const { order: _order, ...labels } = settings.labels;
  writeFileSync(path, JSON.stringify({ ...settings, reading: old, labels }));
  const { code, err } = await lotrc('train', net.train, '-o', output, '--resume', '--max-steps', '3');
  expect(err).not.toContain('error');
  expect(code).toBe(0);
});
