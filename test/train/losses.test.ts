import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attrString } from '../../src/ir/attr.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { Graph, Model, type Value } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, i64Tensor, type TensorData } from '../../src/ir/tensor.js';
import { CHARACTERS, done, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { noise } from '../support/ort.js';
import { writeJsonl } from '../support/reading.js';

/** `lotrc train` and `lotrc eval` with losses on pairs, CTC, several losses, and the loss of the model itself. */
const root = mkdtempSync(join(tmpdir(), 'lotrc-train-losses-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let serial = 0;
const fresh = () => join(root, `run${serial++}`);

interface Result {
  readonly loss: number;
  readonly count: number;
  readonly terms?: readonly {
    readonly output: string;
    readonly loss: number;
    readonly accuracy: number | null;
    readonly mcc: number | null;
    readonly pearson: number | null;
  }[];
}

/** The losses of the evaluations of a run, in their order. */
async function train(
  folder: string,
  data: string,
  output: string,
  ...words: readonly string[]
): Promise<number[]> {
  const { code, err } = await lotrc(
    'train',
    folder,
    '--data',
    data,
    '--eval-data',
    data,
    '-o',
    output,
    ...words,
  );
  expect(code, err).toBe(0);
  return [...err.matchAll(/evaluation loss (-?[\d.]+)/g)].map(([, loss]) => Number(loss));
}

const evaluate = async (folder: string, data: string, ...words: readonly string[]): Promise<Result> => {
  const { code, out, err } = await lotrc('eval', folder, '--data', data, '--json', ...words);
  expect(code, err).toBe(0);
  return JSON.parse(out) as Result;
};

function tensors(name: string, held: Readonly<Record<string, TensorData>>): string {
  const path = join(root, name);
  writeSafetensors(path, new Map(Object.entries(held)));
  return path;
}

describe('pairs of texts', () => {
  const PAIRS = Array.from({ length: 14 }, (_, i) => {
    const word = (k: number) =>
      Array.from({ length: 4 }, (__, j) => CHARACTERS[1 + ((k * 7 + j * 3) % 26)]).join('');
    return { text: word(i), other: word(i + 5), label: ((i % 5) - 2) / 2 };
  });
  const file = join(root, 'pairs.jsonl');
  const nets = new Map<string, TextClassifier>();
  beforeAll(async () => {
    writeJsonl(file, PAIRS);
    for (const loss of ['contrastive', 'cosine'])
      nets.set(loss, await textClassifier(join(root, loss), { loss, classes: 8 }));
    nets.set('fixed', await textClassifier(join(root, 'fixed'), { loss: 'cosine', classes: 8, batch: 8 }));
  }, 60_000);
  const words = (net: TextClassifier) => [
    '--tokenizer',
    net.tokenizer,
    '--pair-field',
    'other',
    '--batch-size',
    '7',
  ];

  test('contrastive: no labels; learns which belong together', async () => {
    const net = nets.get('contrastive')!;
    const more = [...words(net), '--epochs', '6', '--lr', '0.1'];
    const losses = await train(net.train, file, fresh(), ...more);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    const texts = PAIRS.map(({ text, other }) => ({ text, other }));
    const bare = writeJsonl(join(root, 'bare.jsonl'), texts);
    expect((await evaluate(net.train, bare, ...words(net))).loss).toBeCloseTo(losses[0]!, 3);
  });
  test('cosine: ready tensors with the left sides before the right ones have the loss of the texts', async () => {
    const net = nets.get('cosine')!;
    const text = await evaluate(net.train, file, ...words(net));
    const rows = [...PAIRS.map((row) => row.text), ...PAIRS.map(({ other }) => other)];
    const ready = tensors('pairs.safetensors', {
      input_ids: i64Tensor(
        [28, 4],
        rows.flatMap((row) => [...row].map((c) => CHARACTERS.indexOf(c))),
      ),
      attention_mask: f32Tensor([28, 4], new Float32Array(28 * 4).fill(1)),
      labels: f32Tensor(
        [14],
        PAIRS.map(({ label }) => label),
      ),
    });
    const found = await evaluate(net.train, ready, '--batch-size', '5');
    expect(found.count).toBe(14);
    expect(Math.abs(found.loss / text.loss - 1)).toBeLessThan(1e-5);
    const losses = await train(net.train, file, fresh(), ...words(net), '--epochs', '6', '--lr', '0.1');
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    // 14 pairs in batches of 4: the last two are filled up
    const fixed = await evaluate(nets.get('fixed')!.train, file, ...words(net));
    expect(fixed.count).toBe(14);
    expect(Math.abs(fixed.loss / text.loss - 1)).toBeLessThan(1e-5);
  });
  test.each<[string, readonly string[], RegExp]>([
    ['contrastive', [], /LOTR8204: the loss compares two texts, and no second field is named/],
    ['cosine', ['--pair-field', 'third'], /"third"/],
  ])('%s %j is refused', async (loss, more, message) => {
    const net = nets.get(loss)!;
    const { code, err } = await lotrc(
      'eval',
      net.train,
      '--data',
      file,
      '--tokenizer',
      net.tokenizer,
      ...more,
    );
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
  });
});

/** x [batch, ..., 5] -> hidden layer of 9 -> what `heads` makes of it, rewritten and emitted */
async function net(
  name: string,
  dims: readonly string[],
  heads: (graph: Graph, layer: (name: string, out: number) => Value) => readonly Value[],
  ...words: readonly string[]
): Promise<string> {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', [...dims, 5]));
  const product = (from: Value, k: number, label: string, out: number) => {
    const w = graph.addInitializer(`${label}.weight`, f32Tensor([k, out], noise(k * out, label.length)));
    const y = graph.append({ op: 'MatMul', inputs: [from, w], outputs: [label], name: `/${label}/MatMul` })
      .outputs[0]!;
    y.setType(tensorType('f32', [...dims, out]));
    return y;
  };
  const h = product(x, 5, 'hidden', 9);
  const t = graph.append({ op: 'Tanh', inputs: [h], outputs: ['t'], name: '/Tanh' }).outputs[0]!;
  for (const output of heads(graph, (label, out) => product(t, 9, label, out))) graph.addOutput(output);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  const folder = join(root, name);
  const path = join(root, `${name}.onnx`);
  writeModel(model, path);
  const adapted = join(root, `${name}.lotr.onnx`);
  const rank = ['--rank', '3', '--target', 'all-linear', '--init', 'fan-in', '--scale', '3'];
  await done('rewrite', path, '-o', adapted, ...rank);
  await done('emit', 'onnx-train', adapted, '-o', folder, ...words);
  return folder;
}

test('CTC: sequences of labels from ready tensors, of unequal lengths, with a number of frames', async () => {
  const folder = await net(
    'speech',
    ['batch', 'time'],
    (_, layer) => [layer('logits', 4)],
    '--loss',
    'ctc',
    '--frames',
    'frames',
  );
  const labels = [1, 2, -100, 3, 3, 1, 2, -100, -100, 1, 3, 2, 3, -100, -100, 2, 1, 2];
  const held = {
    x: f32Tensor([6, 7, 5], noise(6 * 7 * 5, 8)),
    frames: i64Tensor([6], [7, 7, 5, 6, 3, 7]),
    labels: i64Tensor([6, 3], labels),
  };
  const data = tensors('speech.safetensors', held);
  const losses = await train(folder, data, fresh(), '--batch-size', '4', '--epochs', '25', '--lr', '0.05');
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  expect((await evaluate(folder, data)).count).toBe(6);
  const blank = tensors('blank.safetensors', {
    ...held,
    labels: i64Tensor(
      [6, 3],
      labels.map((y) => (y === 2 ? 0 : y)),
    ),
  });
  const { err } = await lotrc('eval', folder, '--data', blank);
  expect(err).toMatch(/row 0 \(counted from 0\): the label 0 is the blank/);
});

test('several losses: each has its tensor, evaluation names each, accumulation is one large batch', async () => {
  const words = ['--loss', 'kind:cross-entropy:0.5', '--loss', 'size:mse:2'];
  const folder = await net('both', ['batch'], (_, layer) => [layer('kind', 3), layer('size', 2)], ...words);
  const held = {
    x: f32Tensor([9, 5], noise(45, 8)),
    'labels/kind': i64Tensor([9], [0, 1, 2, -100, 1, 0, 2, 2, -100]),
    'labels/size': f32Tensor([9, 2], noise(18, 9)),
  };
  const data = tensors('both.safetensors', held);
  const result = await evaluate(folder, data, '--batch-size', '4');
  expect(result.terms!.map(({ output }) => output)).toEqual(['kind', 'size']);
  const [kind, size] = result.terms! as [
    NonNullable<Result['terms']>[number],
    NonNullable<Result['terms']>[number],
  ];
  expect(result.loss).toBeCloseTo(0.5 * kind.loss + 2 * size.loss, 6);
  expect([kind.accuracy! * 7, size.accuracy]).toEqual([Math.round(kind.accuracy! * 7), null]);
  // a row of two numbers has no rank
  expect([typeof kind.mcc, kind.pearson, size.pearson]).toEqual(['number', null, null]);
  const one = await train(folder, data, fresh(), '--batch-size', '9', '--epochs', '5', '--lr', '0.05');
  const parts = await train(
    folder,
    data,
    fresh(),
    '--batch-size',
    '2',
    '--accumulate',
    '5',
    '--epochs',
    '5',
    '--lr',
    '0.05',
  );
  expect(one.at(-1)!).toBeLessThan(one[0]!);
  for (const [i, loss] of one.entries()) expect(parts[i]!).toBeCloseTo(loss, 3);
  const { 'labels/size': _, ...less } = held;
  const missing = await lotrc('eval', folder, '--data', tensors('less.safetensors', less));
  expect(missing.err).toMatch(/LOTR8204: it has no tensor "labels\/size"/);
  const text = join(root, 'a.jsonl');
  writeFileSync(text, '{"text":"a","label":1}\n');
  expect((await lotrc('eval', folder, '--data', text)).err).toMatch(
    /LOTR8204: the labels of this loss are read from \.safetensors only/,
  );
});

test('a loss that the model computes: its labels are read as those of the graphs', async () => {
  const heads = (graph: Graph, layer: (name: string, out: number) => Value) => {
    const scores = layer('scores', 3);
    const labels = graph.addInput('labels', tensorType('i64', ['batch']));
    const loss = graph.append({
      op: 'SoftmaxCrossEntropyLoss',
      inputs: [scores, labels],
      outputs: ['loss'],
      attrs: [['reduction', attrString('mean')]],
      name: '/loss',
    }).outputs[0]!;
    loss.setType(tensorType('f32', []));
    return [loss, scores];
  };
  const folder = await net('own', ['batch'], heads, '--loss', 'output');
  const plain = await net('plain', ['batch'], (_, layer) => [layer('scores', 3)]);
  const held = { x: f32Tensor([9, 5], noise(45, 8)), labels: i64Tensor([9], [0, 1, 2, 2, 1, 0, 2, 2, 0]) };
  const data = tensors('own.safetensors', held);
  const [output, other] = [fresh(), fresh()];
  const words = ['--batch-size', '4', '--epochs', '4', '--lr', '0.05'];
  const losses = await train(folder, data, output, ...words);
  expect(losses.at(-1)!).toBeLessThan(losses[0]!);
  for (const [i, loss] of (await train(plain, data, other, ...words)).entries())
    expect(losses[i]!).toBeCloseTo(loss, 3);
  expect(JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'))).toMatchObject({ version: 1 });
});
