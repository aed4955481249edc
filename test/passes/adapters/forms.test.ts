import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { VERA } from '../../../src/adapter/methods/vera.js';
import { planFactors } from '../../../src/adapter/plan-factors.js';
import { attrString } from '../../../src/ir/attr.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { ADAPTED } from '../../../src/passes/adapters/adapted-node.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters, trainingForm } from '../../../src/passes/adapters/lower.js';
import { shareFactors } from '../../../src/passes/adapters/share-factors.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { floats, layerModel, planned } from '../../support/layers.js';
import { f32, runOrt } from '../../support/ort.js';

/** q, k and v of one x, and o of the sum of the three: four layers of one shape, three of which read the same value. */
function attention(dtype: 'f32' | 'f16' = 'f32'): Model {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', 17);
  model.setIrVersion(8);
  const x = graph.addInput('x', tensorType(dtype, [2, 3, 6]));
  const layer = (name: string, from: typeof x) => {
    const w = graph.addInitializer(`${name}.weight`, floats(dtype, [6, 6], name.charCodeAt(0)));
    return graph.append({ op: 'MatMul', name, inputs: [from, w], outputs: [`${name}.y`] }).outputs[0]!;
  };
  const parts = ['q', 'k', 'v'].map((name) => layer(name, x));
  const sum = graph.append({ op: 'Sum', inputs: parts, outputs: ['sum'] }).outputs[0]!;
  graph.addOutput(layer('o', sum));
  return model;
}

function counts(model: Model): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { op } of model.graph.nodes) found[op] = (found[op] ?? 0) + 1;
  return found;
}

describe('share-factors', () => {
  // base 4; fold: x R twice, M L four times, delta four times; token: x R twice, x R M and delta four times each
  test.each([
    ['fold', 4 + 2 + 4 + 4],
    ['token', 4 + 2 + 4 + 4],
  ] as const)('%s: q, k and v have one product x R', async (form, products) => {
    const model = attention();
    insertAdapters(model, planned(model));
    lowerAdapters(model, form);
    const before = await runOrt(encodeModel(model), { x: f32([2, 3, 6]) }, { level: 'disabled' });
    expect(counts(model).MatMul).toBe(products + 2);
    expect(shareFactors(model)).toBe(2);
    expect(counts(model).MatMul).toBe(products);
    expect(counts(model).Mul).toBe(4);
    const after = await runOrt(encodeModel(model), { x: f32([2, 3, 6]) }, { level: 'disabled' });
    expect(after['o.y']!.data).toEqual(before['o.y']!.data);
    expect(shareFactors(model)).toBe(0);
  });

  test('half precision casts R once', () => {
    const model = attention('f16');
    insertAdapters(model, planned(model));
    lowerAdapters(model, 'fold');
    shareFactors(model);
    // R once, s M L of every layer
    expect(counts(model).Cast).toBe(1 + 4);
  });

  test('layers that share no factor keep their products', () => {
    const model = attention();
    insertAdapters(model, planned(model, { share: 'site' }));
    lowerAdapters(model, 'fold');
    expect(shareFactors(model)).toBe(0);
  });

  test('products that the user made stay two', () => {
    const model = layerModel();
    const [x, w] = [model.graph.own('x')!, model.graph.own('W')!];
    const twin = model.graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['twin'] });
    model.graph.addOutput(twin.outputs[0]!);
    insertAdapters(model, planned(model));
    lowerAdapters(model, 'fold');
    shareFactors(model);
    expect([...model.graph.nodes].filter(({ inputs }) => inputs[1] === w)).toHaveLength(2);
  });
});

describe('the form in which gradients are cheapest', () => {
  const wide = { in: 14, out: 40 };
  test.each([
    ['token', LOTR, wide, ['M']],
    ['token', LOTR, wide, ['R', 'M']],
    // dL is as wide as the layer anyway
    ['fold', LOTR, wide, ['M', 'L']],
    ['fold', LOTR, wide, ['R', 'M', 'L']],
    // nothing in M L is trained
    ['fold', LOTR, wide, ['R']],
    // 3 * 2 * 2 multiplications for each token are more than 2 * 5
    ['fold', LOTR, { in: 7, out: 5 }, ['M']],
    ['fold', LORA, wide, ['A']],
    // the last step is a vector as wide as the layer
    ['fold', VERA, wide, ['d']],
  ] as const)('%s: %o, layer %o, %o trained', (form, spec, size, trained) => {
    const model = layerModel(size);
    insertAdapters(model, planned(model, { spec }));
    const rows = planFactors(requirePlan(model, 'test').plans).filter(({ spec: { name } }) =>
      (trained as readonly string[]).includes(name),
    );
    const names = new Set(rows.map(({ name }) => name));
    const [layer] = [...model.graph.nodes].filter(({ opKey }) => opKey === ADAPTED);
    expect(trainingForm(layer!, (name) => names.has(name))).toBe(form);
  });
});

describe('names', () => {
  test('new values are called after the site and what they are', () => {
    const model = layerModel();
    insertAdapters(model, planned(model));
    lowerAdapters(model, 'token');
    expect([...model.graph.nodes].map(({ outputs }) => outputs[0]!.name)).toEqual([
      'y/base',
      'lotr/linear0_7x5/xR',
      'lotr/linear0_7x5/sM',
      'lotr/linear0_7x5/xRM',
      'lotr/linear0_7x5/delta',
      'y',
    ]);
  });

  test.each([
    ['LoTRLinear_nobias', {}, LOTR],
    ['LoTRLinear_gemm_nobias', { op: 'Gemm' }, LOTR],
    ['LoTRLinear_gemm', { op: 'Gemm', bias: true }, LOTR],
    ['LoTRLinear_half_nobias', { dtype: 'f16' }, LOTR],
    ['Adapter_lora_nobias', {}, LORA],
    ['Adapter_my_own_gemm', { op: 'Gemm', bias: true }, { ...LORA, method: 'my own' }],
  ] as [string, Parameters<typeof layerModel>[0], AdapterSpec][])('function %s', (name, form, spec) => {
    const model = layerModel(form);
    insertAdapters(model, planned(model, { spec }));
    expect(toFunctions(model)).toBe(1);
    expect([...model.functions.keys()]).toEqual([`lotrc::${name}`]);
    expect(requirePlan(model, 'test').plans[0]!.lowering).toBe('function');
  });

  test('methods of one name and different factors get functions of their own', () => {
    const model = attention();
    const chain = (delta: string, count: number): AdapterSpec => ({
      ...LORA,
      delta,
      factors: Array.from({ length: count }, (_, k) => ({ ...LORA.factors[0]!, name: `F${k}` })),
    });
    const one = attention();
    const half = (m: Model, spec: AdapterSpec, target: string) => {
      const factors = planned(m, { spec, targets: [target] });
      return { factors, plan: requirePlan(m, 'test') };
    };
    const a = half(model, chain('ia,ab,bc,co->io', 4), '^q$');
    const b = half(one, LORA, '^k$');
    model.setMetadata(
      'lotrc.adapters',
      JSON.stringify({ version: 1, plans: [...a.plan.plans, ...b.plan.plans] }),
    );
    insertAdapters(model, new Map([...a.factors, ...b.factors]));
    toFunctions(model);
    expect([...model.functions.keys()]).toEqual([
      'lotrc::Adapter_lora_nobias',
      'lotrc::Adapter_lora_nobias_2',
    ]);
  });
});

describe('refusals', () => {
  test('an einsum that only Einsum can write, where the operator set lacks it', () => {
    const model = layerModel({ opset: 11 });
    insertAdapters(model, planned(model));
    const node = [...model.graph.nodes][0]!;
    node.setAttr('delta', attrString('irk,kr,ro->io'));
    expect(() => lowerAdapters(model, 'fold')).toThrow(/LOTR3205/);
  });

  test.each([
    ['f32', 11],
    ['f16', 14],
  ] as const)('functions for %s in operator set %i', (dtype, opset) => {
    const model = layerModel({ dtype, opset });
    insertAdapters(model, planned(model));
    expect(() => toFunctions(model)).toThrow(/LOTR3209/);
  });
});

test('a plan lists each factor tensor once, group factors first', () => {
  const model = attention();
  planned(model);
  const [row] = requirePlan(model, 'test').plans;
  expect(planFactors([row!]).map(({ name }) => name)).toEqual([
    'lotr/6x6/R',
    'lotr/6x6/L',
    'lotr/q/M',
    'lotr/k/M',
    'lotr/v/M',
    'lotr/o/M',
  ]);
});
