import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lotrc } from './support/cli.js';

const ROOT = resolve(import.meta.dirname, '..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the library example runs unchanged and prints what its comment says', () => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(README)!;
  const [, said] = /console\.log\(.*\/\/ (.*)$/m.exec(code!)!;
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/lotrc'));
  cpSync(join(ROOT, 'models'), join(folder, 'models'), { recursive: true });
  writeFileSync(join(folder, 'example.mjs'), code!);
  const { stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  expect({ stdout, stderr }).toEqual({ stdout: `${said}\n`, stderr: '' });
  expect(readdirSync(folder)).toEqual(
    expect.arrayContaining(['charlm.lotr.onnx', 'charlm.lotr.safetensors']),
  );
  // of another model: 2 layers of 32x96 (c_attn), 32x32 and 128x32 (c_proj) at rank 8, L and R shared, M of their own
  const other = join(ROOT, 'test/data/cases/train/gpt2c.onnx');
  writeFileSync(join(folder, 'other.mjs'), code!.replace('models/charlm/charlm.onnx', other));
  const run = spawnSync(process.execPath, ['other.mjs'], { cwd: folder, encoding: 'utf8' });
  const trainable = 8 * (32 + 96 + 32 + 32 + 128 + 32) + 6 * 8 * 8;
  expect({ stdout: run.stdout, stderr: run.stderr }).toEqual({ stdout: `[ ${trainable} ]\n`, stderr: '' });
});

test('the outputs that it shows are those of the commands', async () => {
  const model = join(folder, 'model.onnx');
  cpSync(join(ROOT, 'models/charlm/charlm.onnx'), model);
  const rewritten = await lotrc('rewrite', model, '--rank', '8');
  const shown = /\$ lotrc rewrite model\.onnx --rank 8\n([\s\S]*?)```/.exec(README)![1]!;
  const lines = rewritten.out.replaceAll(`${folder}/`, '').split('\n');
  // sizes move with every change of the plan
  const known = (line: string) => line.replace(/\([\d,]+ bytes\)/, '');
  for (const line of shown.split('\n').filter((text) => text !== '  ...')) {
    expect(lines.map(known)).toContain(known(line));
  }
  const verified = await lotrc('verify', model, join(folder, 'model.lotr.onnx'));
  expect(README).toContain(`$ lotrc verify model.onnx model.lotr.onnx\n${verified.out}`);
  const refused = await lotrc('rewrite', model, '--rank', '8', '--target', 'c_atn');
  expect(README).toContain(`$ lotrc rewrite model.onnx --rank 8 --target c_atn\n${refused.err}`);
});

test('its table has every command', async () => {
  const { out } = await lotrc('--help');
  const commands = [...out.matchAll(/^ {2}(\w+) (?:\[|<)/gm)].map(([, name]) => name!);
  expect(commands.length).toBeGreaterThan(10);
  for (const name of commands) expect(README).toMatch(new RegExp(`\`lotrc ${name}[ \`]`));
});
