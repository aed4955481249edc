import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type AdapterSpec, effectiveScale } from '../../src/adapter/description.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import type { PlanRow, SiteRow } from '../../src/adapter/saved-plan.js';
import { convertAdapter } from '../../src/interop/convert.js';
import { readPeft } from '../../src/interop/peft-read.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, i64Tensor, MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../src/ir/values.js';
import { codeOf } from '../support/code-of.js';
import { normalTensor } from '../support/normal.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-peft-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folder = '';
let serial = 0;
beforeEach(() => {
  folder = join(root, String(serial++));
  mkdirSync(folder);
});

/** Two layers of 5 x 4 at rank 3 and one of 6 x 4 at rank 2. */
function planOf(spec: AdapterSpec): PlanRow {
  const groups = [
    { id: '5x4', in: 5, out: 4, rank: 3 },
    { id: '6x4', in: 6, out: 4, rank: 2 },
  ].map((group) => ({ ...group, factors: names(spec, group.id, 'group') }));
  const site = (id: string, group: string, aliases: string[] = []): SiteRow => ({
    id,
    modulePath: id,
    nameFrom: 'weight',
    aliases,
    group,
    factors: names(spec, id, 'site'),
    uses: [{ node: id, output: id, op: 'MatMul', weight: id, digest: '', layout: 'io', transposed: false }],
  });
  const sites = [site('enc.0.q', '5x4'), site('enc.0.v', '5x4', ['enc.1.v']), site('out', '6x4')];
  return { spec, share: 'shape', carry: 'embedded', lowering: 'fold', seed: 0, groups, sites };
}

function names(spec: AdapterSpec, scope: string, share: 'site' | 'group'): Record<string, string> {
  const own = spec.factors.filter((factor) => factor.share === share);
  return Object.fromEntries(own.map(({ name }) => [name, `${scope}/${name}`]));
}

/** Non-zero values for every factor of a plan. */
function valuesOf(plan: PlanRow): Map<string, TensorData> {
  const found = new Map<string, TensorData>();
  for (const site of plan.sites) {
    const group = plan.groups.find(({ id }) => id === site.group)!;
    const letters = plan.spec.delta.split('->')[0]!.split(',');
    for (const [k, { name, share }] of plan.spec.factors.entries()) {
      const tensor = (share === 'group' ? group : site).factors[name]!;
      const shape = [...letters[k]!].map((c) => (c === 'i' ? group.in : c === 'o' ? group.out : group.rank));
      found.set(tensor, normalTensor('f32', shape, 1, 3, tensor));
    }
  }
  return found;
}

function times(a: TensorData, b: TensorData): TensorData {
  const [m, k, n] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
  const [x, y] = [toF64(a), toF64(b)];
  const out = Array.from({ length: m * n }, (_, at) => {
    let sum = 0;
    for (let p = 0; p < k; p++) sum += x[Math.floor(at / n) * k + p]! * y[p * n + (at % n)]!;
    return sum;
  });
  return f32Tensor([m, n], out);
}

/** Writes an adapter of a plan as PEFT has it. */
function write(plan: PlanRow, values = valuesOf(plan), moduleMap?: ReadonlyMap<string, string>): void {
  const saved = JSON.stringify({ version: 1, plans: [plan] });
  const adapter = { tensors: values, metadata: { 'lotrc.adapters': saved } };
  writeAtomically(convertAdapter({ kind: 'own', adapter }, 'a', 'peft', folder, { moduleMap }).outputs);
}

const config = () =>
  JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;

describe.each<[string, AdapterSpec]>([
  ['lotr', { ...LOTR, scale: 2.5 }],
  ['lora', { ...LORA, scale: 0.3 }],
  ['lotr, sqrt-rank', { ...LOTR, scale: 4, scaling: 'sqrt-rank' }],
  ['lotr, no scaling', { ...LOTR, scale: 0.75, scaling: 'none' }],
])('export of %s, read back', (_, spec) => {
  const plan = planOf(spec);
  const values = valuesOf(plan);

  test('A is the first factor, B the product of the rest, at the same rank and scale', () => {
    write(plan);
    const layers = new Map(readPeft(folder).layers.map((layer) => [layer.module, layer]));
    expect([...layers.keys()]).toEqual(['enc.0.q', 'enc.0.v', 'enc.1.v', 'out']);
    for (const site of plan.sites) {
      const group = plan.groups.find(({ id }) => id === site.group)!;
      const data = spec.factors.map(
        ({ name, share }) => values.get((share === 'group' ? group : site).factors[name]!)!,
      );
      const layer = layers.get(site.id)!;
      expect([layer.in, layer.out, layer.rank]).toEqual([group.in, group.out, group.rank]);
      expect([...toF64(layer.factors[0]!)]).toEqual([...toF64(data[0]!)]);
      expect([...toF64(layer.factors[1]!)]).toEqual([...toF64(data.slice(1).reduce(times))]);
      expect(effectiveScale(layer.spec, layer.rank)).toBeCloseTo(effectiveScale(spec, group.rank), 12);
    }
  });
});

describe('the configuration', () => {
  test('ranks that differ from the usual one are in rank_pattern', () => {
    write(planOf({ ...LOTR, scale: 2 }));
    expect(config()).toMatchObject({
      peft_type: 'LORA',
      r: 3,
      lora_alpha: 2,
      rank_pattern: { out: 2 },
      alpha_pattern: {},
      use_rslora: false,
      target_modules: ['enc.0.q', 'enc.0.v', 'enc.1.v', 'out'],
    });
  });

  test('a module map gives paths that the plan does not know', () => {
    const plan = planOf(LOTR);
    const lost = { ...plan, sites: plan.sites.map((site) => ({ ...site, modulePath: null })) };
    expect(codeOf(() => write(lost))).toBe('LOTR7201');
    const moduleMap = new Map(plan.sites.map(({ id }) => [id, `model.${id}`]));
    write(lost, valuesOf(lost), moduleMap);
    expect(readPeft(folder).layers.map(({ module }) => module)).toEqual([
      'model.enc.0.q',
      'model.enc.0.v',
      'model.out',
    ]);
  });
});

describe('what cannot be exported', () => {
  test('adapters of changed bases, equal paths, and methods that are not a chain without a tolerance', () => {
    const plan = planOf(LOTR);
    expect(codeOf(() => write({ ...plan, residual: true }))).toBe('LOTR7204');
    const same = plan.sites.map((site, k) => ({ ...site, id: `${k}`, modulePath: 'same', aliases: [] }));
    expect(() => write({ ...plan, sites: same })).toThrow('two layers');
    expect(codeOf(() => write({ ...plan, sites: [] }))).toBe('LOTR7201');
    const hadamard = { ...LORA, delta: 'ir,ro,is,so->io', factors: ['a', 'b', 'c', 'd'].map(of) };
    expect(codeOf(() => write(planOf(hadamard)))).toBe('LOTR7205');
  });
});

const of = (name: string) => ({ ...LORA.factors[0]!, name });

describe('reading what others wrote', () => {
  const a = f32Tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = f32Tensor([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const plain = { peft_type: 'LORA', r: 2, lora_alpha: 8, target_modules: ['q'] };
  const key = (module: string, side: string) => `base_model.model.${module}.lora_${side}.weight`;

  function files(
    settings: object | string,
    tensors: readonly (readonly [string, TensorData])[] | null,
  ): void {
    const text = typeof settings === 'string' ? settings : JSON.stringify(settings);
    writeFileSync(join(folder, 'adapter_config.json'), text);
    if (tensors) writeSafetensors(join(folder, 'adapter_model.safetensors'), new Map(tensors));
  }
  const good = [
    [key('enc.q', 'A'), a],
    [key('enc.q', 'B'), b],
  ] as const;

  test('orientation and scale', () => {
    files(plain, good);
    const [layer] = readPeft(folder).layers;
    expect(layer).toMatchObject({ module: 'enc.q', in: 3, out: 4, rank: 2, spec: { scale: 8 } });
    expect([...toF64(layer!.factors[0]!)]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...toF64(layer!.factors[1]!)]).toEqual([1, 3, 5, 7, 2, 4, 6, 8]);
  });

  test('rsLoRA, alpha_pattern by suffix and by regular expression, a named adapter', () => {
    const named = (module: string) =>
      (['A', 'B'] as const).map(
        (s) => [`base_model.model.${module}.lora_${s}.default.weight`, s === 'A' ? a : b] as const,
      );
    const settings = {
      ...plain,
      target_modules: ['q', 'v'],
      use_rslora: true,
      alpha_pattern: { q: 2, 'layers\\.(0|1)\\.v': 6 },
    };
    files(settings, [...named('enc.q'), ...named('layers.1.v'), ...named('layers.2.v')]);
    const { layers } = readPeft(folder);
    expect(layers.map(({ spec }) => [spec.scale, spec.scaling])).toEqual([
      [2, 'sqrt-rank'],
      [6, 'sqrt-rank'],
      [8, 'sqrt-rank'],
    ]);
  });

  test.each<[string, object]>([
    ['another kind', { ...plain, peft_type: 'VERA' }],
    ['lora_bias', { ...plain, lora_bias: true }],
    ['replicated layers', { ...plain, layer_replication: [[0, 4]] }],
    ['PiSSA', { ...plain, init_lora_weights: 'pissa_niter_4' }],
    ['LoRA-GA', { ...plain, init_lora_weights: 'lora_ga' }],
    ['activated LoRA', { ...plain, alora_invocation_tokens: [3] }],
    ['a variant of PEFT', { ...plain, use_bdlora: { nblocks: 2 } }],
    ['no kind', {}],
  ])('%s is refused by name', (_, settings) => {
    files(settings, good);
    expect(codeOf(() => readPeft(folder))).toBe('LOTR7203');
  });

  test('empty lists and other initialisations are accepted', () => {
    files(
      {
        ...plain,
        modules_to_save: [],
        layer_replication: null,
        use_bdlora: null,
        init_lora_weights: 'gaussian',
        bias: 'none',
      },
      good,
    );
    expect(readPeft(folder).layers).toHaveLength(1);
  });

  test.each<[string, object | string, readonly (readonly [string, TensorData])[], string]>([
    ['a configuration that is not JSON', '{', good, 'LOTR7202'],
    ['a configuration that is a list', '[]', good, 'LOTR7202'],
    ['no lora_alpha', { peft_type: 'LORA' }, good, 'LOTR7202'],
    ['another rank', { ...plain, r: 3 }, good, 'LOTR7202'],
    ['a bad pattern', { ...plain, alpha_pattern: { '(': 1 } }, good, 'LOTR7202'],
    ['a bad alpha', { ...plain, alpha_pattern: { q: '1' } }, good, 'LOTR7202'],
    ['no layers', plain, [], 'LOTR7202'],
    ['A without B', plain, good.slice(0, 1), 'LOTR7202'],
    ['shapes that do not fit', plain, [good[0], [key('enc.q', 'B'), a]], 'LOTR7202'],
    ['integers', plain, [good[0], [key('enc.q', 'B'), i64Tensor([1, 2], [1, 2])]], 'LOTR7202'],
    ['a key without a module', plain, [...good, ['classifier', a]], 'LOTR7202'],
    ['a matrix of one axis', plain, [good[0], [key('enc.q', 'B'), f32Tensor([2], [1, 2])]], 'LOTR7202'],
    ['embeddings', plain, [...good, ['base_model.model.wte.lora_embedding_A', a]], 'LOTR7203'],
    ['magnitudes', plain, [...good, ['base_model.model.enc.q.lora_magnitude_vector', a]], 'LOTR7203'],
    ['DoRA without magnitudes', { ...plain, use_dora: true }, good, 'LOTR7202'],
    ['parts of another kind', plain, [...good, ['base_model.model.enc.q.hada_w1_a', a]], 'LOTR7203'],
    ['two matrices A', plain, [...good, ['base_model.model.enc.q.lora_A.x.weight', a]], 'LOTR7202'],
  ])('%s', (_, settings, tensors, expected) => {
    files(settings, tensors);
    expect(codeOf(() => readPeft(folder))).toBe(expected);
  });

  const ones = (...shape: readonly number[]) =>
    f32Tensor(shape, new Float32Array(shape.reduce((x, y) => x * y)).fill(1));
  const randlora = { peft_type: 'RANDLORA', r: 2, randlora_alpha: 8, target_modules: ['q'] };
  const bases = [
    ['base_model.randlora_A', ones(2, 1, 5)],
    ['base_model.randlora_B', new MemoryTensor('f16', [7, 3, 2], encodeFloats('f16', Array(42).fill(1)))],
  ] as const;
  const scales = [
    ['base_model.model.enc.q.randlora_lambda', ones(2, 2)],
    ['base_model.model.enc.q.randlora_gamma', ones(2, 3)],
  ] as const;
  const fourier = { peft_type: 'FOURIERFT', n_frequency: 3, scaling: 8, random_loc_seed: 7 };
  const spectrum = ['base_model.model.enc.q.fourierft_spectrum', ones(3)] as const;

  test.each<[string, object, readonly (readonly [string, TensorData])[], string]>([
    ['bases that are not stored', randlora, scales, 'LOTR7203'],
    ['bases of another rank', { ...randlora, r: 3 }, [...bases, ...scales], 'LOTR7202'],
    ['gains of too many matrices', randlora, [...bases, scales[0], [scales[1][0], ones(3, 3)]], 'LOTR7202'],
    [
      'bases of a layer that are others',
      randlora,
      [...bases, ...scales, ['base_model.model.enc.q.randlora_A', ones(2, 1, 4)]],
      'LOTR7202',
    ],
    ['frequencies in another number', { ...fourier, n_frequency_pattern: { q: 4 } }, [spectrum], 'LOTR7202'],
    ['no seed of frequencies', { ...fourier, random_loc_seed: null }, [spectrum], 'LOTR7202'],
  ])('%s', (_, settings, tensors, expected) => {
    files(settings, tensors);
    expect(codeOf(() => readPeft(folder))).toBe(expected);
  });

  test('layers in which neither bases nor frequencies have room', () => {
    files(randlora, [...bases, ...scales]);
    const [layer] = readPeft(folder).layers;
    const fits = { in: 7, out: 3 };
    const made = layer!.inPlace!(fits);
    if (typeof made === 'string') throw new Error(made);
    expect(made.spec).toMatchObject({ scale: 8, delta: 'ijr,rj,jo,ro->io' });
    // PEFT stores bases in the type of its model
    expect([...toF64(made.factors[0]!)]).toEqual(Array.from({ length: 7 * 2 * 2 }, () => 1));
    for (const other of [
      { in: 8, out: 3 },
      { in: 4, out: 7 },
    ])
      expect(layer!.inPlace!(other)).toBe('its bases are for 3 x 3 to 3 x 7');
    files(fourier, [spectrum]);
    expect(readPeft(folder).layers[0]!.inPlace!({ in: 1, out: 2 })).toMatch('3 frequencies, and there are 2');
    expect(readPeft(folder).layers[0]!.inPlace!({ in: 2 ** 14, out: 2 ** 14 })).toMatch('otherwise');
  });

  test('missing files, and weights as a pickle', () => {
    expect(codeOf(() => readPeft(folder))).toBe('LOTR1002');
    files(plain, null);
    expect(codeOf(() => readPeft(folder))).toBe('LOTR1002');
    writeFileSync(join(folder, 'adapter_model.bin'), 'x');
    expect(codeOf(() => readPeft(folder))).toBe('LOTR7202');
  });
});
