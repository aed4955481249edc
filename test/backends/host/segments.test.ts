import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { segmentedModel } from '../../../src/backends/host/webgpu/segments/segments.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { done } from '../../support/classifier.js';
import { lotrc } from '../../support/cli.js';
import { profile } from '../../support/devices.js';
import { maxDifference, noise, runOrt, type Tensor } from '../../support/ort.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-segments-'));
afterAll(() => rmSync(folder, { recursive: true }));

const weight = (name: string, ...shape: readonly number[]) =>
  `float[${shape.join(',')}] "${name}" = {${[
    ...noise(
      shape.reduce((a, b) => a * b),
      name.length,
    ),
  ]
    .map((value) => value.toFixed(4))
    .join(', ')}}`;

/** Layers with one input, a mask that later parts read, a shape that is computed, a branch, and a layer that gives an output. */
const MODEL = `<ir_version: 9, opset_import: ["" : 17]>
g (int64[batch, seq] ids, float[batch, seq] mask, bool cond) => (float[batch, seq, 5] y, float[rows, 5] c)
<
  ${weight('table', 11, 7)}, ${weight('a.weight', 7, 7)}, ${weight('bb.weight', 7, 7)}, ${weight('ccc.weight', 7, 5)},
  ${weight('ccc.bias', 5)}, int64[1] two = {2}, int64[2] flat = {-1, 7}, int64[1] five = {5}
>
{
  e = Gather (table, ids)
  m = Unsqueeze (mask, two)
  ["/a/MatMul"] a0 = MatMul (e, "a.weight")
  ["/bb/MatMul"] b0 = MatMul (e, "bb.weight")
  s = Mul (a0, b0)
  sm = Mul (s, m)
  lead = Shape <start = 0, end = 2> (sm)
  r = Reshape (sm, flat)
  ["/ccc/MatMul"] c0 = MatMul (r, "ccc.weight")
  c1 = Add (c0, "ccc.bias")
  c = Relu (c1)
  whole = Concat <axis = 0> (lead, five)
  back = Reshape (c, whole)
  y = If (cond) <then_branch = t () => (float[batch, seq, 5] kept) { kept = Mul (back, m) }, else_branch = f () => (float[batch, seq, 5] twice) { twice = Add (back, back) }>
}
`;

test('each segment computes what the whole model does there, of what the layers give', async () => {
  const [text, model] = [join(folder, 'model.onnxtxt'), join(folder, 'model.onnx')];
  writeFileSync(text, MODEL);
  await done(
    'rewrite',
    text,
    '--rank',
    '2',
    '--target',
    'a',
    '--target',
    'bb',
    '--target',
    'ccc',
    '-o',
    model,
  );
  const device = profile('webgpu-laptop', 'webgpu');
  const found = contract(readModel(model));
  const { rows, models, weights } = segmentedModel(
    () => readModel(model),
    choose(found, { device, tokens: 12, purpose: 'serve' }),
  );
  // layers a and bb read one value, and their kernels give what the first segment does not compute
  expect(rows.map(({ regions }) => regions.map(({ x, y }) => [x, y]))).toEqual([
    [['e', ['a0', 'b0']]],
    [['r', ['c']]],
    [],
  ]);
  expect(rows.map(({ inputs }) => [...inputs].sort())).toEqual([
    ['ids', 'mask'],
    ['a0', 'b0', 'm'],
    ['c', 'cond', 'm', 'sm'],
  ]);
  expect(rows.map(({ outputs }) => [...outputs].sort())).toEqual([['e', 'm'], ['r', 'sm'], ['y']]);
  expect([...weights.keys()].sort()).toEqual(
    expect.arrayContaining(['a.weight', 'bb.weight', 'ccc.bias', 'ccc.weight']),
  );

  // the whole model, with all that segments pass on as outputs
  const whole = readModel(model);
  inferShapes(whole);
  for (const name of new Set(rows.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]))) {
    const value = whole.graph.own(name)!;
    if (!value.isInput && !value.isOutput) whole.graph.addOutput(value);
  }
  const feeds: Record<string, Tensor> = {
    ids: {
      dtype: 'int64',
      shape: [3, 4],
      data: BigInt64Array.from({ length: 12 }, (_, k) => BigInt((5 * k) % 11)),
    },
    mask: { dtype: 'float32', shape: [3, 4], data: noise(12, 3) },
    cond: { dtype: 'bool', shape: [], data: Uint8Array.of(1) },
  };
  const values: Record<string, Tensor> = { ...feeds, ...(await runOrt(encodeModel(whole), feeds)) };
  for (const [n, { model: segment }] of models.entries()) {
    const { inputs, outputs } = rows[n]!;
    const results = await runOrt(
      encodeModel(segment),
      Object.fromEntries(inputs.map((name) => [name, values[name]!])),
    );
    expect(Object.keys(results).sort()).toEqual([...outputs].sort());
    for (const [name, tensor] of Object.entries(results))
      expect(maxDifference(tensor, values[name]!), name).toBeLessThan(1e-6);
  }
});

test.each([
  [['--dtype', 'f16'], /LOTR6010.*is f32, and the kernels compute in f16/],
  [[], /LOTR6010.*"a" is in a branch/],
])('what cannot be cut is refused: %j', async (words, why) => {
  const [text, model] = [join(folder, 'branch.onnxtxt'), join(folder, 'branch.onnx')];
  writeFileSync(
    text,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 3] x, bool c) => (float[batch, 3] y)
< ${weight('then.weight', 3, 3)} >
{
  y = If (c) <then_branch = yes () => (float[batch, 3] a) { ["/then/MatMul"] a = MatMul (x, "then.weight") }, else_branch = no () => (float[batch, 3] b) { b = Tanh (x) }>
}
`,
  );
  await done('rewrite', text, '--rank', '1', '--target', 'then', '-o', model);
  const refused = await lotrc(
    'emit',
    'wgsl',
    model,
    '-o',
    join(folder, 'gpu'),
    '--for',
    'serve',
    '--segments',
    ...words,
  );
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toMatch(why);
});
