import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, i64Tensor, MemoryTensor } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { defaultsOf } from '../../src/options/define.js';
import { REWRITE } from '../../src/options/sets/adapters.js';
import { rewriteOptionsOf } from '../../src/rewrite-values.js';
import { lotrc } from '../support/cli.js';
import { baseOf } from '../support/peft.js';

// recorded by test/data/eva/make.py

const root = mkdtempSync(join(tmpdir(), 'lotrc-eva-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const DATA = resolve(import.meta.dirname, '../data/eva');
const CALIBRATION = join(DATA, 'calibration.safetensors');
const recorded = readSafetensors(join(DATA, 'eva.safetensors')).tensors;
const TARGETS = ['query', 'key', 'intermediate.dense', 'output.dense'].flatMap((name) => ['--target', name]);
const BERT = baseOf('bert');
const RANK = 5;

/** `lotrc rewrite BERT --init eva` with these options. */
const started = (name: string, ...options: readonly string[]) =>
  lotrc(
    'rewrite',
    BERT,
    '--rank',
    String(RANK),
    '--init',
    'eva',
    ...options,
    '-o',
    join(root, `${name}.onnx`),
  );

async function factors(name: string, ...options: readonly string[]) {
  const { code, err, out } = await started(name, '--calibration', CALIBRATION, ...TARGETS, ...options);
  expect(code, err).toBe(0);
  const { tensors } = readSafetensors(join(root, `${name}.safetensors`));
  return { out, tensors };
}

/** The largest distance of columns (in, RANK) from rows (RANK and more, in), whatever their signs. */
function distance(columns: Float64Array, rows: Float64Array): number {
  const inn = columns.length / RANK;
  return Math.max(
    ...Array.from({ length: RANK }, (_, k) => {
      const [a, b] = [1, -1].map((sign) =>
        Math.hypot(
          ...Array.from({ length: inn }, (_, i) => columns[i * RANK + k]! - sign * rows[k * inn + i]!),
        ),
      ) as [number, number];
      return Math.min(a, b);
    }),
  );
}

test('A of LoRA is that of EVA in PEFT, and what numpy finds in the inputs of the layers', async () => {
  const { tensors, out } = await factors('lora', '--method', 'lora', '--json');
  const modules = [...recorded.keys()].filter((name) => name.startsWith('peft/'));
  expect(modules).toHaveLength(10);
  for (const name of modules) {
    const module = name.slice('peft/'.length);
    const a = toF64(tensors.get(`lora/${module}/A`)!);
    expect(distance(a, toF64(recorded.get(`numpy/${module}`)!)), module).toBeLessThan(1e-5);
    expect(distance(a, toF64(recorded.get(name)!)), module).toBeLessThan(1e-4);
    expect(toF64(tensors.get(`lora/${module}/B`)!).some((value) => value !== 0)).toBe(false);
  }
  const { eva } = JSON.parse(out) as {
    eva: { examples: number; starts: { factors: string[]; variance: number }[] };
  };
  expect(eva.examples).toBe(24);
  // queries and keys of a layer read the same
  expect(eva.starts.map((start) => start.factors.length)).toEqual([2, 1, 1, 1, 2, 1, 1, 1]);
  for (const { variance } of eva.starts) expect(variance).toBeGreaterThan(0.5);
  const { code } = await lotrc('verify', BERT, join(root, 'lora.onnx'), '--tolerance', '1e-30');
  expect(code).toBe(0);
});

test('layers whose directions are found in fewer passes than those of others', async () => {
  const { code, err } = await lotrc(
    ...['rewrite', BERT, '--rank', '2', '--method', 'lora', '--init', 'eva', ...TARGETS],
    ...['--calibration', CALIBRATION, '-o', join(root, 'narrow.onnx')],
  );
  expect(code, err).toBe(0);
});

test('R of LoTR has the directions of the sum of the covariances of its layers', async () => {
  const { tensors } = await factors('lotr', '--scale', '5');
  for (const shape of ['16x16', '16x24', '24x16']) {
    const found = distance(toF64(tensors.get(`lotr/${shape}/R`)!), toF64(recorded.get(`numpy/${shape}`)!));
    expect(found, shape).toBeLessThan(1e-5);
  }
});

test('texts are run without padding, and their labels do not matter', async () => {
  const model = resolve(import.meta.dirname, '../../models/sentiment/sentiment.onnx');
  const data = join(root, 'texts.jsonl');
  const texts = ['a film that is good', 'bad', 'I have seen it two times, and shall again'];
  writeFileSync(data, texts.map((text, label) => `${JSON.stringify({ text, label })}\n`).join(''));
  const tokenizer = resolve(model, '../tokenizer.json');
  const run = (...more: readonly string[]) =>
    lotrc(
      'rewrite',
      model,
      '--rank',
      '3',
      '--target',
      'q_proj',
      '--init',
      'eva',
      '--calibration',
      data,
      ...more,
    );
  const { code, err, out } = await run('--tokenizer', tokenizer, '-o', join(root, 'texts.onnx'));
  expect(code, err).toBe(0);
  expect(out + err).toContain('started from 3 examples');
  expect((await run('-o', join(root, 'none.onnx'))).err).toContain('text needs a tokenizer');
});

test.each([
  ['no data', [], 'LOTR8001', '--init eva needs data'],
  [
    'a method without such a factor',
    ['--method', 'vera'],
    'LOTR3401',
    'no matrix of its own on the input side',
  ],
  [
    'a factor that starts at zero',
    ['--method', 'metatt-4d'],
    'LOTR3401',
    'no other factor that starts at zero',
  ],
] as const)('%s is refused', async (_, options, wanted, why) => {
  const { code, err } = await started(
    'refused',
    ...(options.length > 0 ? ['--calibration', CALIBRATION] : []),
    ...options,
  );
  expect(code).not.toBe(0);
  expect(err).toContain(wanted);
  expect(err).toContain(why);
});

test('lengths of columns of DoRA stay what they are, with this start and with any preset', () => {
  for (const init of ['eva', 'fan-in']) {
    const values = { ...defaultsOf(REWRITE), rank: RANK, method: 'dora', init };
    const { spec } = rewriteOptionsOf(values, undefined, undefined, true);
    expect(spec!.factors.map((factor) => factor.init)).toEqual([{ fanIn: 1 }, 'zeros', 'weightNorm']);
  }
});

test('other ways to rewrite a model refuse it, and start with nothing else in its place', () => {
  const values = { ...defaultsOf(REWRITE), rank: RANK, init: 'eva' };
  expect(() => rewriteOptionsOf(values)).toThrow('--init eva is for `lotrc rewrite`');
});

test('padding and too few rows are refused', async () => {
  const rows = (name: string, mask: readonly number[]) => {
    const path = join(root, `${name}.safetensors`);
    const [ids, masks] = [mask.map((_, k) => 3 + k), mask].map((values) =>
      i64Tensor([1, mask.length], values),
    );
    writeSafetensors(
      path,
      new Map([
        ['input_ids', ids!],
        ['attention_mask', masks!],
      ]),
    );
    return path;
  };
  const { err } = await started(
    'padded',
    '--calibration',
    rows('padding', [1, 1, 1, 1, 1, 1, 0]),
    ...TARGETS,
  );
  expect(err).toMatch(/LOTR3031.*rows are padded \("attention_mask" holds zeros\)/s);
  const few = await started('few', '--calibration', rows('few', [1, 1, 1]), ...TARGETS, '--method', 'lora');
  expect(few.err).toMatch(/LOTR3031.*reads 3 rows of it, and the rank is 5/s);
});

test('vectors that memory has no room for are refused', async () => {
  const wide = 4100;
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f16', ['rows', wide]));
  const numbers = new Uint8Array(2 * wide * wide).fill(0x21);
  const w = graph.addInitializer('fc.weight', new MemoryTensor('f16', [wide, wide], numbers));
  const y = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['y'] }).outputs[0]!;
  y.setType(tensorType('f16', ['rows', wide]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  const [path, data] = [join(root, 'wide.onnx'), join(root, 'wide.safetensors')];
  writeModel(model, path);
  writeSafetensors(data, new Map([['x', f32Tensor([1, wide], new Float32Array(wide).fill(2))]]));
  const large = await lotrc(
    ...['rewrite', path, '--rank', String(wide), '--method', 'lora', '--target', 'fc', '--init', 'eva'],
    ...['--calibration', data, '-o', join(root, 'wide.lora.onnx')],
  );
  expect(large.err).toMatch(/LOTR3032.*1540 MiB, more than 1024/s);
});

test('a stack of experts is refused by name', async () => {
  const { err } = await lotrc(
    ...['rewrite', baseOf('mixtral'), '--rank', '2', '--method', 'lora', '--target', 'experts.down_proj'],
    ...['--init', 'eva', '--calibration', CALIBRATION, '-o', join(root, 'experts.onnx')],
  );
  expect(err).toMatch(/LOTR3030.*experts\.down_proj\.0.*matrix of a stack of experts/s);
});
