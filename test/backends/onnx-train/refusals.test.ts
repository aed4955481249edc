import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import { readSignature } from '../../../src/train/read-signature.js';
import { writeCase } from '../../differential/encode.js';
import { type Net, nd, type Op } from '../../differential/graph.js';
import { codeOf } from '../../support/code-of.js';
import { noise } from '../../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-refusals-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folder = '';
let serial = 0;
beforeEach(() => {
  folder = join(root, String(serial++));
  mkdirSync(folder);
});

/** Two layers from one input, each to an output of its own; `tail` is the op after the second. */
function base(tail = 'Tanh'): string {
  const graph = new Graph('two');
  const x = graph.addInput('x', tensorType('f32', ['batch', 19]));
  for (const [name, op] of [
    ['a', 'Relu'],
    ['b', tail],
  ] as const) {
    const w = graph.addInitializer(`${name}.weight`, f32Tensor([19, 17], noise(19 * 17, name.charCodeAt(0))));
    const h = graph.append({ op: 'MatMul', inputs: [x, w], outputs: [`${name}/h`], name: `/${name}/MatMul` })
      .outputs[0]!;
    const f = graph.append({ op, inputs: [h], outputs: [`${name}/f`], name: `/${name}/${op}` }).outputs[0]!;
    const head = graph.addInitializer(`${name}.head`, f32Tensor([17, 5], noise(85, 4)));
    const y = graph.append({ op: 'MatMul', inputs: [f, head], outputs: [name], name: `/${name}/head/MatMul` })
      .outputs[0]!;
    y.setType(tensorType('f32', ['batch', 5]));
    graph.addOutput(y);
  }
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 18);
  rewrite(model, { rank: 3, targets: ['a', 'b'] });
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  return path;
}

function codeFor(path: string, options: Partial<TrainOptions>, into = folder): string {
  return codeOf(() =>
    emitTraining({ open: () => readModel(path), folder: into, options: { ...TRAIN_DEFAULTS, ...options } }),
  );
}

test('two float outputs: the user must choose (LOTR5001)', () => {
  expect(codeFor(base(), {})).toBe('LOTR5001');
  expect(codeFor(base(), { logits: 'nothing' })).toBe('LOTR5001');
});

test('shifting needs three axes (LOTR5002)', () => {
  expect(codeFor(base(), { logits: 'a', shift: true })).toBe('LOTR5002');
});

test('a layer that does not lead to the chosen output (LOTR5003), and nothing is left behind', () => {
  const path = base();
  const before = readdirSync(folder);
  expect(codeFor(path, { logits: 'a' })).toBe('LOTR5003');
  expect(readdirSync(folder)).toEqual(before);
});

test('--train that names no factor (LOTR5004)', () => {
  expect(codeFor(base(), { logits: 'a', train: ['Q'] })).toBe('LOTR5004');
});

test('--also-train that finds nothing, or is not an expression (LOTR5005)', () => {
  expect(codeFor(base(), { logits: 'a', alsoTrain: ['no such weight'] })).toBe('LOTR5005');
  expect(codeFor(base(), { logits: 'a', alsoTrain: ['('] })).toBe('LOTR5005');
});

test('an op that the provider lacks (LOTR5006), unless it is allowed', () => {
  const path = base('Sign');
  expect(codeFor(path, { logits: 'a', ep: ['webgpu'], train: ['R'] })).toBe('LOTR5006');
  const allowed = { logits: 'a', ep: ['webgpu'], train: ['R'], allowFallback: ['Sign'] } as const;
  expect(codeFor(path, allowed)).toBe('none');
});

test('products in 8 bits where nothing computes them, or where they are not in sight (LOTR5008)', () => {
  const path = base();
  const int8 = { logits: 'a', train: ['R'], baseDtype: 'int8' } as const;
  for (const ep of ['cuda', 'webgpu'] as const) expect(codeFor(path, { ...int8, ep: [ep] })).toBe('LOTR5008');
  expect(codeFor(path, { ...int8, keepFunctions: true })).toBe('LOTR5008');
  expect(codeFor(path, { ...int8, ep: ['cpu', 'wasm'] })).toBe('none');
  expect(codeFor(path, { ...int8, baseDtype: 'auto' as 'int8' })).toBe('LOTR5008');
  const old = readModel(path);
  old.setOpset('', 10);
  expect(() => emitTraining({ open: () => old, folder, options: { ...TRAIN_DEFAULTS, ...int8 } })).toThrow(
    /LOTR5008.*operator set 10/,
  );
});

test('an op without a gradient on the path (LOTR4201)', () => {
  expect(codeFor(base('Bernoulli'), { logits: 'b', train: ['R'] })).toBe('LOTR4201');
});

test('a base that cannot be linked where only links are allowed (LOTR5007)', () => {
  const path = base();
  const elsewhere = '/dev/shm';
  // another file system, where there is one: hard links do not cross it
  if (!existsSync(elsewhere) || statSync(elsewhere).dev === statSync(folder).dev) return;
  const into = mkdtempSync(join(elsewhere, 'lotrc-'));
  const request = {
    open: () => readModel(path),
    folder: into,
    options: { ...TRAIN_DEFAULTS, logits: 'a', train: ['R'] },
  };
  try {
    expect(() => emitTraining({ ...request, base: 'link' })).toThrow('LOTR5007');
    expect(readdirSync(into)).toEqual([]);
    expect(emitTraining({ ...request, base: 'auto' }).placed).toMatchObject([{ how: 'copied' }]);
  } finally {
    rmSync(into, { recursive: true });
  }
});

test('the base is copied next to the graphs, which do not hold it, and hard-linked only where asked', () => {
  const graph = new Graph('one');
  const x = graph.addInput('x', tensorType('f32', ['batch', 37]));
  const w = graph.addInitializer('w', f32Tensor([37, 41], noise(37 * 41, 3)));
  const y = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['y'], name: '/fc/MatMul' }).outputs[0]!;
  y.setType(tensorType('f32', ['batch', 41]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 18);
  rewrite(model, { rank: 3, targets: ['fc'] });
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const into = join(folder, 'train');
  const inode = () => statSync(join(into, 'model.lotr.onnx')).ino;
  expect(codeFor(path, {}, into)).toBe('none');
  const copy = inode();
  expect(copy).not.toBe(statSync(path).ino);
  const request = { open: () => readModel(path), folder: into, options: TRAIN_DEFAULTS };
  expect(emitTraining(request).placed).toEqual([]);
  expect(inode()).toBe(copy);
  // the folder is named as it was given
  const given = relative(process.cwd(), join(folder, 'linked'));
  const linked = { ...request, folder: given, base: 'link' } as const;
  const placed = [{ file: join(given, 'model.lotr.onnx'), how: 'linked' }];
  expect(emitTraining(linked).placed).toEqual(placed);
  // a later run without --link replaces the link
  expect(emitTraining({ ...linked, base: 'auto' }).placed).toHaveLength(1);
  expect(statSync(join(folder, 'linked/model.lotr.onnx')).nlink).toBe(1);
  expect(() => emitTraining({ ...linked, options: { ...TRAIN_DEFAULTS, loop: 2 } })).toThrow(
    /LOTR5007.*step-loop/s,
  );
  for (const file of ['step', 'grad', 'apply', 'eval', 'infer']) {
    expect(statSync(join(into, `${file}.onnx`)).size, file).toBeLessThan(37 * 41 * 4 * 2);
  }
  expect(readSignature(into).base).toMatchObject([{ location: 'model.lotr.onnx' }]);
  const bytes = readFileSync(join(into, 'model.lotr.onnx'));
  bytes[bytes.length - 100]! ^= 1;
  writeFileSync(join(into, 'model.lotr.onnx'), bytes);
  expect(() => readSignature(into)).toThrow(/LOTR8201.*digest/s);
});

test('small weights in a data file are brought into the directory as large ones are', () => {
  const path = join(folder, 'model.onnx');
  const fc: Op = {
    domain: '',
    op: 'MatMul',
    name: 'fc',
    inputs: ['x', 'fc.weight'],
    outputs: ['y'],
    attrs: {},
  };
  const net: Net = {
    name: 'main',
    inputs: [{ name: 'x', dtype: 'f32', dims: ['batch', 5] }],
    outputs: [{ name: 'y', dtype: 'f32', dims: ['batch', 3] }],
    ops: [fc],
    stored: new Map([['fc.weight', nd('f32', [5, 3], noise(15))]]),
    declared: [],
  };
  writeCase({ opset: 17, net, functions: new Map(), external: true }, path);
  const model = readModel(path);
  rewrite(model, { rank: 2, targets: ['fc'] });
  const rewritten = join(folder, 'model.lotr.onnx');
  writeModel(model, rewritten);
  const target = join(folder, 'train');
  const { signature } = emitTraining({
    open: () => readModel(rewritten),
    folder: target,
    options: { ...TRAIN_DEFAULTS, loss: 'mse' },
  });
  expect(signature.base.map(({ location }) => location)).toEqual(['model.data']);
  expect(readFileSync(join(target, 'model.data'))).toEqual(readFileSync(join(folder, 'model.data')));
});
