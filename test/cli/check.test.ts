import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { changesText, textChanges } from '../../cli/text-changes.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { command, lotrc } from '../support/cli.js';

const WEIGHT = 'm.transformer.h.0.mlp.c_fc.weight';
const BASE = join(import.meta.dirname, '../data/cases/train/gpt2c.onnx');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-check-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test('files of a folder that differ are called files', () => {
  const line = (digit: string) => `dist/net.training/step.onnx  1,200 bytes  sha256:${digit.repeat(64)}\n`;
  expect(changesText(textChanges(line('a'), line('b')))).toMatch(/^files: 1 changed\n {2}- dist\/net/);
});

describe('lotrc check', () => {
  const write = (rank: number) => {
    const rewrite = { rank, targets: ['c_attn'] };
    const net = { input: 'net.onnx', rewrite, outputs: ['onnx'] };
    const small = { input: 'net.onnx', rewrite: { ...rewrite, rank: 1 }, outputs: ['adapter'] };
    writeFileSync(at('lotrc.config.json'), JSON.stringify({ golden: 'expected', models: { net, small } }));
  };
  const check = (...more: readonly string[]) =>
    command(['check', '--config', at('lotrc.config.json'), '--cache', at('cache'), '--jobs', '1', ...more]);

  test('says what is not as expected, on a screen, and --update makes it so', async () => {
    copyFileSync(BASE, at('net.onnx'));
    write(2);
    expect((await check('--update')).code).toBe(0);
    const text = readFileSync(at('expected/net.onnx.txt'), 'utf8');
    expect(text).toMatch(/^lotr: 2 layers in 1 group\n/);
    expect(text).toContain('trainable parameters: 264;');
    expect(text).not.toContain('lotrc.adapters');
    const small = readFileSync(at('expected/small.safetensors.txt'), 'utf8');
    expect(small).toMatch(/^dist\/small\.safetensors {2}[\d,]+ bytes {2}sha256:[0-9a-f]{64}\n$/);
    expect(await check()).toMatchObject({ code: 0, out: '3 golden files as expected\n' });

    // another rank, and one weight of the base
    write(3);
    const bytes = readFileSync(at('net.onnx'));
    const weight = bytes.indexOf(readModel(BASE).graph.own(WEIGHT)!.constant!.bytes());
    bytes[weight + 7]! ^= 0x01;
    writeFileSync(at('net.onnx'), bytes);
    const changed = await check();
    expect(changed.code).toBe(1);
    expect(changed.err).toContain('error LOTR8305');
    expect(changed.out).toMatch(/^ {2}- 32x96 {2}32 x 96 {2}2 {2}1 {2}2 {2}264 /m);
    expect(changed.out).toMatch(/^tensors: 6 changed\n/m);
    expect(changed.out).toMatch(/^ {2}- float\[.*c_fc\.weight.*sha256:.*\n {2}\+ float\[.*c_fc\.weight/m);
    expect(changed.out.split('\n').length).toBeLessThan(45);
    copyFileSync(BASE, at('net.onnx'));
    write(2);

    // a number, a node, and a file
    const numbers = at('expected/net.onnx.numbers.safetensors');
    const { tensors, metadata } = readSafetensors(numbers);
    const logits = [...toF32(tensors.get('output/logits')!)];
    const largest = Math.max(...logits.map(Math.abs));
    const values = [logits[0]! + 1e-3 * largest, ...logits.slice(1)];
    const moved = f32Tensor(tensors.get('output/logits')!.shape, values);
    const kept = new Map<string, TensorData>([...tensors, ['output/logits', moved]]);
    writeSafetensors(numbers, kept, metadata);
    writeFileSync(at('expected/net.onnx.txt'), text.replace(' = Tanh (', ' = Erf ('));
    rmSync(at('expected/small.safetensors.txt'));
    const all = await check('--update');
    expect(all.out.split('\n').filter((line) => line.startsWith('wrote '))).toHaveLength(3);
    expect(readFileSync(at('expected/net.onnx.txt'), 'utf8')).toBe(text);
    writeSafetensors(numbers, kept, metadata);
    writeFileSync(at('expected/net.onnx.txt'), text.replace(' = Tanh (', ' = Erf ('));
    rmSync(at('expected/small.safetensors.txt'));
    const none = await check();
    expect(none.code).toBe(1);
    expect(none.err).toMatch(/output "logits" by 1\.00e-3 of its largest value, where 0\.0001 is allowed/);
    expect(none.out).toMatch(/nodes: 1 changed\n {2}- .* = Erf .*\n {2}\+ .* = Tanh /);
    expect(none.err).toMatch(/LOTR8306.*\n.*small\.safetensors\.txt/);
  });
});

describe('lotrc diff', () => {
  const rewrite = async (name: string, ...more: readonly string[]) => {
    expect((await lotrc('rewrite', BASE, '--rank', '2', ...more, '-o', at(name))).code).toBe(0);
    return at(name);
  };

  test('says which groups, nodes and tensors differ, and ends as diff does', async () => {
    const a = await rewrite('a.onnx', '--target', 'c_attn');
    expect(await lotrc('diff', a, a)).toMatchObject({
      code: 0,
      out: 'the models have the same structure and tensors\n',
    });
    const b = await rewrite('b.onnx', '--target', 'c_attn', '--init', 'fan-in');
    const { out, code } = await lotrc('diff', a, b, '--numbers');
    expect(code).toBe(1);
    expect(out).toMatch(/^tensors: \d+ changed\n/);
    expect(out).toMatch(/logits .* 0 +0\n$/);
    const report = JSON.parse((await lotrc('diff', BASE, a, '--json')).out) as {
      equal: boolean;
      changes: { section: string; before: string | null; after: string | null }[];
    };
    expect(report.equal).toBe(false);
    const added = report.changes.filter(({ before }) => before === null).map(({ section }) => section);
    expect(new Set(added)).toEqual(new Set(['adapters', 'nodes', 'tensors']));
    expect(await lotrc('diff', a, b, '--numbers', '--json')).toMatchObject({ code: 2 });
  });
});
