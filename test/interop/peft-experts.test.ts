import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LORA } from '../../src/adapter/methods/lora.js';
import { bindAdapter } from '../../src/interop/bind.js';
import { convertAdapter } from '../../src/interop/convert.js';
import type { ForeignAdapter, ForeignStack } from '../../src/interop/foreign.js';
import { asForeign } from '../../src/interop/from-plan.js';
import { joinExperts } from '../../src/interop/join-experts.js';
import { readPeft } from '../../src/interop/peft-read.js';
import { peftAdapter } from '../../src/interop/peft-write.js';
import { type LoraLayer, toLora } from '../../src/interop/to-lora.js';
import { type Attr, attrInts } from '../../src/ir/attr.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { Graph, Model, type Value } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import type { Adapter } from '../../src/passes/adapters/adapter-file.js';
import { codeOf } from '../support/code-of.js';
import { normalTensor } from '../support/normal.js';
import { baseOf, PEFT } from '../support/peft.js';

// LoRA of the stacked matrices of experts: apply-peft.test.ts compares what a model computes with it

const root = mkdtempSync(join(tmpdir(), 'lotrc-experts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const CASE = 'mixtral.experts';
const OUTER = 'base_model.model.model.layers.0.mlp.experts';
let serial = 0;

/** The adapter of the case with other settings and tensors. */
function changed(
  settings: Readonly<Record<string, unknown>>,
  change: (tensors: Map<string, TensorData>) => void = () => undefined,
): ForeignAdapter {
  const folder = join(root, String(serial++));
  mkdirSync(folder);
  const config = JSON.parse(readFileSync(join(PEFT, CASE, 'adapter_config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, ...settings }));
  const tensors = new Map(readSafetensors(join(PEFT, CASE, 'adapter_model.safetensors')).tensors);
  change(tensors);
  writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors);
  return readPeft(folder);
}

const model = () => readModel(baseOf(CASE));
const bound = (foreign: ForeignAdapter) => bindAdapter(model(), foreign);
const ones = (rows: number, columns: number) =>
  f32Tensor([rows, columns], new Float32Array(rows * columns).fill(1));

test('each expert of each parameter is a layer with the rank and the scale of its parameter', () => {
  const { matched, adapter } = bound(changed({}));
  expect(matched.map(({ path }) => path.replace('model.layers.0.', ''))).toEqual([
    'self_attn.q_proj',
    ...[0, 1, 2].map((k) => `mlp.experts.gate_up_proj.${k}`),
    ...[0, 1, 2].map((k) => `mlp.experts.down_proj.${k}`),
  ]);
  const shapes = [...adapter.tensors].map(([name, { shape }]) => [name.split('/').at(-2), ...shape].join());
  expect(shapes).toContain('model.layers.0.mlp.experts.down_proj.2,12,1');
  expect(shapes).toContain('model.layers.0.mlp.experts.gate_up_proj.0,2,24');
});

test.each<[string, Parameters<typeof changed>, string]>([
  [
    'no parameter of the configuration',
    [{ target_parameters: ['experts.up_proj', 'experts.down_proj'] }],
    'no place for parameter "model.layers.0.mlp.experts.up_proj" of the adapter: the model has no stacked matrices',
  ],
  [
    'a rank that is not that of the matrices',
    [{ rank_pattern: {} }],
    'matrices of [6,16] and [24,6], [3,12] and [16,3] do not fit "m.model.layers.0.mlp.experts.down_proj" (3 of 16x12, rank 2)',
  ],
])('%s is said by name', (_, given, wanted) => {
  const foreign = changed(...given);
  expect(codeOf(() => bound(foreign))).toBe('LOTR7301');
  expect(() => bound(foreign)).toThrow(wanted);
});

test('a file whose matrices do not fit together, and a model without experts', () => {
  const odd = () => changed({}, (tensors) => tensors.set(`${OUTER}.lora_B.weight`, ones(16, 4)));
  expect(codeOf(odd)).toBe('LOTR7202');
  const half = () => changed({}, (tensors) => tensors.delete(`${OUTER}.base_layer.lora_B.weight`));
  expect(codeOf(half)).toBe('LOTR7202');
  expect(() => bindAdapter(readModel(baseOf('llama')), changed({}))).toThrow('experts.down_proj" of');
});

test('PEFT before 0.19 has A on the other side: the same layers', () => {
  const turned = (tensors: Map<string, TensorData>): void => {
    for (const [module, rank] of [
      [OUTER, 1],
      [`${OUTER}.base_layer`, 2],
    ] as const) {
      const [a, b] = [`${module}.lora_A.weight`, `${module}.lora_B.weight`];
      const [from, to] = [tensors.get(a)!, tensors.get(b)!];
      const [x, y, row] = [from.shape[1]!, to.shape[0]!, 3 * rank];
      const [va, vb] = [toF64(from), toF64(to)];
      // (experts, rank) of the rows of A is (rank, experts) of the columns of B
      const place = (n: number) => (n % 3) * rank + Math.floor(n / 3);
      const newA = new Float32Array(row * y);
      const newB = new Float32Array(x * row);
      for (let n = 0; n < row; n++) {
        for (let k = 0; k < y; k++) newA[place(n) * y + k] = vb[k * row + n]!;
        for (let k = 0; k < x; k++) newB[k * row + n] = va[place(n) * x + k]!;
      }
      tensors.set(a, f32Tensor([row, y], newA));
      tensors.set(b, f32Tensor([x, row], newB));
    }
  };
  const [now, before] = [bound(changed({})).adapter, bound(changed({}, turned)).adapter];
  expect([...before.tensors].map(([name, data]) => [name, data.digest()])).toEqual(
    [...now.tensors].map(([name, data]) => [name, data.digest()]),
  );
});

/** Two stacks of one module that a product reads after a transposition: matrices of (out, in). */
function twoStacks(out: number, inn: number): Model {
  const graph = new Graph('main');
  const made = new Model(graph);
  made.setOpset('', 17);
  made.setIrVersion(8);
  for (const name of ['one', 'two']) {
    const w = graph.addInitializer(`mlp.experts.${name}`, normalTensor('f32', [2, out, inn], 1, 3, name));
    const x = graph.addInput(`x.${name}`, tensorType('f32', [2, 1, inn]));
    const node = (op: string, inputs: Value[], attrs: [string, Attr][] = []) =>
      graph.append({ op, inputs, outputs: [`${name}.${op}`], attrs }).outputs[0]!;
    graph.addOutput(node('MatMul', [x, node('Transpose', [w], [['perm', attrInts([0, 2, 1])]])]));
  }
  return made;
}

test('what shapes do not tell apart is refused: two parameters of one shape, and the side of A in square matrices', () => {
  const of = (names: readonly string[], squares: ForeignStack['squares'], out = 4): ForeignAdapter => ({
    file: 'f',
    names: 'dotted',
    layers: [],
    stacks: [
      {
        module: 'mlp.experts',
        parameters: names.map((name) => ({ name, rank: 3, spec: LORA })),
        pairs: [{ a: ones(6, 4), b: ones(out, 6) }],
        squares,
      },
    ],
    weights: [],
    leftOut: [],
  });
  expect(() => bindAdapter(twoStacks(5, 4), of(['one', 'two'], 'unknown', 5))).toThrow('does not say which');
  expect(() => bindAdapter(twoStacks(4, 4), of(['two'], 'unknown'))).toThrow('which side lora_A is on');
  const { matched } = bindAdapter(twoStacks(4, 4), of(['two'], 'in of (out, in)'));
  expect(matched.map(({ path }) => path)).toEqual(['mlp.experts.two.0', 'mlp.experts.two.1']);
});

test('a file of lotrc of it is for the experts, and needs the model', () => {
  const foreign = changed({});
  const opened = { kind: 'foreign', foreign } as const;
  const made = convertAdapter(opened, CASE, 'safetensors', join(root, 'a.safetensors'), { model: model() });
  expect(made.layers).toBe(7);
  expect(codeOf(() => convertAdapter(opened, CASE, 'peft', join(root, 'b')))).toBe('LOTR7204');
});

const layersOf = (adapter: Adapter, of: Model | null = null) =>
  asForeign(adapter, CASE, { model: of }).layers.map((layer) => toLora(layer, null));
const digests = (tensors: ReadonlyMap<string, TensorData>) =>
  Object.fromEntries([...tensors].map(([name, data]) => [name, data.digest()]).sort());

test('PEFT to lotrc to PEFT gives the tensors of PEFT to the last bit', () => {
  const given = readSafetensors(join(PEFT, CASE, 'adapter_model.safetensors')).tensors;
  const { adapter } = bound(changed({}));
  const { config, tensors } = peftAdapter(layersOf(adapter, model()), []);
  expect(digests(tensors)).toEqual(digests(given));
  expect(config).toMatchObject({
    target_parameters: ['gate_up_proj', 'down_proj'].map((name) => `model.layers.0.mlp.experts.${name}`),
    target_modules: ['model.layers.0.self_attn.q_proj'],
    r: 2,
    lora_alpha: 3,
  });
  // scales that differ are plans of their own, whose order is not that of the parameters
  expect(codeOf(() => peftAdapter(layersOf(adapter), []))).toBe('LOTR7204');
});

/** The adapter whose folder PEFT has loaded: LoTR, whose experts share R and L. */
const LOTR_FILE = join(PEFT, 'mixtral.lotr.adapter.safetensors');

test('LoTR of experts becomes the folder that PEFT has loaded', () => {
  const folder = join(root, 'lotr');
  const opened = { kind: 'own', adapter: readSafetensors(LOTR_FILE) } as const;
  const { outputs } = convertAdapter(opened, LOTR_FILE, 'peft', folder);
  writeAtomically(outputs);
  for (const name of ['adapter_config.json', 'adapter_model.safetensors'])
    expect(readFileSync(join(folder, name)), name).toEqual(readFileSync(join(PEFT, 'mixtral.lotr', name)));
});

test('experts of smaller ranks are filled up with zeros, and what PEFT cannot say is refused by name', () => {
  const all = layersOf(bound(changed({})).adapter, model());
  const of = (name: string) => all.filter(({ module }) => module.includes(name));
  const [first, ...others] = of('down_proj') as [LoraLayer, ...LoraLayer[]];
  const zeros = (rows: number, columns: number) =>
    f32Tensor([rows, columns], new Float32Array(rows * columns));
  const wide = { ...first, rank: 2, alpha: 6, a: ones(2, 12), b: ones(16, 2) };
  const [joined] = joinExperts([wide, ...others]);
  expect([joined!.rank, joined!.alpha]).toEqual([2, 6]);
  expect(toF64(joined!.a).subarray(36, 48)).toEqual(toF64(zeros(1, 12)));
  expect(toF64(joined!.b).filter((_, k) => k % 6 === 4)).toEqual(toF64(zeros(1, 16)));
  for (const [layers, wanted] of [
    [others, 'expert 0 of "model.layers.0.mlp.experts.down_proj" has no adapter'],
    [[{ ...first, alpha: 7 }, ...others], 'different scales (7 and 3)'],
    [
      others.map((one, k) => ({ ...one, a: ones(1, 12), b: ones(12, 1), expert: expert(k, 'io', 'one') })),
      'are 12x12 and lie as (in, out)',
    ],
    [
      ['one', 'two'].flatMap((name) => others.map((one, k) => ({ ...one, expert: expert(k, 'oi', name) }))),
      '"mlp.one" and "mlp.two" have matrices of the same shapes',
    ],
  ] as const) {
    expect(codeOf(() => joinExperts(layers))).toBe('LOTR7201');
    expect(() => joinExperts(layers)).toThrow(wanted);
  }
  const weight = { module: 'model.layers.0.mlp.experts', parameter: 'bias', data: ones(1, 2) };
  expect(() => peftAdapter(all, [weight])).toThrow('experts.bias" was trained in full');
});

const expert = (number: number, lies: 'io' | 'oi', name: string) => ({
  ...{ number, lies },
  parameter: `mlp.${name}`,
  of: 2,
  place: 0,
});
