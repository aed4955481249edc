import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { METHODS } from '../../src/adapter/methods/index.js';
import { matrixProduct, transposeMatrix } from '../../src/init/dense.js';
import { needsResidual } from '../../src/init/index.js';
import { readOnnxAdapter } from '../../src/ir/files/onnx-adapter.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF32, toF64 } from '../../src/ir/values.js';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';
import { normalTensor } from '../support/normal.js';
import { relativeError, runOrt } from '../support/ort.js';
import { baseOf, errorAgainst, PEFT, recorded } from '../support/peft.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-convert-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const WEIGHTS = 'adapter_model.safetensors';

async function done(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await lotrc(...argv);
  expect(code, err).toBe(0);
  return out;
}

const bytesOf = (tensors: ReadonlyMap<string, TensorData>) =>
  new Map([...tensors].map(([name, data]) => [name, Buffer.from(data.bytes()).toString('base64')]));

/** What PEFT wrote, without parameters that it stores twice. */
const written = (file: string) =>
  bytesOf(
    new Map(
      [...readSafetensors(file).tensors].filter(([key]) => !/original_module|modules_to_save/.test(key)),
    ),
  );

describe('PEFT to lotrc and back', () => {
  test.each(['bert.saved', 'bert.patterns', 'roberta.bias', 'gpt2.rslora', 'qwen2.biases', 't5.plain'])(
    '%s: every tensor bit for bit, and the same configuration where it counts',
    async (name) => {
      await done('apply', baseOf(name), join(PEFT, name), '-o', at(`${name}.onnx`));
      await done('extract', at(`${name}.onnx`), '--to', 'peft', '-o', at(`${name}.back`));
      expect(written(join(at(`${name}.back`), WEIGHTS))).toEqual(written(join(PEFT, name, WEIGHTS)));
      const [own, back] = [join(PEFT, name), at(`${name}.back`)].map(
        (place) =>
          JSON.parse(readFileSync(join(place, 'adapter_config.json'), 'utf8')) as Record<string, unknown>,
      );
      expect(back).toMatchObject({ peft_type: 'LORA', bias: own!.bias, use_rslora: own!.use_rslora });
      await done('apply', baseOf(name), at(`${name}.back`), '-o', at(`${name}.again.onnx`));
      expect(await errorAgainst(name, at(`${name}.again.onnx`))).toBeLessThan(1e-5);
    },
  );

  test('through convert, with the model, and the other way round', async () => {
    await done('convert', join(PEFT, 'bert.saved'), at('c.safetensors'), '--model', baseOf('bert'));
    await done('apply', baseOf('bert'), at('c.safetensors'), '-o', at('c.onnx'));
    expect(await errorAgainst('bert.saved', at('c.onnx'))).toBeLessThan(1e-5);
    await done('convert', at('c.safetensors'), at('c.peft'));
    expect(written(join(at('c.peft'), WEIGHTS))).toEqual(written(join(PEFT, 'bert.saved', WEIGHTS)));
    const { err } = await lotrc('convert', join(PEFT, 'bert.saved'), at('d.safetensors'));
    expect(err).toContain('LOTR7204');
    expect(existsSync(at('d.safetensors'))).toBe(false);
  });
});

describe('.onnx_adapter', () => {
  test('of PEFT and back, bit for bit, with the rewritten model', async () => {
    const plain = join(PEFT, 'bert.plain');
    await done('apply', baseOf('bert'), plain, '--factors', 'optional', '-o', at('opt.onnx'));
    await done('convert', plain, at('base.onnx_adapter'), '--model', baseOf('bert'));
    await done('convert', plain, at('opt.onnx_adapter'), '--model', at('opt.onnx'));
    expect(readFileSync(at('opt.onnx_adapter')).equals(readFileSync(at('base.onnx_adapter')))).toBe(true);
    await done('convert', at('opt.onnx_adapter'), at('from-ort.safetensors'), '--model', at('opt.onnx'));
    await done('convert', at('from-ort.safetensors'), at('from-ort'));
    expect(written(join(at('from-ort'), WEIGHTS))).toEqual(written(join(plain, WEIGHTS)));
    expect((await lotrc('convert', at('opt.onnx_adapter'), at('x'))).err).toContain('LOTR7204');
    await done('apply', at('opt.onnx'), at('opt.onnx_adapter'), '-o', at('embedded.onnx'));
    expect(await errorAgainst('bert.plain', at('embedded.onnx'))).toBeLessThan(1e-5);
  });

  test('another rank and scale than the graph has, and layers that the adapter does not have', async () => {
    const rank = ['--rank', '3', '--scale', '7', '--method', 'lora', '--factors', 'inputs'];
    const targets = ['--target', 'query', '--target', 'value', '--target', 'key'];
    await done('rewrite', baseOf('bert'), ...rank, ...targets, '-o', at('in.onnx'));
    await done('convert', join(PEFT, 'bert.plain'), at('in.onnx_adapter'), '--model', at('in.onnx'));
    const { feeds, logits } = recorded('bert.plain');
    const factors = [...readOnnxAdapter(at('in.onnx_adapter')).tensors].map(([name, data]) => [
      name,
      { dtype: 'float32', shape: data.shape, data: toF32(data) } as const,
    ]);
    const found = await runOrt(at('in.onnx'), { ...feeds, ...Object.fromEntries(factors) });
    expect(relativeError(found.logits!.data, logits)).toBeLessThan(1e-5);
    const other = await lotrc(
      'convert',
      join(PEFT, 'bert.patterns'),
      at('y.onnx_adapter'),
      '--model',
      at('in.onnx'),
    );
    expect(other.err).toContain('LOTR7301');
    // the term of dora is that of lora, and its layers learn lengths of columns too
    for (const method of ['lotr', 'dora']) {
      const graph = at(`${method}.onnx`);
      const words = ['--rank', '3', '--method', method, '--factors', 'inputs', '--target', 'query'];
      await done('rewrite', baseOf('bert'), ...words, '-o', graph);
      const refused = await lotrc(
        ...['convert', join(PEFT, 'bert.plain'), at('y.onnx_adapter'), '--model', graph],
      );
      expect(refused.err).toContain('LOTR7304');
    }
  });

  test('weights that were trained in full are not inputs', async () => {
    const saved = join(PEFT, 'bert.saved');
    expect((await lotrc('convert', saved, at('z.onnx_adapter'), '--model', baseOf('bert'))).err).toContain(
      'LOTR7103',
    );
    await done('apply', baseOf('bert'), saved, '-o', at('whole.onnx'));
    expect((await lotrc('extract', at('whole.onnx'), '-o', at('z.onnx_adapter'))).err).toContain('LOTR7103');
    expect((await lotrc('extract', at('whole.onnx'), '--tolerance', '1')).err).toContain('add --to peft');
  });
});

/** A model with adapters of a method whose factors are all random, and its logits. */
async function adapted(
  method: string,
): Promise<{ readonly model: string; readonly logits: ArrayLike<number | bigint> }> {
  const [rewritten, given, model] = ['lotr', 'given', 'model'].map((part) => at(`${method}.${part}`));
  const targets = ['--target', 'query', '--target', 'key'];
  const to = ['-o', `${rewritten}.onnx`, '--adapter', `${given}.safetensors`];
  await done('rewrite', baseOf('bert'), '--rank', '4', '--method', method, ...targets, ...to);
  const { tensors, metadata } = readSafetensors(`${given}.safetensors`);
  const random = new Map(
    [...tensors].map(([name, { shape }]) => [name, normalTensor('f32', shape, 1, 3, name)]),
  );
  writeSafetensors(`${given}.random.safetensors`, random, metadata);
  await done('apply', baseOf('bert'), `${given}.random.safetensors`, '-o', `${model}.onnx`);
  const { logits } = await runOrt(`${model}.onnx`, recorded('bert.plain').feeds);
  return { model: `${model}.onnx`, logits: logits!.data };
}

/** Methods that are a matrix times the rest; the others need a tolerance. */
const CHAINS = ['lotr', 'lora', 'lora-xs', 'moslora', 'sharelora-ab', 'vera'];
/** Methods that do more than add to the weight. */
const WRAPPED = ['dora', 'hira', 'ia3', 'ia3-in'];

/** Methods that change the base: their factors fit no other one. */
const OF_ANY_BASE = [...METHODS].flatMap(([name, spec]) => (needsResidual(spec) ? [] : [name]));

describe.each(EVERYTHING ? OF_ANY_BASE : [...CHAINS, 'loha'])('an adapter of %s as LoRA', (method) => {
  test('computes the same', async () => {
    const { model, logits } = await adapted(method);
    const exact = await lotrc('extract', model, '--to', 'peft', '-o', at(`${method}.peft`));
    if (WRAPPED.includes(method)) {
      expect(exact.err).toContain('LOTR7201');
      return;
    }
    if (exact.code !== 0) {
      expect(exact.err).toContain('LOTR7205');
      expect(CHAINS).not.toContain(method);
      const tolerance = ['--tolerance', '1e-6'];
      const near = await done('extract', model, '--to', 'peft', '-o', at(`${method}.peft`), ...tolerance);
      expect(near).toContain('relative error');
    }
    await done('apply', baseOf('bert'), at(`${method}.peft`), '-o', at(`${method}.lora.onnx`));
    const { logits: found } = await runOrt(at(`${method}.lora.onnx`), recorded('bert.plain').feeds);
    expect(relativeError(found!.data, logits)).toBeLessThan(2e-5);
  });
});

/** Factors of a layer: their names in lotrc and in PEFT. */
const NAMES = [
  ['A', 'lora_A'],
  ['B', 'lora_B'],
] as const;

describe.each([
  ['pissa', 5],
  ['olora', 2],
] as const)('adapters that took a part out of the base: %s', (how, scale) => {
  const peft = readSafetensors(join(PEFT, `bert.${how}.safetensors`)).tensors;
  const targets = ['query', 'intermediate.dense', 'output.dense'].flatMap((name) => ['--target', name]);
  const make = async (name: string) => {
    const init = ['--method', 'lora', '--init', how, '--rank', '3', '--scale', `${scale}`];
    await done('rewrite', baseOf('bert'), ...init, ...targets, '-o', at(`${name}.onnx`));
    return readSafetensors(at(`${name}.safetensors`));
  };
  const keyOf = (name: string, kind: string): string => {
    const layer = /^lora\/(.*)\/[AB]$/.exec(name)![1]!;
    return [...peft.keys()].find((key) => key.startsWith('start.') && key.includes(`.${layer}.${kind}`))!;
  };
  const transposed = (data: TensorData) =>
    Float32Array.from(transposeMatrix(toF64(data), data.shape[0]!, data.shape[1]!));
  /** The signs by which the three vectors of a factor (extent, 3) differ in lotrc and PEFT. */
  const signsOf = (own: Float32Array, other: Float32Array): readonly number[] =>
    [0, 1, 2].map((k) => Math.sign(own.reduce((sum, v, j) => sum + (j % 3 === k ? v * other[j]! : 0), 0)));

  test('starts as in PEFT, up to signs; trained, it is what PEFT writes for the original base', async () => {
    const { tensors, metadata } = await make(how);
    const trained = new Map<string, TensorData>();
    for (const name of [...tensors.keys()].filter((one) => one.endsWith('/A'))) {
      let signs: readonly number[] = [];
      for (const [factor, kind] of NAMES) {
        const of = name.replace(/A$/, factor);
        const data = tensors.get(of)!;
        const key = keyOf(of, kind);
        const [start, after] = [key, key.replace('start.', 'trained.')].map((from) => {
          const given = peft.get(from)!;
          return factor === 'A' ? transposed(given) : toF32(given);
        });
        const own = factor === 'A' ? toF32(data) : transposed(data);
        if (factor === 'A') signs = signsOf(own, start!);
        const flip = (values: Float32Array) => values.map((v, j) => v * signs[j % 3]!);
        // PEFT decomposes in float32
        expect(relativeError(flip(own), start!), of).toBeLessThan(1e-5);
        const [inn, rank] = factor === 'A' ? data.shape : data.shape.toReversed();
        const stored = f32Tensor([inn!, rank!], flip(after!));
        trained.set(of, factor === 'A' ? stored : f32Tensor(data.shape, transposed(stored)));
      }
    }
    writeSafetensors(at(`${how}.trained.safetensors`), trained, metadata);
    const base = ['--model', baseOf('bert')];
    await done('convert', at(`${how}.trained.safetensors`), at(`${how}.whole`), ...base);
    await done('apply', baseOf('bert'), at(`${how}.whole`), '-o', at(`${how}.whole.onnx`));
    expect(await errorAgainst(`bert.${how}`, at(`${how}.whole.onnx`))).toBeLessThan(1e-5);
    // the products of PEFT's own conversion, layer by layer
    const found = readSafetensors(join(at(`${how}.whole`), WEIGHTS)).tensors;
    const wanted = readSafetensors(join(PEFT, `bert.${how}`, WEIGHTS)).tensors;
    expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
    for (const key of [...wanted.keys()].filter((one) => one.includes('lora_A'))) {
      const product = (from: ReadonlyMap<string, TensorData>) => {
        const [a, b] = [from.get(key)!, from.get(key.replace('lora_A', 'lora_B'))!];
        return matrixProduct(toF64(b), toF64(a), b.shape[0]!, 6, a.shape[1]!);
      };
      expect(relativeError(product(found), product(wanted)), key).toBeLessThan(1e-5);
    }
    const config = readFileSync(join(at(`${how}.whole`), 'adapter_config.json'), 'utf8');
    expect(JSON.parse(config)).toMatchObject({ r: 6, lora_alpha: 2 * scale });
    // the same from a model that holds the trained factors
    await done('apply', at(`${how}.onnx`), at(`${how}.trained.safetensors`), '-o', at(`${how}.t.onnx`));
    await done('extract', at(`${how}.t.onnx`), '--to', 'peft', '-o', at(`${how}.two`), ...base);
    const [one, two] = ['whole', 'two'].map((name) => readFileSync(join(at(`${how}.${name}`), WEIGHTS)));
    expect(two!.equals(one!)).toBe(true);
  });

  test('without the original base, and with another one, it is refused', async () => {
    await make(`${how}-r`);
    const from = at(`${how}-r.safetensors`);
    expect((await lotrc('convert', from, at('none'))).err).toContain('LOTR7204');
    const adapted = await lotrc('convert', from, at('none'), '--model', at(`${how}-r.onnx`));
    expect(adapted.err).toContain('LOTR7204');
    const extract = ['extract', at(`${how}-r.onnx`), '--to', 'peft', '-o', at('none'), '--model'];
    expect((await lotrc(...extract, baseOf('llama'))).err).toContain('it has no such layer');
    await done('apply', baseOf('bert'), join(PEFT, 'bert.plain'), '-o', at('plain.onnx'));
    await done('merge', at('plain.onnx'), '-o', at('changed.onnx'));
    expect((await lotrc(...extract, at('changed.onnx'))).err).toContain('LOTR7206');
    expect(existsSync(at('none'))).toBe(false);
  });
});
