import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';

/** What users of other command lines expect. */

const BASE = join(import.meta.dirname, '../data/cases/train/gpt2c.onnx');
const root = mkdtempSync(join(tmpdir(), 'lotrc-habits-'));
const at = (...parts: readonly string[]) => join(root, ...parts);
beforeAll(() => {
  mkdirSync(at('hub/onnx'), { recursive: true });
  copyFileSync(BASE, at('hub/onnx/model.onnx'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('a folder in place of a model', () => {
  test('is the model with a usual name in it, and then what rewrite wrote', async () => {
    const rewritten = await lotrc(
      'rewrite',
      at('hub'),
      '--rank',
      '2',
      '--target',
      'c_attn',
      '-o',
      at('new/out/'),
    );
    expect(rewritten).toMatchObject({ code: 0, err: '' });
    expect(existsSync(at('new/out/model.lotr.onnx'))).toBe(true);
    expect(await lotrc('merge', at('new/out'))).toMatchObject({
      code: 0,
      out: expect.stringContaining('2 layers'),
    });
    expect(existsSync(at('new/out/model.lotr.merged.onnx'))).toBe(true);
  });

  test('must say which one', async () => {
    mkdirSync(at('two'));
    for (const name of ['a.onnx', 'b.onnx']) copyFileSync(BASE, at('two', name));
    const { code, err } = await lotrc('inspect', at('two'));
    expect(code).toBe(1);
    expect(err).toMatch(/LOTR8308: the folder holds several models: .*a\.onnx, .*b\.onnx\n/);
  });
});
