import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { toIntegers } from '../../src/ir/values.js';
import { done, records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { writeJsonl } from '../support/reading.js';

/** Where training runs begin and end: evaluations without a number, early stopping, another length on resuming. */
const root = mkdtempSync(join(tmpdir(), 'lotrc-ends-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const CASES = join(import.meta.dirname, '../data/cases/train');
const DATA = records(40, ['fish', 'bird', 'newt']);
let net: TextClassifier;
let serial = 0;
const fresh = () => join(root, `run${serial++}`);
const jsonl = (name: string, rows: readonly object[]) => writeJsonl(join(root, name), rows);

beforeAll(async () => {
  net = await textClassifier(join(root, 'net'));
}, 60_000);

const train = (output: string, ...more: readonly string[]) =>
  lotrc(
    ...['train', net.train, '--data', jsonl('a.jsonl', DATA), '--tokenizer', net.tokenizer],
    ...['-o', output, '--batch-size', '8', '--seed', '3', ...more],
  );
const bytes = (folder: string, name: string) => readFileSync(join(folder, name));

/** Ready tensors of `rows` examples, with these labels, whose mask is NaN in the rows that are named. */
function tensors(name: string, labels: readonly number[], broken: readonly number[] = []): string {
  const rows = labels.length;
  const path = join(root, name);
  const mask = labels.flatMap((_, row) => Array.from({ length: 4 }, () => (broken.includes(row) ? NaN : 1)));
  writeSafetensors(
    path,
    new Map([
      [
        'input_ids',
        i64Tensor(
          [rows, 4],
          Array.from({ length: rows * 4 }, (_, i) => (i * 7) % 27),
        ),
      ],
      ['attention_mask', f32Tensor([rows, 4], mask)],
      ['labels', i64Tensor([rows], labels)],
    ]),
  );
  return path;
}

describe('an evaluation that is not a number', () => {
  test('never wins: the trained parameters are the result, with a warning for each (LOTR8243)', async () => {
    const output = fresh();
    const bad = tensors('bad.safetensors', [0, 1, 2], [1]);
    const { code, out, err } = await train(
      output,
      '--eval-data',
      bad,
      '--epochs',
      '2',
      '--lr',
      '0.1',
      '--json',
    );
    expect(code, err).toBe(0);
    expect(err.match(/warning LOTR8243: the evaluation at step \d+ has no finite loss/g)).toHaveLength(3);
    const result = JSON.parse(out) as { best: object | null; adapter: string };
    expect(result.best).toBeNull();
    const trained = readSafetensors(result.adapter).tensors;
    const start = readSafetensors(join(net.train, 'state.safetensors')).tensors;
    const last = readSafetensors(join(output, 'checkpoint.safetensors')).tensors;
    for (const [name, tensor] of trained) {
      expect(Buffer.from(tensor.bytes())).toEqual(Buffer.from(last.get(name)!.bytes()));
      expect(Buffer.from(tensor.bytes())).not.toEqual(Buffer.from(start.get(name)!.bytes()));
    }
    const evaluated = await lotrc('eval', net.train, '--run', output, '--data', bad);
    expect(evaluated.err).toMatch(/warning LOTR8243: the evaluation has no finite loss/);
  });
  test('a row whose logits are NaN is not correct, and does not win by accuracy', async () => {
    const zeros = tensors('zeros.safetensors', [0, 0, 0], [0, 1, 2]);
    const words = ['--eval-data', zeros, '--epochs', '1', '--best', 'accuracy', '--json'];
    const { out, err } = await train(fresh(), ...words);
    expect(err).toMatch(/step 0: evaluation loss NaN, accuracy 0\.00 %/);
    expect((JSON.parse(out) as { best: object | null }).best).toBeNull();
  });
});

describe('data in which no label counts is an error (LOTR8240):', () => {
  const ignored = () => tensors('ignored.safetensors', [-100, -100, -100]);
  test('to train on', async () => {
    const { code, err } = await lotrc('train', net.train, '--data', ignored(), '-o', fresh());
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/LOTR8240: every label of the training data is ignored/),
    ]);
  });
  test('to evaluate on, while training', async () => {
    const { code, err } = await train(fresh(), '--eval-data', ignored());
    expect([code, err]).toEqual([1, expect.stringMatching(/LOTR8240: every label of the evaluation data/)]);
  });
  test('to evaluate on', async () => {
    const { code, err, out } = await lotrc('eval', net.train, '--data', ignored());
    expect([code, out, err]).toEqual([1, '', expect.stringMatching(/LOTR8240/)]);
  });
  test('a classifier of texts, and a language model', async () => {
    const bert = join(root, 'bert');
    await done('rewrite', join(CASES, 'bert2.onnx'), '-o', join(root, 'bert.onnx'), '--rank', '2');
    await done('emit', 'onnx-train', join(root, 'bert.onnx'), '-o', bert);
    const { err } = await lotrc('eval', bert, '--data', join(CASES, 'allmasked.safetensors'));
    expect(err).toMatch(/LOTR8240/);
    const lm = join(root, 'lm');
    const charlm = join(import.meta.dirname, '../../models/charlm/charlm.onnx');
    await done('rewrite', charlm, '-o', join(root, 'lm.onnx'), '--rank', '2');
    await done('emit', 'onnx-train', join(root, 'lm.onnx'), '-o', lm, '--shift');
    // the ids of this model end at 95
    const held = new Map(readSafetensors(join(CASES, 'lmmasked.safetensors')).tensors);
    const ids = toIntegers(held.get('input_ids')!).map((id) => Number(id) % 96);
    held.set('input_ids', i64Tensor(held.get('input_ids')!.shape, ids));
    const masked = join(root, 'lmmasked.safetensors');
    writeSafetensors(masked, held);
    const evaluated = await lotrc('eval', lm, '--data', masked);
    expect(evaluated.err).toMatch(/LOTR8240/);
  });
});

describe('early stopping', () => {
  const WORDS = ['--eval-split', '0.2', '--epochs', '6', '--lr', '1e-30'];
  test('ends after N evaluations without a better one, says so (LOTR8244), and goes on with a larger N', async () => {
    const [output, whole] = [fresh(), fresh()];
    const { code, out, err } = await train(output, ...WORDS, '--patience', '2', '--json');
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ finished: true, early: true, steps: 8, best: { step: 0 } });
    expect(err).toMatch(
      /LOTR8244: stopped after step 8 of 24: no better loss than at step 0 in 2 evaluations/,
    );
    const again = await train(output, ...WORDS, '--patience', '2', '--resume', '--json');
    expect(JSON.parse(again.out)).toMatchObject({ early: true, steps: 8 });
    const more = await train(output, ...WORDS, '--patience', '4', '--resume', '--json');
    expect(JSON.parse(more.out)).toMatchObject({ early: true, steps: 16 });
    await train(whole, ...WORDS, '--patience', '4');
    for (const name of ['checkpoint.safetensors', 'adapter.safetensors'])
      expect(bytes(output, name).equals(bytes(whole, name)), name).toBe(true);
  });
  test.each([
    [['--patience', '2'], /LOTR8242: --patience needs data to evaluate on/],
    [['--best', 'accuracy'], /LOTR8242: --best accuracy needs data/],
    [
      ['--best', 'perplexity', '--eval-split', '0.2'],
      /LOTR8241: --best perplexity: an evaluation of this model has loss, accuracy, f1_macro, mcc/,
    ],
  ])('%j is refused', async (words, message) => {
    const { code, err } = await train(fresh(), ...words);
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
  });
  test('--best accuracy keeps the parameters of the most accurate evaluation', async () => {
    const output = fresh();
    const words = ['--eval-split', '0.3', '--epochs', '5', '--lr', '0.1', '--best', 'accuracy', '--json'];
    const { out, err } = await train(output, ...words);
    const found = [...err.matchAll(/step (\d+): evaluation loss [\d.]+, accuracy ([\d.]+) %/g)];
    const most = Math.max(...found.map(([, , accuracy]) => Number(accuracy)));
    const first = found.find(([, , accuracy]) => Number(accuracy) === most)!;
    const { best } = JSON.parse(out) as { best: { step: number; value: number } };
    expect(best.step).toBe(Number(first[1]));
    expect(100 * best.value).toBeCloseTo(most, 1);
  });
});

test('a run whose passes end before --max-steps says how many would do (LOTR8247)', async () => {
  const { err, out } = await train(fresh(), '--max-steps', '13', '--epochs', '0.5', '--json');
  expect(err).toContain('LOTR8247: the run has 3 steps, and --max-steps is 13: 0.5 passes');
  expect(err).toContain('--epochs 3');
  expect(JSON.parse(out)).toMatchObject({ finished: true, steps: 3 });
  expect((await train(fresh(), '--max-steps', '2', '--epochs', '0.5')).err).not.toContain('LOTR8247');
});

describe('a run that is resumed with another length', () => {
  const WORDS = ['--lr', '0.05', '--warmup', '0.25', '--schedule', 'cosine'];
  test('goes on with the rates of the new length, keeps its warm-up, and says so (LOTR8245)', async () => {
    const output = fresh();
    await train(output, ...WORDS, '--epochs', '2');
    const { code, err, out } = await train(output, ...WORDS, '--epochs', '4', '--resume', '--json');
    expect(code, err).toBe(0);
    // 10 steps with 3 (2.5 rounded) of warm-up; the 11th of 20: p = 7 / 17 of the cosine
    const rate = (0.05 * (1 + Math.cos((Math.PI * 7) / 17))) / 2;
    expect(err).toContain(
      `LOTR8245: the run goes on from step 10 to step 20 instead of 10: the next learning rate is ${Number(rate.toPrecision(3))}`,
    );
    expect(JSON.parse(out)).toMatchObject({ finished: true, steps: 20 });
    const settings = JSON.parse(bytes(output, 'run.json').toString()) as { plan: object };
    expect(settings.plan).toMatchObject({ epochs: 4, warmupSteps: 3 });
  });
  test('gives the same bits whether or not it is stopped again; a length that is passed is refused (LOTR8211)', async () => {
    const [whole, parts] = [fresh(), fresh()];
    for (const output of [whole, parts]) await train(output, ...WORDS, '--epochs', '2');
    await train(whole, ...WORDS, '--epochs', '4', '--resume');
    const timer = setTimeout(() => process.emit('SIGINT'), 12);
    await train(parts, ...WORDS, '--epochs', '4', '--resume', '--checkpoint-every', '100');
    clearTimeout(timer);
    await train(parts, ...WORDS, '--epochs', '4', '--resume');
    for (const name of ['checkpoint.safetensors', 'adapter.safetensors'])
      expect(bytes(parts, name).equals(bytes(whole, name)), name).toBe(true);
    const { code, err } = await train(whole, ...WORDS, '--epochs', '1', '--resume');
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/LOTR8211: .*it took 20 steps, and is now to have 5/),
    ]);
  });
});
