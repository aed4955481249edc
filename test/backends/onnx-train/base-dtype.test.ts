import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chooseBaseDtype, heaviestMatrix } from '../../../src/backends/onnx-train/int8/choose.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { hostMissing } from '../../../src/ir/codes/cli.js';
import { fail } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import { lotrc } from '../../support/cli.js';
import { noise } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-base-dtype-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const at = (name: string) => join(scratch, name);

/** Layers of several kinds in a row; `side` leads to another output. */
function net(): Model {
  const graph = new Graph('net');
  const stored = (name: string, ...shape: readonly [number, number]) =>
    graph.addInitializer(name, f32Tensor(shape, noise(shape[0] * shape[1], name.length)));
  const product = (name: string, x: Value, w: Value) =>
    graph.append({ op: 'MatMul', inputs: [x, w], outputs: [`${name}/y`], name: `/${name}/MatMul` })
      .outputs[0]!;
  const x = graph.addInput('x', tensorType('f32', ['batch', 40]));
  const a = product('a', x, stored('a.weight', 40, 48));
  const b = product('b', a, stored('b.weight', 48, 48));
  const codes = graph.addInitializer(
    'c.weight',
    new MemoryTensor('i8', [48, 50], new Uint8Array(2400).fill(3)),
  );
  const scale = graph.addInitializer('c.scale', f32Tensor([], [0.01]));
  const wide = graph.append({ op: 'DequantizeLinear', inputs: [codes, scale], outputs: ['c/w'] }).outputs[0]!;
  const c = product('c', b, wide);
  const d = product('d', c, stored('d.weight', 50, 48));
  const y = product('e', d, stored('e.weight', 48, 5));
  const side = product('side', a, stored('side.weight', 48, 30));
  for (const [value, name, width] of [
    [y, 'logits', 5],
    [side, 'side', 30],
  ] as const) {
    value.rename(name);
    value.setType(tensorType('f32', ['batch', width]));
    graph.addOutput(value);
  }
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 18);
  return model;
}

function adapted(): string {
  const path = at('net.lotr.onnx');
  const model = net();
  rewrite(model, { rank: 3, targets: ['a'] });
  writeModel(model, path);
  return path;
}

const choose = (model: Model, given: Partial<TrainOptions>, float32: number, int8: number) =>
  chooseBaseDtype(model, { ...TRAIN_DEFAULTS, ...given }, scratch, async (_folder, shape) => ({
    rows: 7,
    shape,
    float32,
    int8,
  }));

test('int8 is chosen where it takes at most four fifths of the time', async () => {
  for (const [int8, baseDtype] of [
    [0.0079, 'int8'],
    [0.0081, 'float32'],
    [0.02, 'float32'],
  ] as const) {
    const chosen = await choose(net(), {}, 0.01, int8);
    expect(chosen.baseDtype).toBe(baseDtype);
    expect(chosen.note).toMatchObject({
      code: 'LOTR5025',
      severity: 'remark',
      message: `--base-dtype auto is ${baseDtype} here: [7,50] x [50,48] takes 10.0 ms in float32 and ${(int8 * 1000).toFixed(1)} ms in int8`,
      hint: `for the same bytes on every machine: --base-dtype ${baseDtype}`,
    });
  }
});

test('the shape in which most multiplications are, adapters left out', () => {
  expect(heaviestMatrix(net())).toEqual([50, 48]);
  expect(heaviestMatrix(readModel(adapted()))).toEqual([50, 48]);
});

test('nothing is measured where 8 bits are not possible', async () => {
  const old = net();
  old.setOpset('', 10);
  const small = net();
  for (const value of [...small.graph.initializers.values()])
    if (value.constant?.shape.length === 2) value.setConstant(f32Tensor([3, 3], noise(9, 1)));
  for (const [model, given, why] of [
    [net(), { ep: ['webgpu'] }, /the webgpu provider has no kernels/],
    [net(), { keepFunctions: true }, /--keep-functions/],
    [old, {}, /operator set 10/],
    [small, {}, /no layer has a float32 matrix/],
  ] as const) {
    const chosen = await choose(model, given, 1, 0);
    expect(chosen).toMatchObject({ baseDtype: 'float32', times: null });
    expect(chosen.note.message).toMatch(why);
  }
});

test('without ONNX Runtime: what to install, or to write out (LOTR5024)', async () => {
  const missing = async () => fail(hostMissing({ why: null }));
  await expect(chooseBaseDtype(net(), TRAIN_DEFAULTS, scratch, missing)).rejects.toThrow(
    /LOTR5024: .*onnxruntime-node.*is not installed[\s\S]*npm install onnxruntime-node.*--base-dtype float32 or --base-dtype int8/,
  );
});

test('--base-dtype auto measures, says so, and writes what it chose', async () => {
  const folder = at('auto');
  const emitted = await lotrc(
    ...['emit', 'onnx-train', adapted(), '-o', folder, '--logits', 'logits', '--base-dtype', 'auto'],
  );
  expect(emitted.code, emitted.err).toBe(0);
  const [, chosen] = /LOTR5025: --base-dtype auto is (\w+) here: \[256,50\] x \[50,48\]/.exec(emitted.err)!;
  const { baseProducts } = JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as {
    baseProducts?: { dtype: string };
  };
  expect(baseProducts?.dtype ?? 'float32').toBe(chosen);
});

test('--explain: each matrix, what its products compute in, and why', async () => {
  const path = adapted();
  const words = ['--logits', 'logits', '--also-train', 'd\\.weight', '--explain', '--base-dtype', 'int8'];
  const told = await lotrc('emit', 'onnx-train', path, ...words);
  expect(told.code, told.err).toBe(0);
  expect(told.out).toBe(`products of the base in a step, --base-dtype int8
layer  in x out  form       why
a      40x48     int8       1 product of the step; frozen, in float32
b      48x48     int8       2 products of the step; frozen, in float32
c      48x50     as stored  the file has it in i8
d      50x48     float32    it is trained in full
e      48x5      float32    2 products of the step: it has fewer than 1024 numbers
side   48x30     none       the loss does not need it
`);
  const json = await lotrc('emit', 'onnx-train', path, ...words.slice(0, -2), '--json');
  expect(JSON.parse(json.out)).toMatchObject({
    version: 1,
    baseDtype: 'float32',
    matrices: [
      { layer: 'a', shape: [40, 48], form: 'float32', why: '1 product of the step, as --base-dtype says' },
      ...['b', 'c', 'd', 'e', 'side'].map((layer) => ({ layer })),
    ],
  });
});

test('without a folder and without --explain there is nothing to do', async () => {
  const { code, err } = await lotrc('emit', 'onnx-train', adapted());
  expect(code).toBe(2);
  expect(err).toContain('-o DIR is missing (or --explain)');
  expect(existsSync('undefined')).toBe(false);
});
