import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { literal } from '../../src/backends/host/webgpu/module/literal.js';
import { formatDiagnostic } from '../../src/ir/diagnostics.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { lotrc } from '../support/cli.js';

// Damaged models on which lotrc once failed with an error of its own (exit code 70).

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-damaged-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const CASES = join(import.meta.dirname, '../data/cases/attack');
const damaged = readdirSync(CASES).filter((name) => /^(lotr9001|seed)/.test(name));

test.each(damaged)('%s ends in a diagnostic of its own', async (name) => {
  const file = join(CASES, name);
  const output = join(scratch, name);
  const rewrite = ['rewrite', file, '--rank', '1', '--target', '.*', '--replace', '-o', output];
  const codes = new Map<string, number>();
  for (const words of [
    ['inspect', file],
    ['print', file],
    rewrite,
    ['merge', output, '-o', `${output}.merged.onnx`],
    ['emit', 'onnx-train', output, '-o', `${output}.train`],
    ['emit', 'wgsl', output, '--explain'],
  ]) {
    const { code, err } = await lotrc(...words);
    expect(err, words[0]).not.toMatch(/LOTR9/);
    expect([0, 1], `${words[0]}: ${err}`).toContain(code);
    codes.set(words[0]!, code);
  }
  expect(codes.size).toBe(5);
});

test.each([
  [
    'lotr9001_10564.onnx',
    /LOTR4103: attribute "equation" .* is of type number \d+, the operator requires string/,
  ],
  ['lotr9001_25528.onnx', /LOTR4103: attribute "value_floats" .* the operator requires floats/],
])('%s: inference says which attribute', (name, wanted) => {
  const found = inferShapes(readModel(join(CASES, name)));
  expect(found.map(formatDiagnostic).join('\n')).toMatch(wanted);
});

test('a tensor in an attribute that has too few bytes', async () => {
  const { err } = await lotrc('rewrite', join(CASES, 'lotr9001_40957.onnx'), '--rank', '1');
  expect(err).toMatch(/LOTR2005: attribute "value" needs 16 bytes and has 8/);
});

test('packed weights that are not integers', async () => {
  const { out } = await lotrc('inspect', join(CASES, 'seed-33-18668.onnx'));
  expect(out).toMatch(/LOTR3107 .*takes integers, and its weight is f32/);
});

test('layers whose weights, nodes and outputs are called constructor and __proto__', async () => {
  const base = join(scratch, 'names.onnxtxt');
  const zeros = (count: number) => Array.from({ length: count }, (_, k) => (k % 7) - 3).join(', ');
  writeFileSync(
    base,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[b,8] toString) => (float[b,8] isPrototypeOf) <
  float[8,8] constructor = {${zeros(64)}}, float[8,8] "__proto__" = {${zeros(64)}}
> {
  ["/constructor/MatMul"] hasOwnProperty = MatMul (toString, constructor)
  ["/valueOf/MatMul"] isPrototypeOf = MatMul (hasOwnProperty, "__proto__")
}
`,
  );
  const adapted = join(scratch, 'names.onnx');
  const adapter = join(scratch, 'names.safetensors');
  for (const words of [
    ['inspect', base],
    ['rewrite', base, '--rank', '2', '--target', '.*', '-o', adapted],
    ['merge', adapted, '-o', join(scratch, 'names.merged.onnx')],
    ['apply', base, adapter, '-o', join(scratch, 'names.applied.onnx')],
    ['emit', 'onnx-train', adapted, '-o', join(scratch, 'names.train')],
    ['emit', 'wgsl', adapted, '--explain'],
    ['emit', 'cuda', adapted, '-o', join(scratch, 'names.cuda')],
    ['verify', base, adapted],
  ]) {
    const { code, err } = await lotrc(...words);
    expect(code, `${words.join(' ')}: ${err}`).toBe(0);
  }
});

test('a table of an emitted module has an entry of that name, and no other prototype', () => {
  expect(literal({ ['__proto__']: 1, constructor: 2, 'a b': 3 })).toBe(
    "{ ['__proto__']: 1, constructor: 2, 'a b': 3 }",
  );
});
