import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';

/** Every command that changes a model shows its passes, their times and the models between them. */

const folder = mkdtempSync(join(tmpdir(), 'lotrc-watch-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  const charlm = resolve(import.meta.dirname, '../../models/charlm/charlm.onnx');
  copyFileSync(charlm, at('base.onnx'));
  const { code } = await lotrc('rewrite', at('base.onnx'), '--rank', '2', '-o', at('m.lotr.onnx'));
  expect(code).toBe(0);
});

test.each([
  ['rewrite', [at('base.onnx'), '--rank', '3', '-o', at('again.onnx')], ['select-sites', 'insert-adapters']],
  ['merge', [at('m.lotr.onnx'), '-o', at('merged.onnx')], ['merge-adapters']],
  [
    'merge',
    [at('m.lotr.onnx'), '--adapter', at('m.lotr.safetensors'), '-o', at('merged2.onnx')],
    ['place-weights', 'merge-adapters'],
  ],
  ['strip', [at('m.lotr.onnx'), '-o', at('base2.onnx')], ['strip-adapters']],
  [
    'apply',
    [at('base.onnx'), at('m.lotr.safetensors'), '-o', at('applied.onnx')],
    ['unpack', 'insert-adapter-file', 'lower', 'share-factors'],
  ],
  [
    'emit onnx-train',
    [at('m.lotr.onnx'), '-o', at('train')],
    ['raise-adapters', 'lower', 'loss', 'differentiate', 'recompute', 'optimizer', 'dce'],
  ],
  ['emit wgsl', [at('m.lotr.onnx'), '--explain'], ['raise-adapters']],
  ['emit cuda', [at('m.lotr.onnx'), '--explain'], ['raise-adapters']],
] as const)('%s %j', async (command, rest, passes) => {
  const [last] = passes.slice(-1);
  const line = [...command.split(' '), ...rest, '--time', '--print-ir-after', last!];
  const { code, err } = await lotrc(...line);
  expect(code, err).toBe(0);
  for (const pass of passes) expect(err).toMatch(new RegExp(`ms  verify .* ms .*${pass}`));
  expect(err).toContain(`# after ${last}`);
  if (command === 'emit onnx-train') {
    for (const graph of ['step', 'grad', 'apply', 'eval', 'infer'])
      expect(err).toContain(`# after dce of ${graph}.onnx`);
  }
});
