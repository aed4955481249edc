import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../src/ir/values.js';
import { lotrc } from '../support/cli.js';
import { noise, runOrt, type Tensor } from '../support/ort.js';

const CASES = join(import.meta.dirname, '../data/cases');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-verify-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

function saved(name: string, graph: string): string {
  writeFileSync(at(name), `<ir_version: 9, opset_import: ["" : 17]>\n${graph}\n`);
  return at(name);
}

const report = async (...argv: string[]) => {
  const { out, err } = await lotrc('verify', ...argv, '--json');
  expect(err, err).not.toMatch(/error LOTR8(?!009)/);
  return JSON.parse(out) as {
    outputs: { absolute: number }[];
    equal: boolean;
    notCompared: string[];
    dims: object;
  };
};

describe('inputs that have a default', () => {
  const base = join(CASES, 'sites/conv_optional.onnx');
  const rewritten = ['--rank', '2', '--target', '.*', '--factors', 'optional', '-o', at('optional.onnx')];

  test('take the factors of --adapter, and the model is not the base then', async () => {
    expect((await lotrc('rewrite', base, ...rewritten)).code).toBe(0);
    const { tensors, metadata } = readSafetensors(at('optional.safetensors'));
    const trained = new Map(
      [...tensors].map(([name, { shape }], k) => [
        name,
        f32Tensor(shape, noise(shape[0]! * shape[1]!, k + 3)),
      ]),
    );
    writeSafetensors(at('trained.safetensors'), trained, metadata);
    expect((await lotrc('apply', base, at('trained.safetensors'), '-o', at('embedded.onnx'))).code).toBe(0);
    const adapter = ['--adapter-b', at('trained.safetensors')];
    const same = await report(at('embedded.onnx'), at('optional.onnx'), ...adapter);
    expect(same.equal).toBe(true);
    const other = await report(base, at('optional.onnx'), ...adapter);
    expect(other.outputs[0]!.absolute).toBeGreaterThan(0.5);
    expect(other.equal).toBe(false);
    const without = await report(base, at('optional.onnx'));
    expect(without.equal).toBe(true);
    const bare = await lotrc('verify', base, base, ...adapter);
    expect(bare).toMatchObject({ code: 1, err: expect.stringContaining('LOTR3201') });
  });

  test('take the values of --inputs', async () => {
    const model = saved(
      'add.onnxtxt',
      'g (float[2] x, float[2] f) => (float[2] y) < float[2] f = {0, 0} > { y = Add (x, f) }',
    );
    const ones = 'g (float[2] x, float[2] f) => (float[2] y) < float[2] f = {0, 0} > { y = Identity (x) }';
    writeSafetensors(at('f.safetensors'), new Map([['f', f32Tensor([2], [1, -3])]]), {});
    const given = await report(model, saved('identity.onnxtxt', ones), '--inputs', at('f.safetensors'));
    expect(given.outputs[0]!.absolute).toBeCloseTo(3, 5);
  });
});

test('outputs that are not tensors are named, and the others compared', async () => {
  const zipmap = join(CASES, 'sites/zipmap.onnx');
  const { code, out, err } = await lotrc('verify', zipmap, zipmap);
  expect(code).toBe(0);
  expect(out).toContain('label');
  expect(err).toContain('warning LOTR8012: not compared, because they are not tensors: "probabilities"');
});

test('the tolerance is that of the type that the models compute in', async () => {
  const weight = `float[32, 3] w = {${[...noise(96, 4)].join(', ')}}`;
  const plain = `g (float[5, 32] x) => (float[5, 3] y) < ${weight} > { y = MatMul (x, w) }`;
  const half = (type: number) =>
    `g (float[5, 32] x) => (float[5, 3] y) < ${weight} > {
      xh = Cast <to = ${type}> (x) wh = Cast <to = ${type}> (w) yh = MatMul (xh, wh) y = Cast <to = 1> (yh) }`;
  const stored = `g (float[5, 32] x) => (float[5, 3] y) < ${weight} > {
      wh = Cast <to = 10> (w) wide = Cast <to = 1> (wh) y = MatMul (x, wide) }`;
  const wide = saved('plain.onnxtxt', plain);
  const computed = await lotrc('verify', wide, saved('half.onnxtxt', half(10)));
  expect(computed).toMatchObject({
    code: 0,
    out: expect.stringContaining('tolerance 0.01: a model computes in float16'),
  });
  // half precision that is only stored rounds once: float32's tolerance holds
  const rounded = await lotrc('verify', wide, saved('stored.onnxtxt', stored));
  expect(rounded).toMatchObject({ code: 1, err: expect.stringMatching(/LOTR8009.*the tolerance is 0.0001/) });
  const asked = await lotrc('verify', wide, at('half.onnxtxt'), '--tolerance', '1e-6');
  expect(asked).toMatchObject({ code: 1, err: expect.stringContaining('the tolerance is 0.000001') });
});

test('a model that runs with a batch of one alone is compared on that', async () => {
  const one = `g (float[batch, 3] x) => (float[batch, 3] y) < int64[2] s = {1, 3} > { y = Reshape (x, s) }`;
  const model = saved('one.onnxtxt', one);
  const { code, out, err } = await lotrc('verify', model, model);
  expect(code, err).toBe(0);
  expect(out).toContain('float[1,3]');
  expect(err).toContain('remark LOTR8011');
  expect(err).toContain('batch=1');
  const fixed = await lotrc('verify', model, model, '--dim', 'batch=4');
  expect(fixed).toMatchObject({ code: 1, err: expect.stringContaining('LOTR8004') });
});

test('LOTR8014 an output that is NaN in both models is said to be', async () => {
  const model = saved('log.onnxtxt', 'g (float[3] x) => (float[3] y) { a = Abs(x) b = Neg(a) y = Log(b) }');
  const { code, err, out } = await lotrc('verify', model, model);
  expect(code).toBe(0);
  expect(out).toContain('y');
  expect(err).toMatch(
    /warning LOTR8014: output "y" is NaN in both models in 3 of 3 elements, which were not compared/,
  );
});

describe('recorded numbers', () => {
  const base = join(CASES, 'train/gpt2c.onnx');
  const numbers = at('numbers.safetensors');

  test('are those of ONNX Runtime, and the same file each time', async () => {
    const made = await lotrc('verify', base, '--record', numbers, '--dim', 'batch=3', '--seed', '5');
    expect(made).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/^recorded 2 inputs and 1 output, tolerance 0.0001\nwrote /),
    });
    const { tensors, metadata } = readSafetensors(numbers);
    expect(metadata).toMatchObject({
      tolerance: '0.0001',
      model: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
    const ids = tensors.get('input/input_ids')!;
    expect(ids.shape).toEqual([3, 8]);
    const feeds = Object.fromEntries(
      ['input_ids', 'attention_mask'].map((name): [string, Tensor] => [
        name,
        {
          dtype: 'int64',
          shape: ids.shape,
          data: BigInt64Array.from(toIntegers(tensors.get(`input/${name}`)!), BigInt),
        },
      ]),
    );
    const { logits } = await runOrt(base, feeds);
    expect([...toF32(tensors.get('output/logits')!)]).toEqual([...(logits!.data as Float32Array)]);
    const bytes = readFileSync(numbers);
    await lotrc('verify', base, '--record', numbers, '--dim', 'batch=3', '--seed', '5');
    expect(readFileSync(numbers).equals(bytes)).toBe(true);
  });

  test('are compared with those of another file of the model, and say what moved', async () => {
    const same = await lotrc('verify', base, '--against', numbers);
    expect(same).toMatchObject({ code: 0, err: '' });
    expect(same.out).toMatch(/logits +float\[3,2\] +0 +0\nthe model is the one that was recorded\n$/);
    const adapted = ['--rank', '2', '--target', 'c_attn', '--init', 'fan-in', '-o', at('recorded.onnx')];
    expect((await lotrc('rewrite', base, ...adapted)).code).toBe(0);
    const rewritten = await lotrc('verify', at('recorded.onnx'), '--against', numbers, '--json');
    expect(JSON.parse(rewritten.out)).toMatchObject({ equal: true, sameModel: false, tolerance: 1e-4 });
    const { tensors, metadata } = readSafetensors(at('recorded.safetensors'));
    const moved = new Map(
      [...tensors].map(([name, { shape }], k) => [name, f32Tensor(shape, noise(shape[0]! * shape[1]!, k))]),
    );
    writeSafetensors(at('moved.safetensors'), moved, metadata);
    const other = await lotrc(
      'verify',
      at('recorded.onnx'),
      '--against',
      numbers,
      '--adapter-a',
      at('moved.safetensors'),
    );
    expect(other).toMatchObject({ code: 1, err: expect.stringContaining('LOTR8009') });
    expect(await lotrc('verify', base, '--against', at('recorded.safetensors'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('LOTR8310'),
    });
  });

  test.each([
    [[], /two models, or one with --record/],
    [['--record', 'x', '--against', 'y'], /two models, or one with --record/],
    [[base, '--record', 'x'], /--record takes one model, not two/],
    [['--against', 'x', '--dim', 'batch=2'], /--dim is for --record/],
    [['--record', 'x', '--adapter-b', 'y'], /use --adapter-a/],
  ] as const)('verify MODEL %j is a wrong command line', async (words, said) => {
    expect(await lotrc('verify', base, ...words)).toMatchObject({
      code: 2,
      err: expect.stringMatching(said),
    });
  });
});
