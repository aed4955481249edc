import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { lotrc } from '../support/cli.js';
import { normalTensor } from '../support/normal.js';
import { baseOf, errorAgainst, PEFT } from '../support/peft.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-combine-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

async function done(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await lotrc(...argv);
  expect(code, err).toBe(0);
  return out;
}

const [first, second] = ['bert.plain', 'bert.second'].map((name) => join(PEFT, name)) as [string, string];

describe('lotrc combine', () => {
  test.each(['cat', 'linear', 'svd', 'ties'])('%s gives the logits of PEFT', async (how) => {
    const options = how === 'cat' || how === 'linear' ? [] : ['--rank', '4', '--density', '0.6'];
    await done('combine', `${first}=0.7`, `${second}=0.4`, '--how', how, ...options, '-o', at(how));
    await done('apply', baseOf('bert'), at(how), '-o', at(`${how}.onnx`));
    expect(await errorAgainst(`bert.sum.${how}`, at(`${how}.onnx`))).toBeLessThan(1e-5);
    expect(await errorAgainst('bert.plain', at(`${how}.onnx`)), 'it is not the first alone').toBeGreaterThan(
      1e-2,
    );
  });

  test('as a file of lotrc, and with the whole of each update, dare is the sum', async () => {
    const all = ['--how', 'dare', '--density', '1', '--rank', '8'];
    await done(
      'combine',
      `${first}=0.7`,
      `${second}=0.4`,
      ...all,
      '--model',
      baseOf('bert'),
      '-o',
      at('d.safetensors'),
    );
    await done('apply', baseOf('bert'), at('d.safetensors'), '-o', at('d.onnx'));
    expect(await errorAgainst('bert.sum.cat', at('d.onnx'))).toBeLessThan(1e-5);
    const half = ['--how', 'dare', '--density', '0.5'];
    for (const [name, seed] of [
      ['x', '1'],
      ['y', '1'],
      ['z', '2'],
    ] as const)
      await done('combine', `${first}=0.7`, `${second}=0.4`, ...half, '--seed', seed, '-o', at(name));
    const [x, y, z] = ['x', 'y', 'z'].map((name) =>
      readFileSync(join(at(name), 'adapter_model.safetensors')),
    );
    expect(x!.equals(y!)).toBe(true);
    expect(x!.equals(z!)).toBe(false);
  });

  test('what cannot be combined', async () => {
    const saved = join(PEFT, 'bert.saved');
    expect((await lotrc('combine', saved, first, '-o', at('no'))).err).toContain('LOTR7601');
    const ranks = await lotrc(
      'combine',
      first,
      join(PEFT, 'bert.patterns'),
      '--how',
      'linear',
      '-o',
      at('no'),
    );
    expect(ranks.err).toContain('different ranks');
    const gpt2 = await lotrc('combine', first, join(PEFT, 'bert.loha'), '-o', at('no'));
    expect(gpt2.err).toContain('LOTR7205');
    expect((await lotrc('combine', `${first}=x`, '-o', at('no'))).code).toBe(2);
  });
});

describe('lotrc compress', () => {
  test('adapters with one space: cores alone for each, and the same logits', async () => {
    // five adapters whose A and B are mixtures of those of one
    const names = [0, 1, 2, 3, 4].map((n) => {
      const { tensors } = readSafetensors(join(first, 'adapter_model.safetensors'));
      const scaled = new Map(
        [...tensors].map(([key, data]) => [
          key,
          n === 0 || key.includes('lora_A') ? data : scaledBy(data, 1 + n / 3),
        ]),
      );
      const target = at(`tenant-${n}.safetensors`);
      writeSafetensors(target, scaled);
      return target;
    });
    writeFileSync(at('adapter_config.json'), readFileSync(join(first, 'adapter_config.json')));
    const out = await done('compress', ...names, '--tolerance', '1e-3', '-o', at('fleet'));
    expect(out).toMatch(/16x16 +20 +16 /);
    await done('apply', baseOf('bert'), join(at('fleet'), 'tenant-0.safetensors'), '-o', at('first.onnx'));
    expect(await errorAgainst('bert.plain', at('first.onnx'))).toBeLessThan(1e-5);
    // and back to what other programs read
    await done('convert', join(at('fleet'), 'tenant-0.safetensors'), at('back'));
    await done('apply', baseOf('bert'), at('back'), '-o', at('back.onnx'));
    expect(await errorAgainst('bert.plain', at('back.onnx'))).toBeLessThan(1e-5);
  });

  test('a fleet with a planted space is small, and files of two fleets are not mixed', async () => {
    const members = [0, 1, 2].map((n) => {
      const tensors = new Map(
        [0, 1].flatMap((layer) => {
          const name = `base_model.model.bert.encoder.layer.${layer}.attention.self.query.lora_`;
          // one A for all, and B in one space of two dimensions
          const b = normalTensor('f32', [16, 2], 1, 3, 'b');
          return [
            [`${name}A.weight`, normalTensor('f32', [2, 16], 1, 3, 'a')],
            [`${name}B.weight`, scaledBy(b, 1 + n + layer)],
          ] as const;
        }),
      );
      const target = at(`planted-${n}.safetensors`);
      writeSafetensors(target, tensors);
      return target;
    });
    const config = JSON.parse(readFileSync(join(first, 'adapter_config.json'), 'utf8')) as object;
    writeFileSync(at('adapter_config.json'), JSON.stringify({ ...config, r: 2 }));
    const report = JSON.parse(await done('compress', ...members, '-o', at('planted'), '--json')) as {
      groups: readonly { rank: number; bound: number }[];
      layers: readonly { error: number }[];
    };
    expect(report.groups).toMatchObject([{ rank: 2 }]);
    expect(report.layers).toHaveLength(6);
    for (const { error } of report.layers) expect(error).toBeLessThan(1e-6);
    expect(statSync(join(at('planted'), 'planted-0.safetensors')).size).toBeLessThan(1000);
    await done('compress', members[0]!, '-o', at('other'));
    writeFileSync(
      join(at('planted'), 'shared.safetensors'),
      readFileSync(join(at('other'), 'shared.safetensors')),
    );
    const mixed = await lotrc(
      'apply',
      baseOf('bert'),
      join(at('planted'), 'planted-0.safetensors'),
      '-o',
      at('m.onnx'),
    );
    expect(mixed.err).toContain('LOTR7502');
  });
});

function scaledBy(data: TensorData, by: number): TensorData {
  return f32Tensor(
    data.shape,
    toF64(data).map((value) => value * by),
  );
}
