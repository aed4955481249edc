import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { writeArtifacts } from '../../cli/outputs.js';
import { Reporter } from '../../cli/reporter.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { parseModel } from '../../src/ir/text/index.js';
import { requireTyped } from '../../src/passes/type-check.js';
import { lotrc } from '../support/cli.js';

const CASES = join(import.meta.dirname, '../data/cases');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-types-'));
afterAll(() => rmSync(folder, { recursive: true }));

const model = (opset: number, nodes: string, inputs = 'float[2, 3] x, float16[3, 2] h') =>
  parseModel(
    `<ir_version: 9, opset_import: ["" : ${opset}, "com.microsoft" : 1, "own" : 1]>\ng (${inputs}) => (y) { ${nodes} }`,
  );

describe('element types that do not go together', () => {
  test.each([
    ['MatMul', 17, 'y = MatMul (x, h)', /MatMul takes one element type: "x" is float and "h" is float16/],
    ['behind a Cast', 17, 'd = Cast <to = 11> (x) y = Add (d, x)', /"d" is double and "x" is float/],
    ['any number of inputs', 17, 'y = Concat <axis = 0> (x, x, h)', /"x" is float and "h" is float16/],
    ['a fixed type', 17, 'y = Reshape (x, h)', /Reshape takes int64 there: "h" is float16/],
    ["ONNX Runtime's own", 17, 'y = com.microsoft.FusedMatMul (x, h)', /LOTR4105/],
    [
      'in a branch',
      17,
      'b = Cast <to = 9> (x) y = If (b) <then_branch = g1 () => (z) { z = Sub (x, h) }, else_branch = g2 () => (w) { w = Identity (x) }>',
      /Sub|element types/,
    ],
  ])('%s', (_name, opset, nodes, message) => {
    expect(() => requireTyped(model(opset, nodes), () => null)).toThrow(message);
    // what was wrong before is not a fault of the rewrite
    expect(() => requireTyped(model(opset, nodes), () => model(opset, nodes))).not.toThrow();
  });

  test('are looked for as the version of the operator set has it', () => {
    const power = 'y = Pow (x, h)';
    const wide = 'float[2, 3] x, float16[1] h';
    expect(() => requireTyped(model(11, power, wide), () => null)).toThrow(/LOTR4105/);
    expect(() => requireTyped(model(12, power, wide), () => null)).not.toThrow();
  });
});

test('a model that would not load is not written', () => {
  const run = {
    io: { out: () => {}, err: () => {} },
    reporter: new Reporter({ out: () => {}, err: () => {} }, 'text'),
    exitCode: 0,
  };
  const path = join(folder, 'out.onnx');
  const write = () =>
    writeArtifacts(
      { model: { model: model(17, 'y = MatMul (x, h)'), path, weights: 'keep' }, inputs: [] },
      run,
    );
  expect(write).toThrow(/LOTR4105.*no model was written/s);
  expect(readdirSync(folder)).toEqual([]);
});

// a Cast lies between the stored weight and the product
describe.each([
  ['sites/f16_weight_cast', 2e-3],
  ['sites/cast_f32_to_f16', 2e-3],
  ['attack/svd_cast_f16', 2e-3],
  ['attack/svd_cast_f64', 1e-6],
] as const)('--init svd on %s', (name, tolerance) => {
  test('writes a model that loads and computes what the base does, adapted and merged', async () => {
    const base = join(CASES, `${name}.onnx`);
    const adapted = join(folder, 'adapted.onnx');
    const merged = join(folder, 'merged.onnx');
    const target = ['--target', '.*', '--rank', '1', '--init', 'svd'];
    const done = await lotrc('rewrite', base, ...target, '-o', adapted);
    expect(done.code, done.err).toBe(0);
    const stored = (file: string) =>
      [...readModel(file).graph.initializers.values()].map(
        ({ constant }) => `${constant!.dtype}[${constant!.shape}]`,
      );
    for (const tensor of stored(base)) expect(stored(adapted)).toContain(tensor);
    expect((await lotrc('merge', adapted, '-o', merged)).code).toBe(0);
    for (const file of [adapted, merged]) {
      const { code, out, err } = await lotrc('verify', base, file, '--tolerance', String(tolerance));
      expect(code, `${out}${err}`).toBe(0);
    }
  });
});

test('contents that double in every node are not followed to the end', async () => {
  const out = join(folder, 'doubled.onnx');
  const { code, err } = await lotrc(
    'run',
    join(CASES, 'attack/concat_doubling.onnx'),
    '--passes',
    'dce',
    '-o',
    out,
  );
  expect(code, err).toBe(0);
});
