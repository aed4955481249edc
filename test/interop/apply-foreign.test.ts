import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { lotrc } from '../support/cli.js';
import { relativeError, runOrt, type Tensor } from '../support/ort.js';
import { baseOf, errorAgainst, PEFT, recorded } from '../support/peft.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-foreign-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const WEIGHTS = 'adapter_model.safetensors';

/** The adapter of a case with other names and settings, in a folder of its own. */
function changed(
  name: string,
  to: string,
  rename: (key: string) => string,
  settings: Readonly<Record<string, unknown>> = {},
): string {
  const target = at(to);
  mkdirSync(target);
  const config = JSON.parse(readFileSync(join(PEFT, name, 'adapter_config.json'), 'utf8')) as object;
  writeFileSync(join(target, 'adapter_config.json'), JSON.stringify({ ...config, ...settings }));
  const { tensors } = readSafetensors(join(PEFT, name, WEIGHTS));
  writeSafetensors(join(target, WEIGHTS), new Map([...tensors].map(([key, data]) => [rename(key), data])));
  return target;
}

const apply = (model: string, adapter: string, ...more: readonly string[]) =>
  lotrc('apply', baseOf(model), adapter, ...more);

describe('names that differ', () => {
  test('wrappers in front, a name of the adapter in the key, and the weights file itself', async () => {
    const wrapped = changed('bert.plain', 'wrapped', (key) =>
      key
        .replace('base_model.model.bert', 'base_model.model.model.net.bert')
        .replace('.weight', '.default.weight'),
    );
    const { code, err } = await apply('bert', join(wrapped, WEIGHTS), '-o', at('wrapped.onnx'));
    expect(code, err).toBe(0);
    const config = join(wrapped, 'adapter_config.json');
    expect((await apply('bert', config, '-o', at('config.onnx'))).code).toBe(0);
    expect(readFileSync(at('config.onnx'))).toEqual(readFileSync(at('wrapped.onnx')));
    expect(await errorAgainst('bert.plain', at('wrapped.onnx'))).toBeLessThan(1e-5);
  });

  test('a name that is not there: both sides, the nearest, and what helps', async () => {
    const other = changed(
      'bert.plain',
      'other',
      (key) => key.replace('bert.encoder.layer', 'bert.core.blocks'),
      {
        target_modules: ['query', 'value'],
      },
    );
    const { code, err } = await apply('bert', other, '-o', at('other.onnx'));
    expect(code).toBe(1);
    expect(err).toContain('LOTR7301');
    expect(err).toContain('"bert.core.blocks.0.attention.self.query"');
    expect(err).toContain('"bert.encoder.layer.0.attention.self.query"');
    const map = ['--module-map', 'bert.core.blocks=bert.encoder.layer'];
    const mended = await apply('bert', other, ...map, '-o', at('other.onnx'));
    expect(mended.code, mended.err).toBe(0);
    expect(await errorAgainst('bert.plain', at('other.onnx'))).toBeLessThan(1e-5);
    const useless = await apply(
      'bert',
      other,
      ...map,
      '--module-map',
      'bert.cor=bert',
      '-o',
      at('other.onnx'),
    );
    expect(useless.err).toContain('LOTR7302');
  });

  test('a name that may be several layers', async () => {
    const short = changed('bert.plain', 'short', (key) =>
      key.replace(
        /bert\.encoder\.layer\.\d\.attention\.self/,
        key.includes('layer.0') ? 'self' : 'other.self',
      ),
    );
    const { err } = await apply('bert', short, '-o', at('short.onnx'));
    expect(err).toContain(
      '"self.query" of the adapter: it may be "bert.encoder.layer.0.attention.self.query" or',
    );
  });

  test('another shape, and a parameter that the model does not have', async () => {
    const swapped = changed(
      'bert.saved',
      'swapped',
      (key) =>
        key.replace('layer.0.output.dense', 'layer.0.attention.x').replace('0.attention.output', '0.output'),
      { target_modules: '.*' },
    );
    const { err } = await apply('bert', swapped, '-o', at('swapped.onnx'));
    expect(err).toContain('it is 16x16, and "bert.encoder.layer.0.output.dense" of the model is 24x16');
    const strange = changed('bert.saved', 'strange', (key) => key.replace('classifier', 'scorer'));
    const second = await apply('bert', strange, '-o', at('strange.onnx'));
    expect(second.err).toContain('no place for parameter "scorer.bias"');
  });

  test('what the configuration does not choose is left out, with a warning', async () => {
    const partly = changed('bert.plain', 'partly', (key) => key, { target_modules: ['query'] });
    const { code, err } = await apply('bert', partly, '-o', at('partly.onnx'));
    expect(code, err).toBe(0);
    expect(err).toContain('LOTR7303');
    expect(err).toContain('target_modules does not name it');
    expect(await errorAgainst('bert.plain', at('partly.onnx'))).toBeGreaterThan(1e-3);
  });
});

test('names of kohya-ss, with and without alpha', async () => {
  const { tensors } = readSafetensors(join(PEFT, 'bert.plain', WEIGHTS));
  const flat = new Map<string, TensorData>();
  for (const [key, data] of tensors) {
    const [, module, side] = /^base_model\.model\.(.*)\.lora_([AB])\.weight$/.exec(key)!;
    const name = `lora_te_${module!.replaceAll('.', '_')}`;
    flat.set(`${name}.lora_${side === 'A' ? 'down' : 'up'}.weight`, data);
    flat.set(`${name}.alpha`, f32Tensor([], [6]));
  }
  writeSafetensors(at('kohya.safetensors'), flat);
  const { code, err } = await apply('bert', at('kohya.safetensors'), '-o', at('kohya.onnx'));
  expect(code, err).toBe(0);
  expect(await errorAgainst('bert.plain', at('kohya.onnx'))).toBeLessThan(1e-5);
  writeSafetensors(
    at('odd.safetensors'),
    new Map([...flat, ['lora_te_x.hada_w1_a', f32Tensor([1, 1], [1])]]),
  );
  expect((await apply('bert', at('odd.safetensors'), '-o', at('odd.onnx'))).err).toContain('LOTR7402');
  const endless = new Map(
    [...flat].map(([name, data]) => [name, /alpha/.test(name) ? f32Tensor([], [NaN]) : data]),
  );
  writeSafetensors(at('endless.safetensors'), endless);
  const { err: why } = await apply('bert', at('endless.safetensors'), '-o', at('endless.onnx'));
  expect(why).toContain('.alpha" is not one finite number');
  flat.delete([...flat.keys()][0]!);
  writeSafetensors(at('less.safetensors'), flat);
  expect((await apply('bert', at('less.safetensors'), '-o', at('less.onnx'))).err).toContain('LOTR7401');
});

test('modules saved whole travel through apply, extract, apply and merge', async () => {
  const applied = at('saved.onnx');
  const first = await apply('bert', join(PEFT, 'bert.saved'), '-o', applied);
  expect(first.out).toContain('trained in full: ');
  await lotrc('extract', applied, '-o', at('saved.safetensors'));
  await apply('bert', at('saved.safetensors'), '-o', at('again.onnx'));
  expect(readFileSync(at('again.onnx'))).toEqual(readFileSync(applied));
  expect((await lotrc('merge', applied, '-o', at('merged.onnx'))).code).toBe(0);
  expect(await errorAgainst('bert.saved', at('merged.onnx'))).toBeLessThan(1e-5);
});

test('an adapter of the export without a cache is applied to the one with a cache', async () => {
  const cached = join(PEFT, 'llama-cached.onnx');
  cpSync(cached, at('cached.onnx'));
  // of PEFT, and as a file of lotrc that was made on the export without a cache
  await apply('llama', join(PEFT, 'llama.all'), '-o', at('plain.onnx'));
  await lotrc('extract', at('plain.onnx'), '-o', at('own.safetensors'));
  const made = [
    await lotrc('apply', at('cached.onnx'), join(PEFT, 'llama.all'), '-o', at('step-0.onnx')),
    await lotrc(
      'apply',
      at('cached.onnx'),
      at('own.safetensors'),
      '--match',
      'path',
      '-o',
      at('step-1.onnx'),
    ),
  ];
  const { feeds, logits } = recorded('llama.all');
  const [ids, mask] = [feeds.input_ids!, feeds.attention_mask!];
  for (const [k, { code, err }] of made.entries()) {
    expect(code, err).toBe(0);
    let past: readonly Tensor[] = Array.from({ length: 4 }, () => ({
      dtype: 'float32',
      shape: [2, 2, 0, 4],
      data: new Float32Array(0),
    }));
    const found = new Float32Array(logits.length);
    const width = logits.length / 12;
    for (const [from, to] of [
      [0, 4],
      [4, 5],
      [5, 6],
    ] as const) {
      const step = await runOrt(at(`step-${k}.onnx`), {
        input_ids: columns(ids, from, to),
        attention_mask: columns(mask, 0, to),
        position_ids: columns(
          { ...ids, data: BigInt64Array.from({ length: 12 }, (_, n) => BigInt(n % 6)) },
          from,
          to,
        ),
        ...Object.fromEntries(past.map((held, n) => [`past.${n >> 1}.${'kv'[n % 2]}`, held])),
      });
      past = [0, 1, 2, 3].map((n) => step[`present.${n >> 1}.${'kv'[n % 2]}`]!);
      for (const row of [0, 1])
        for (let n = 0; n < (to - from) * width; n++)
          found[(row * 6 + from) * width + n] = Number(step.logits!.data[row * (to - from) * width + n]);
    }
    expect(relativeError(found, logits)).toBeLessThan(1e-5);
  }
});

/** Columns of a tensor of two rows of six. */
function columns({ data }: Tensor, from: number, to: number): Tensor {
  const all = data as BigInt64Array;
  const rows = [0, 6].flatMap((row) => [...all.slice(row + from, row + to)]);
  return { dtype: 'int64', shape: [2, to - from], data: BigInt64Array.from(rows) };
}
