import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { toMatchModel } from '../../cli/plugin/vitest.js';
import { lotrc } from '../support/cli.js';

const BASE = join(import.meta.dirname, '../data/cases/train/gpt2c.onnx');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-matcher-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('toMatchModel compares with golden files, and writes them as snapshots are written', async () => {
  const model = join(folder, 'net.onnx');
  const golden = join(folder, 'golden');
  const match = (snapshotUpdateState: string, numbers: boolean) =>
    toMatchModel.call({ snapshotState: { snapshotUpdateState } }, model, { golden, numbers });
  copyFileSync(BASE, model);
  // in continuous integration nothing is written
  const absent = await match('none', false);
  expect(absent.pass).toBe(false);
  expect(absent.message()).toContain('error LOTR8306: there is no such golden file');
  expect((await match('new', true)).pass).toBe(true);
  expect(readdirSync(golden).sort()).toEqual(['net.onnx.numbers.safetensors', 'net.onnx.txt']);
  await expect(model).toMatchModel({ golden });

  expect((await lotrc('rewrite', BASE, '--rank', '2', '--target', 'c_attn', '-o', model)).code).toBe(0);
  const changed = await match('new', false);
  expect(changed.pass).toBe(false);
  expect(changed.message()).toMatch(
    /error LOTR8305.*\n.*net\.onnx\.txt\n.*\n.*\n? *\+ lotr: 2 layers in 1 group/,
  );
  await expect(model).not.toMatchModel({ golden, numbers: false });
  expect((await match('all', false)).pass).toBe(true);
  expect(readFileSync(join(golden, 'net.onnx.txt'), 'utf8')).toMatch(/^lotr: 2 layers in 1 group\n/);
  await expect(model).toMatchModel({ golden, numbers: false });
});
