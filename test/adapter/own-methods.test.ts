import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { methodSchemaText } from '../../cli/dev/docs/options.js';
import { readDescription } from '../../src/adapter/description-check.js';
import { descriptionSchema } from '../../src/adapter/description-schema.js';
import { METHODS } from '../../src/adapter/methods/index.js';
import { inspect } from '../../src/inspect.js';
import { readModelBytes } from '../../src/ir/onnx/reader.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { toF64 } from '../../src/ir/values.js';
import { apply, merge, rewrite, strip } from '../../src/rewrite.js';
import { factorGradientError } from '../support/adapted.js';
import { fitsSchema } from '../support/json-schema.js';
import { type LayerForm, layerModel } from '../support/layers.js';
import { noise, relativeError, runOrt } from '../support/ort.js';

const FORM: LayerForm = { op: 'Gemm', in: 6, out: 8, transB: true, alpha: 0.5, weight: 'h.3.q.weight' };
const layer = () => layerModel(FORM);
const feeds = { x: { dtype: 'float32' as const, shape: [3, 6], data: noise(18, 5) } };

/** Methods of papers, and one of nobody, that no file of lotrc has. */
const OWN = [
  {
    method: 'tiny-lora',
    delta: 'ir,k,krs,so->io',
    extents: { k: 5 },
    factors: [
      { name: 'A', init: { svd: 'in' }, mode: 'frozen' },
      { name: 'u', init: 'zeros' },
      { name: 'P', init: { normal: 1 }, share: 'model', mode: 'seeded' },
      { name: 'B', init: { svd: 'out' }, mode: 'frozen' },
    ],
  },
  {
    method: 'block-diagonal',
    delta: 'hcr,hrd,hg->(hc)(gd)',
    extents: { h: 2, g: 2 },
    factors: [
      { name: 'A', init: { fanIn: 1 } },
      { name: 'B', init: 'zeros' },
      { name: 'E', init: 'eye', mode: 'frozen' },
    ],
  },
  {
    method: 'kronecker-directions',
    delta: 'ab,cd->(ac)(bd)',
    extents: { a: 'sqrt', b: 'sqrt' },
    wrap: 'column-norm',
    scaling: 'none',
    factors: [
      { name: 'C', init: { normal: 0.5 }, share: 'layer' },
      { name: 'D', init: 'zeros', lrMultiplier: 4 },
      { name: 'm', init: 'weightNorm' },
    ],
  },
];

describe.each(OWN.map((value) => [value.method, value] as const))('%s', (_, value) => {
  const spec = readDescription(value, 'own');
  const base = layer();

  test('starts as the base, comes off again, and goes onto another copy of the base', async () => {
    const expected = (await runOrt(encodeModel(base), feeds)).y!.data;
    const model = layer();
    const { adapter } = rewrite(model, { rank: 3, targets: ['.*'], spec });
    const written = encodeModel(model);
    expect(relativeError((await runOrt(written, feeds)).y!.data, expected)).toBeLessThan(1e-6);
    const merged = readModelBytes(written);
    merge(merged);
    expect(relativeError((await runOrt(encodeModel(merged), feeds)).y!.data, expected)).toBeLessThan(1e-6);
    const text = (each: typeof model) => printModel(each, { locations: false });
    const stripped = readModelBytes(written);
    strip(stripped);
    expect(text(stripped)).toBe(text(base));
    // what follows from the seed is not in the adapter, and comes back bit for bit
    const other = layer();
    apply(other, adapter);
    expect(Buffer.from(encodeModel(other)).equals(Buffer.from(written))).toBe(true);
    expect(adapter.tensors.size).toBe(spec.factors.filter(({ mode }) => mode !== 'seeded').length);
  });

  test('has the gradients of finite differences in float64', () => {
    expect(factorGradientError(layer, feeds, () => {}, { spec })).toBeLessThan(1e-7);
  });
});

test('seeded factors that are stored have the values of the seed, and are inputs where factors are', () => {
  const spec = METHODS.get('vera')!;
  const [seeded, stored] = [false, true].map((storeSeeded) => {
    const model = layer();
    const { adapter, plan } = rewrite(model, { rank: 2, targets: ['.*'], spec, storeSeeded });
    return { model, adapter, modes: plan.plans[0]!.spec.factors.map(({ mode }) => mode) };
  });
  expect(seeded!.modes).toEqual(['seeded', 'trainable', 'seeded', 'trainable']);
  expect(stored!.modes).toEqual(['frozen', 'trainable', 'frozen', 'trainable']);
  expect([...seeded!.adapter.tensors.keys()]).toEqual(['vera/h.3.q/d', 'vera/h.3.q/b']);
  for (const name of ['vera/model/A', 'vera/model/B']) {
    const bytes = seeded!.model.graph.own(name)!.constant!.bytes();
    expect(Buffer.compare(stored!.adapter.tensors.get(name)!.bytes(), bytes)).toBe(0);
  }
  const fed = layer();
  rewrite(fed, { rank: 2, targets: ['.*'], spec, storeSeeded: true, carry: 'inputs' });
  expect(fed.graph.inputs.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['vera/model/A', 'vera/model/B']),
  );
});

/** x -> MatMul and Add to 8 -> Gemm with a bias to 5. */
const BIASED = `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 6] x) => (float[batch, 5] y)
<
  float[6,8] "h.0.a.weight" = ["checksum": "x"],
  float[8] "h.0.a.bias" = {0.5, -0.25, 0.75, -1.5, 0.375, 1.25, -0.625, 0.125},
  float[5,8] "h.1.b.weight" = ["checksum": "x"],
  float[5] "h.1.b.bias" = {-0.5, 0.25, 1.75, -0.125, 0.625}
>
{
  ["a"] "a.mm" = MatMul ("x", "h.0.a.weight")
  ["a.add"] "h" = Add ("h.0.a.bias", "a.mm")
  ["b"] "y" = Gemm <alpha: float = 0.5, beta: float = 2.0, transB: int = 1> ("h", "h.1.b.weight", "h.1.b.bias")
}
`;

function biased() {
  const numbers = (shape: readonly [number, number], seed: number) =>
    `{${[...noise(shape[0] * shape[1], seed)].join(', ')}}`;
  const text = BIASED.replace('["checksum": "x"]', numbers([6, 8], 3)).replace(
    '["checksum": "x"]',
    numbers([5, 8], 4),
  );
  return parseModel(text);
}

test('ia3 scales outputs with their biases: y (1 + l); merged and stripped, biases too', async () => {
  const spec = METHODS.get('ia3')!;
  const model = biased();
  const { plan } = rewrite(model, { rank: 1, targets: ['.*'], spec });
  expect((await runOrt(encodeModel(model), feeds)).y!.data).toEqual(
    (await runOrt(encodeModel(biased()), feeds)).y!.data,
  );
  const factors = plan.plans[0]!.sites.map(({ factors: own }) => own.l!);
  const lengths = factors.map((name) => {
    const value = model.graph.own(name)!;
    const data = noise(value.constant!.shape[0]!, 17 + name.length);
    value.setConstant(f32Tensor([data.length], data));
    return data;
  });
  const value = (name: string) => toF64(biased().graph.own(name)!.constant!);
  const [wa, ba, wb, bb] = ['h.0.a.weight', 'h.0.a.bias', 'h.1.b.weight', 'h.1.b.bias'].map(
    value,
  ) as Float64Array[];
  const wanted: number[] = [];
  for (let r = 0; r < 3; r++) {
    const h = Array.from({ length: 8 }, (_, o) => {
      let sum = ba![o]!;
      for (let i = 0; i < 6; i++) sum += feeds.x.data[r * 6 + i]! * wa![i * 8 + o]!;
      return sum * (1 + lengths[0]![o]!);
    });
    for (let o = 0; o < 5; o++) {
      const sum = h.reduce((all, v, i) => all + v * wb![o * 8 + i]!, 0);
      wanted.push((0.5 * sum + 2 * bb![o]!) * (1 + lengths[1]![o]!));
    }
  }
  const written = encodeModel(model);
  expect(relativeError((await runOrt(written, feeds)).y!.data, wanted)).toBeLessThan(1e-6);
  const merged = readModelBytes(written);
  merge(merged);
  expect([...merged.graph.nodes].map(({ op }) => op)).toEqual(['MatMul', 'Add', 'Gemm']);
  expect(relativeError((await runOrt(encodeModel(merged), feeds)).y!.data, wanted)).toBeLessThan(1e-6);
  const stripped = readModelBytes(written);
  strip(stripped);
  const text = (each: typeof model) => printModel(each, { locations: false });
  expect(text(stripped)).toBe(text(biased()));
  expect(factorGradientError(biased, feeds, () => {}, { spec })).toBeLessThan(1e-7);
});

describe('the JSON schema of descriptions', () => {
  const fits = (value: unknown) => fitsSchema(value, descriptionSchema());

  test('is the file in docs/', () => {
    const file = join(import.meta.dirname, '../../docs/method.schema.json');
    expect(readFileSync(file, 'utf8')).toBe(methodSchemaText());
  });

  test.each([...METHODS.values(), ...OWN])('takes $method', (value) => {
    expect(fits(JSON.parse(JSON.stringify(value)))).toBe(true);
  });

  const [first] = OWN;
  test.each([
    [{ ...first, lr: 1 }],
    [{ ...first, wrap: 'rows' }],
    [{ ...first, extents: { k: 0 } }],
    [{ ...first, factors: [{ name: 'A' }] }],
    [{ ...first, factors: [{ name: 'A', init: 'gauss' }] }],
    [{ ...first, factors: [{ name: 'A', init: { normal: 1, power: 2 } }] }],
  ])('refuses %j', (value) => {
    expect(fits(value)).toBe(false);
    expect(() => readDescription(value, 'own')).toThrow();
  });
});

test.each([...METHODS.values()])('inspect lists every factor of $method, whatever shares it', (spec) => {
  const model = layer();
  rewrite(model, {
    rank: 2,
    targets: ['.*'],
    spec,
    carry: spec.wrap === 'column-norm' ? 'embedded' : 'inputs',
  });
  const [plan, ...more] = inspect(model).plans!;
  expect(more).toEqual([]);
  expect(plan).toMatchObject({ method: spec.method, rank: 2, scale: spec.scale });
  const names = spec.factors.map(({ name }) => name);
  expect(plan!.sites).toMatchObject([{ module: 'h.3.q', nodes: ['layer'] }]);
  expect(Object.keys(plan!.sites[0]!.factors)).toEqual(names);
  const keys = { site: 'h.3.q', group: '6x8', model: 'model', layer: 'h.3', type: 'q' };
  for (const { name, share, key, tensor, shape, mode } of plan!.factors) {
    const own = spec.factors.find((factor) => factor.name === name)!;
    expect({ share, mode, key }).toEqual({ share: own.share, mode: own.mode, key: keys[own.share] });
    expect(plan!.sites[0]!.factors[name]).toBe(tensor);
    expect(shape.every((extent) => extent > 0)).toBe(true);
    expect(model.graph.own(tensor)).toBeTruthy();
  }
  expect(plan!.factors.map(({ name }) => name).sort()).toEqual([...names].sort());
});
