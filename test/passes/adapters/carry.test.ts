import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor, type TensorData } from '../../../src/ir/tensor.js';
import { verify } from '../../../src/ir/verify.js';
import { carryFactors } from '../../../src/passes/adapters/carry-factors.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { type LayerForm, layerModel, planned } from '../../support/layers.js';
import { asFeed } from '../../support/oracle.js';
import { f32, maxDifference, noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const KINDS = ['fold', 'token', 'function'] as const;
type Kind = (typeof KINDS)[number];

/** Four matrices in a row, the middle ones per site. */
const FOUR: AdapterSpec = {
  method: 'four',
  delta: 'ia,ab,bc,co->io',
  scale: 3,
  scaling: 'none',
  factors: (['P', 'Q', 'S', 'T'] as const).map((name, k) => ({
    name,
    share: k === 0 || k === 3 ? 'group' : 'site',
    init: k === 1 ? 'zeros' : { normal: 1 },
    lrMultiplier: 1,
    mode: 'trainable',
  })),
};

const METHODS: readonly (readonly [string, AdapterSpec])[] = [
  ['lotr', { ...LOTR, scale: 3 }],
  ['lora', { ...LORA, scale: 3 }],
  ['four factors', FOUR],
];

function adapted(kind: Kind, spec: AdapterSpec, form: LayerForm = {}) {
  const model = layerModel(form);
  const factors = planned(model, { spec, rank: 2 });
  insertAdapters(model, factors);
  if (kind === 'function') toFunctions(model);
  else lowerAdapters(model, kind);
  return { model, factors };
}

const x = f32([3, 7], 5);
const run = async (model: Model, more: Record<string, Tensor> = {}): Promise<Tensor> => {
  expect(verify(model).filter(({ severity }) => severity === 'error')).toEqual([]);
  return (await runOrt(encodeModel(model), { x, ...more }, { level: 'basic' })).y!;
};
const feeds = (factors: ReadonlyMap<string, TensorData>): Record<string, Tensor> =>
  Object.fromEntries([...factors].map(([name, data]) => [name, asFeed(data)]));

describe.each(METHODS)('%s', (_name, spec) => {
  describe.each(KINDS)('%s', (kind) => {
    test('embedded, merged, and given as inputs are one function', async () => {
      const { model, factors } = adapted(kind, spec);
      const wanted = await run(model);
      expect(maxDifference(wanted, await run(layerModel()))).toBeGreaterThan(0.1);
      const merged = readModelBytes(encodeModel(model));
      mergeAdapters(merged);
      expect(relativeError((await run(merged)).data, wanted.data)).toBeLessThan(1e-6);
      const data = carryFactors(model, 'inputs');
      expect(new Map(data)).toEqual(factors);
      expect(requirePlan(model, 'test').plans.map(({ carry }) => carry)).toEqual(['inputs']);
      const result = await run(readModelBytes(encodeModel(model)), feeds(factors));
      expect(relativeError(result.data, wanted.data)).toBeLessThan(1e-6);
    });

    test('inputs of rank 0 give the base, and another rank is taken', async () => {
      const { model, factors } = adapted(kind, spec);
      carryFactors(model, 'inputs');
      const extents = (rank: number) =>
        Object.fromEntries(
          [...factors].map(([name, { shape }], k) => {
            const own = shape.map((extent) => (extent === 2 ? rank : extent));
            const data = noise(
              own.reduce((a, b) => a * b, 1),
              k + 3,
            );
            return [name, { dtype: 'float32', shape: own, data } as Tensor];
          }),
        );
      const base = await run(layerModel());
      expect((await run(model, extents(0))).data).toEqual(base.data);
      expect(maxDifference(await run(model, extents(1)), base)).toBeGreaterThan(0.05);
    });

    test('optional inputs default to the base', async () => {
      const { model, factors } = adapted(kind, spec);
      carryFactors(model, 'optional');
      const base = await run(layerModel());
      expect((await run(model)).data).toEqual(base.data);
      // onnxruntime-node takes no feeds for initializers: it ignores them without a word
      expect((await run(model, feeds(factors))).data).toEqual(base.data);
    });

    test('factors that are not in the model are needed for merging', async () => {
      const { model, factors } = adapted(kind, spec);
      const wanted = await run(model);
      for (const form of ['inputs', 'optional'] as const) {
        const carried = readModelBytes(encodeModel(model));
        carryFactors(carried, form);
        const again = readModelBytes(encodeModel(carried));
        expect(() => mergeAdapters(again)).toThrow(/LOTR3207/);
        mergeAdapters(again, factors);
        expect(again.graph.inputs.map(({ name }) => name)).toEqual(['x']);
        expect(relativeError((await run(again)).data, wanted.data)).toBeLessThan(1e-6);
      }
    });
  });
});

test('ranks have one symbol wherever their extents must agree', () => {
  const shapes = (spec: AdapterSpec) => {
    const { model } = adapted('fold', spec);
    carryFactors(model, 'inputs');
    return model.graph.inputs.slice(1).map(({ name, type }) => [name, type?.kind === 'tensor' && type.shape]);
  };
  expect(shapes(LOTR)).toEqual([
    ['lotr/7x5/R', [7, 'rank_r_7x5']],
    ['lotr/7x5/L', ['rank_s_7x5', 5]],
    ['lotr/linear0_7x5/M', ['rank_r_7x5', 'rank_s_7x5']],
  ]);
  expect(shapes(LORA)).toEqual([
    ['lora/linear0_7x5/A', [7, 'rank_r_linear0_7x5']],
    ['lora/linear0_7x5/B', ['rank_r_linear0_7x5', 5]],
  ]);
});

describe('IR version 3', () => {
  test('embedded factors are inputs too, as every initializer there, and the version stays', () => {
    const { model } = adapted('fold', LOTR, { irVersion: 3, opset: 9 });
    carryFactors(model, 'embedded');
    expect(model.irVersion).toBe(3);
    for (const [name, value] of model.graph.initializers) expect([name, value.isInput]).toEqual([name, true]);
  });

  test('optional inputs need version 4, where weights must not become replaceable', async () => {
    const { model, factors } = adapted('fold', LOTR, { irVersion: 3, opset: 9 });
    carryFactors(model, 'optional');
    expect(model.irVersion).toBe(4);
    expect(model.graph.own('W')!.isInput).toBe(false);
    mergeAdapters(model, factors);
    expect((await run(model)).data).not.toEqual((await run(layerModel())).data);
  });
});

describe('factors that do not fit', () => {
  const attempt = (change: (factors: Map<string, TensorData>) => void): string => {
    const { model, factors } = adapted('fold', LOTR);
    const given = new Map(factors);
    change(given);
    try {
      mergeAdapters(model, given);
    } catch (error) {
      if (error instanceof LotrcError) return error.message;
      throw error;
    }
    return 'none';
  };

  test('other extents', () => {
    const said = attempt((given) => given.set('lotr/7x5/L', f32Tensor([2, 6], noise(12))));
    expect(said).toMatch(/LOTR3208: factor "lotr\/7x5\/L" is f32\[2,6\]/);
  });
  test('ranks that disagree', () => {
    expect(attempt((given) => given.set('lotr/linear0_7x5/M', f32Tensor([3, 2], noise(6))))).toMatch(
      /LOTR3208/,
    );
  });
  test('another rank that agrees is fine', () => {
    const said = attempt((given) => {
      given.set('lotr/7x5/R', f32Tensor([7, 3], noise(21)));
      given.set('lotr/linear0_7x5/M', f32Tensor([3, 1], noise(3)));
      given.set('lotr/7x5/L', f32Tensor([1, 5], noise(5)));
    });
    expect(said).toBe('none');
  });
});

describe('merging refuses', () => {
  test('a result that is not finite, when the weight is written', () => {
    const { model, factors } = adapted('fold', LOTR, { dtype: 'f16' });
    const [name, r] = [...factors][0]!;
    mergeAdapters(model, new Map([...factors, [name, f32Tensor(r.shape, new Float32Array(14).fill(1e6))]]));
    expect(() => encodeModel(model)).toThrow(/LOTR3206.*not finite in f16/);
  });

  test('a weight that a caller may replace', () => {
    const model = layerModel();
    const factors = planned(model);
    insertAdapters(model, factors);
    const w = model.graph.own('W')!;
    model.graph.exposeInitializer(w, w.type!, w.constant);
    expect(() => mergeAdapters(model)).toThrow(/LOTR3206.*graph input/);
  });
});
