import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { effectiveScale } from '../../src/adapter/description.js';
import { factorNames } from '../../src/adapter/plan-factors.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { planIn } from '../../src/passes/plan/plan.js';
import { AdapterSession } from '../../src/runtime/index.js';
import { done, textClassifier } from '../support/classifier.js';
import { inTurn } from '../support/einsum.js';
import { writeNoisy } from '../support/noisy-adapter.js';
import { noise, relativeError } from '../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-swap-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const file = (name: string) => join(root, name);
const GIVEN = { ort, ep: 'cpu', session: { intraOpNumThreads: 1 } } as const;
let base = '';

/** Inputs of the classifier: 5 texts of 7 tokens. */
const FEEDS = {
  input_ids: new ort.Tensor(
    'int64',
    BigInt64Array.from({ length: 35 }, (_, k) => BigInt((k * 7) % 27)),
    [5, 7],
  ),
  attention_mask: new ort.Tensor('float32', new Float32Array(35).fill(1), [5, 7]),
};

async function logitsOf(path: string): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4 });
  const { logits } = await session.run(FEEDS);
  await session.release();
  return logits!.data as Float32Array;
}

/** Rewrites the base; the adapter file gets numbers that are not zero, of a seed. */
async function rewritten(name: string, seed: number, ...words: readonly string[]): Promise<string> {
  const model = file(`${name}.onnx`);
  await done('rewrite', base, '--target', 'all-linear', ...words, '-o', model);
  const adapter = file(`${name}.safetensors`);
  writeNoisy(adapter, adapter, 31 * seed);
  return adapter;
}

type Matrix = readonly [rows: number, columns: number, values: Float64Array];

/** The update of each layer of the classifier by the definition, in float64. */
function updatesOf(adapter: string): ReadonlyMap<string, Float64Array> {
  const { tensors, metadata } = readSafetensors(adapter);
  const { plans } = planIn(metadata)!;
  return new Map(
    plans.flatMap((row) =>
      row.sites.map((site) => {
        const factors = factorNames(row, site).map((name) => {
          const tensor = tensors.get(name)!;
          return { shape: tensor.shape, data: toF64(tensor) };
        });
        const scale = effectiveScale(row.spec, row.groups.find(({ id }) => id === site.group)!.rank);
        return [site.modulePath!, inTurn(row.spec.delta, factors, scale).data] as const;
      }),
    ),
  );
}

/** The classifier's logits with weighted updates of its layers, in float64. */
function reference(parts: readonly (readonly [weight: number, adapter: string])[]): Float64Array {
  const { graph } = readModel(base);
  const weight = (name: string): Matrix => {
    const tensor = graph.own(`${name}.weight`)!.constant!;
    const values = toF64(tensor);
    for (const [by, adapter] of parts) {
      const update = updatesOf(adapter).get(name);
      if (update) for (const k of values.keys()) values[k]! += by * update[k]!;
    }
    return [tensor.shape[0]!, tensor.shape[1]!, values];
  };
  const times = (x: Float64Array, [rows, columns, values]: Matrix) =>
    Float64Array.from({ length: columns }, (_, column) =>
      x.reduce((sum, value, row) => sum + value * values[row * columns + column]!, 0),
    ).map((value) => (rows === x.length ? value : Number.NaN));
  const [embed, hidden, head] = ['embed', 'hidden', 'head'].map(weight) as [Matrix, Matrix, Matrix];
  const ids = FEEDS.input_ids.data as BigInt64Array;
  const rows = Array.from({ length: 5 }, (_, row) => {
    const pooled = new Float64Array(embed[1]);
    for (let k = 0; k < 7; k++)
      for (const j of pooled.keys()) pooled[j]! += embed[2][Number(ids[7 * row + k]) * embed[1] + j]!;
    return [...times(times(pooled, hidden).map(Math.tanh), head)];
  });
  return Float64Array.from(rows.flat());
}

const bytes = (path: string) => readFileSync(path);
const logitsIn = async (session: AdapterSession) => (await session.run(FEEDS)).logits!.data as Float32Array;

beforeAll(async () => {
  base = (await textClassifier(file('net'))).model;
});

describe.each([
  ['lora', ['--method', 'lora']],
  ['lotr', ['--method', 'lotr']],
  ['moslora', ['--method', 'moslora']],
])('%s', (method, words) => {
  let session: AdapterSession;
  let adapters: Readonly<Record<'french' | 'legal', string>>;
  const bound = 5e-6;
  beforeAll(async () => {
    const inputs = [...words, '--factors', 'inputs', '--scale', '2'];
    // ranks and scales of adapters are their own
    adapters = {
      french: await rewritten(`${method}-french`, 1, ...inputs, '--rank', '3'),
      legal: await rewritten(`${method}-legal`, 2, ...inputs, '--rank', '2', '--scale', '3'),
    };
    session = await AdapterSession.open(bytes(file(`${method}-french.onnx`)), {
      ...GIVEN,
      files: (name) => bytes(file(name)),
    });
    await session.load('french', bytes(adapters.french));
    await session.load('legal', bytes(adapters.legal));
  });
  afterAll(() => session.close());

  const applied = async (adapter: string, name: string) => {
    await done('apply', base, adapter, '-o', file(name));
    return logitsOf(file(name));
  };

  test('off: the base; each adapter: what `lotrc apply` makes of it, also of another rank and scale', async () => {
    expect(session.inputNames).toEqual(['input_ids', 'attention_mask']);
    expect(relativeError(await logitsIn(session), await logitsOf(base))).toBeLessThan(1e-6);
    for (const [name, adapter] of Object.entries(adapters)) {
      session.use(name);
      const wanted = await applied(adapter, `${method}-${name}.applied.onnx`);
      expect(relativeError(await logitsIn(session), wanted), name).toBeLessThan(bound);
      expect(relativeError(wanted, await logitsOf(base))).toBeGreaterThan(1e-2);
    }
    session.use(null);
    expect(relativeError(await logitsIn(session), await logitsOf(base))).toBeLessThan(1e-6);
  });

  test('a mix is the sum of the updates, each times its weight, exactly', async () => {
    // one layer's update is linear in the adapter; the model is not, so `lotrc combine` is the reference
    session.use({ french: 0.7, legal: -0.3 });
    expect([...session.used]).toEqual([
      ['french', 0.7],
      ['legal', -0.3],
    ]);
    const found = await logitsIn(session);
    const both = file(`${method}-both`);
    await done('combine', `${adapters.french}=0.7`, `${adapters.legal}=-0.3`, '-o', both);
    expect(relativeError(found, await applied(both, `${method}-both.onnx`))).toBeLessThan(bound);
    const wanted = reference([
      [0.7, adapters.french],
      [-0.3, adapters.legal],
    ]);
    expect(relativeError(found, wanted)).toBeLessThan(bound);
  });

  test('one adapter with a weight, weight 0, and an adapter in place of another of its name', async () => {
    session.use({ french: 0.5, legal: 0 });
    expect(relativeError(await logitsIn(session), reference([[0.5, adapters.french]]))).toBeLessThan(bound);
    session.use('french');
    await session.load('french', bytes(adapters.legal));
    const legal = await logitsIn(session);
    session.use('legal');
    expect(await logitsIn(session)).toEqual(legal);
    await session.load('french', bytes(adapters.french));
    expect(session.adapters).toEqual(['french', 'legal']);
    expect(() => session.use('german')).toThrow(
      /LOTR8121: no adapter "german" is loaded; there are french, legal/,
    );
  });
});

/** A session of a rewritten model, and what is kept of how often ONNX Runtime was asked for one. */
async function sessionOf(name: string) {
  let created = 0;
  const create = (...given: Parameters<typeof ort.InferenceSession.create>) => {
    created++;
    return ort.InferenceSession.create(...given);
  };
  const counting = { Tensor: ort.Tensor, InferenceSession: { create } } as unknown as typeof ort;
  const files = (path: string) => bytes(file(path));
  const session = await AdapterSession.open(bytes(file(`${name}.onnx`)), { ...GIVEN, ort: counting, files });
  return { session, created: () => created };
}

test('adapters of which one factor differs are added in it: nothing grows, and ranks need not be open', async () => {
  const words = ['--method', 'vera', '--rank', '5', '--factors', 'inputs'];
  const first = await rewritten('vera', 3, ...words);
  const { tensors, metadata } = readSafetensors(first);
  const other = new Map(
    [...tensors].map(([name, tensor]) => {
      const { shape, byteLength } = tensor;
      return [name, name.endsWith('/b') ? f32Tensor(shape, noise(byteLength / 4, 77)) : tensor] as const;
    }),
  );
  expect([...other].some(([name, tensor]) => tensor !== tensors.get(name))).toBe(true);
  const second = file('vera-other.safetensors');
  writeSafetensors(second, other, metadata);
  const { session } = await sessionOf('vera');
  await session.load('first', bytes(first));
  await session.load('second', bytes(second));
  session.use('first');
  await done('apply', base, first, '-o', file('vera-applied.onnx'));
  expect(relativeError(await logitsIn(session), await logitsOf(file('vera-applied.onnx')))).toBeLessThan(
    5e-6,
  );
  session.use({ first: 0.4, second: 1.5 });
  const sum = [...other].map(([name, tensor]) => {
    const { shape } = tensor;
    if (tensor === tensors.get(name)) return [name, tensor] as const;
    const [a, b] = [toF64(tensors.get(name)!), toF64(tensor)];
    return [
      name,
      f32Tensor(
        shape,
        a.map((value, k) => 0.4 * value + 1.5 * b[k]!),
      ),
    ] as const;
  });
  // the weights of a mix need not add up to 1: what they add is the factor that differs, all else is the same
  writeSafetensors(file('vera-sum.safetensors'), new Map(sum), metadata);
  await done('apply', base, file('vera-sum.safetensors'), '-o', file('vera-sum.onnx'));
  expect(relativeError(await logitsIn(session), await logitsOf(file('vera-sum.onnx')))).toBeLessThan(5e-6);
  await session.close();
});

test('a hundred adapters over one session: ONNX Runtime loads the base once', async () => {
  const adapter = await rewritten('many', 5, '--method', 'lora', '--rank', '2', '--factors', 'inputs');
  const { session, created } = await sessionOf('many');
  for (let k = 0; k < 100; k++) await session.load(`tenant ${k}`, bytes(adapter));
  session.use('tenant 99');
  const found = await logitsIn(session);
  session.unload('tenant 99');
  expect(session.adapters.length).toBe(99);
  expect(relativeError(await logitsIn(session), await logitsOf(base))).toBeLessThan(1e-6);
  session.use({ 'tenant 3': 1 });
  expect(await logitsIn(session)).toEqual(found);
  expect(created()).toBe(1);
  await session.close();
});

test('what cannot be mixed or switched off is refused (LOTR8123), and one adapter of it runs', async () => {
  for (const [method, why] of [
    ['loha', /LOTR8123: the delta .* multiplies products of several ranks/],
    ['dora', /LOTR8123: the wrap column-norm is not linear/],
  ] as const) {
    const words = ['--method', method, '--rank', '2', '--factors', 'inputs'];
    const [first, second] = [
      await rewritten(method, 6, ...words),
      await rewritten(`${method}-2`, 7, ...words),
    ];
    const { session } = await sessionOf(method);
    await session.load('first', bytes(first));
    await session.load('second', bytes(second));
    expect(() => session.use({ first: 1, second: 1 })).toThrow(why);
    session.use('first');
    await done('apply', base, first, '-o', file(`${method}-applied.onnx`));
    expect(
      relativeError(await logitsIn(session), await logitsOf(file(`${method}-applied.onnx`))),
    ).toBeLessThan(5e-6);
    if (method === 'dora')
      expect(() => session.use(null)).toThrow(/LOTR8123: the wrap column-norm has no factors/);
    await session.close();
  }
});

test('models and adapters that do not fit are refused with the reason', async () => {
  const words = ['--method', 'lora', '--rank', '2'];
  const adapter = await rewritten('fit', 8, ...words, '--factors', 'inputs');
  await rewritten('optional', 8, ...words, '--factors', 'optional');
  await expect(sessionOf('optional')).rejects.toThrow(
    /LOTR8122: its factor "lora\/hidden\/A" is not an input[\s\S]*lotrc apply BASE ADAPTER --factors inputs/,
  );
  await expect(AdapterSession.open(bytes(base), GIVEN)).rejects.toThrow(
    /LOTR8122: the model has no adapters of lotrc/,
  );
  await expect(AdapterSession.open(bytes(adapter), GIVEN)).rejects.toThrow(/LOTR8122/);
  const { session } = await sessionOf('fit');
  const other = await rewritten('lotr-fit', 9, '--method', 'lotr', '--rank', '2', '--factors', 'inputs');
  await expect(session.load('x', bytes(other))).rejects.toThrow(
    /LOTR8124: it has no factor "lora\/hidden\/A"/,
  );
  const { tensors, metadata } = readSafetensors(adapter);
  const changed = async (how: (name: string) => boolean, meta = metadata) => {
    const rows = [...tensors].map(([name, tensor]) => {
      const [rows, columns] = tensor.shape as [number, number];
      return [
        name,
        how(name) ? f32Tensor([rows + 1, columns], new Float32Array((rows + 1) * columns)) : tensor,
      ] as const;
    });
    writeSafetensors(file('changed.safetensors'), new Map(rows), meta);
    await session.load('x', bytes(file('changed.safetensors')));
  };
  await expect(changed((name) => name === 'lora/hidden/A')).rejects.toThrow(
    /LOTR8124: its "lora\/hidden\/A" is \[18,2\]/,
  );
  await expect(changed((name) => name === 'lora/hidden/B')).rejects.toThrow(
    /LOTR8124: its "lora\/hidden\/B" is \[3,19\], and the model takes \[2,19\]/,
  );
  await expect(changed(() => false, {})).rejects.toThrow(/LOTR8124: it carries no plan/);
  await expect(session.load('x', Buffer.from('no file'))).rejects.toThrow(/LOTR7001/);
  expect(session.adapters).toEqual([]);
  await expect(session.load('x', new Blob([bytes(adapter)]))).resolves.toBeUndefined();
  expect(() => session.use({ x: Number.NaN })).toThrow(/LOTR8124/);
  await session.close();
});
