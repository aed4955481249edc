import { describe, expect, test } from 'vitest';
import { gridOf } from '../../../src/backends/kernel/gen/kernels.js';
import { type Memory, runLaunch } from '../../../src/backends/kernel/model/by-definition.js';
import type { AdaptedLayer } from '../../../src/backends/kernel/model/layers.js';
import type { KernelPlan, MatrixRef } from '../../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../../src/backends/kernel/plan/choose.js';
import { buffersOf } from '../../../src/backends/kernel/plan/launches.js';
import { total } from '../../../src/backends/kernel/plan/price.js';
import { contractionOf, type Sketch } from '../../support/contraction.js';
import { profile } from '../../support/devices.js';
import { KERNEL_METHODS } from '../../support/kernel-methods.js';
import { poisoned } from '../../support/run-plan.js';

const laptop = profile('webgpu-laptop', 'webgpu');
const h100 = profile('h100', 'cuda');

type Matrix = { readonly rows: number; readonly cols: number; readonly data: Float64Array };

let state = 99;
function random(rows: number, cols: number): Matrix {
  const data = Float64Array.from({ length: rows * cols }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state + 0.5) / 2 ** 31 - 1;
  });
  return { rows, cols, data };
}

function product(a: Matrix, b: Matrix): Matrix {
  const data = new Float64Array(a.rows * b.cols);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.cols; k++) {
      for (let j = 0; j < b.cols; j++)
        data[i * b.cols + j]! += a.data[i * a.cols + k]! * b.data[k * b.cols + j]!;
    }
  }
  return { rows: a.rows, cols: b.cols, data };
}

/** Random tensors of the model for a sketch, by name, each as its mathematics has it: W is (in, out). */
function tensorsOf(plan: KernelPlan): Map<string, Matrix> {
  const tensors = new Map<string, Matrix>();
  for (const { region } of plan.regions) {
    for (const layer of region.layers) {
      const shapes: [string, number, number][] = [
        [layer.x, plan.tokens, layer.in],
        [`dy.${layer.id}`, plan.tokens, layer.out],
        [layer.weight, layer.in, layer.out],
        ...layer.factors.map((name, k): [string, number, number] => [
          name,
          k === 0 ? layer.in : layer.rank,
          k === layer.factors.length - 1 ? layer.out : layer.rank,
        ]),
      ];
      if (layer.bias) shapes.push([layer.bias, 1, layer.out]);
      for (const [name, rows, cols] of shapes) tensors.set(name, tensors.get(name) ?? random(rows, cols));
    }
  }
  return tensors;
}

function direct(layer: AdaptedLayer, scale: number, tensors: ReadonlyMap<string, Matrix>): Float64Array {
  const t = (name: string) => tensors.get(name)!;
  const y = product(t(layer.x), t(layer.weight)).data;
  const delta = product(t(layer.x), layer.factors.map(t).reduce(product)).data;
  const bias = layer.bias ? t(layer.bias).data : null;
  return y.map((value, i) => value + scale * delta[i]! + (bias?.[i % layer.out] ?? 0));
}

/** sum(dy * y) over the layers that read a tensor: the others do not change with it. */
function loss(plan: KernelPlan, tensors: ReadonlyMap<string, Matrix>, name: string): number {
  let sum = 0;
  for (const layer of plan.regions.flatMap(({ region }) => region.layers)) {
    if (layer.x !== name && !layer.factors.includes(name)) continue;
    const dy = tensors.get(`dy.${layer.id}`)!.data;
    direct(layer, plan.groups[0]!.scale, tensors).forEach((y, i) => {
      sum += y * dy[i]!;
    });
  }
  return sum;
}

function densePart(data: Float64Array, { offset, rows, cols, rowStride }: MatrixRef): Float64Array {
  const width = Number(cols);
  return Float64Array.from(
    { length: Number(rows) * width },
    (_, i) => data[offset + Math.floor(i / width) * Number(rowStride) + (i % width)]!,
  );
}

/** Fills the buffers that a host fills. */
function upload(plan: KernelPlan, tensors: ReadonlyMap<string, Matrix>): Memory {
  const memory = poisoned(plan);
  const layers = plan.regions.flatMap(({ region }) => region.layers);
  const set = (name: string, data: Float64Array) => memory.get(name)?.set(data);
  for (const { region } of plan.regions) set(`x_${region.input}`, tensors.get(region.x)!.data);
  for (const [index, { id }] of layers.entries()) set(`dy_${index}`, tensors.get(`dy.${id}`)!.data);
  const place = (name: string, { rows, cols, data }: Matrix, row = 0, col = 0) => {
    const stride = Number(plan.buffers.find((buffer) => buffer.name === name)!.shape[1]);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) memory.get(name)![(row + i) * stride + col + j] = data[i * cols + j]!;
    }
  };
  for (const { name, border, shape } of plan.buffers) {
    const wide = /^(x|dy)b_(\d+)$/.exec(name);
    if (!wide || border === undefined) continue;
    const index = Number(wide[2]);
    const { region } =
      wide[1] === 'x'
        ? plan.regions[index]!
        : plan.regions.find((one) => one.region.layers.includes(layers[index]!))!;
    place(name, tensors.get(wide[1] === 'x' ? region.x : `dy.${layers[index]!.id}`)!);
    // launches write P and dP, nobody what is left of the border
    const left = border - region.downs.length * region.rank;
    place(
      name,
      { rows: plan.tokens, cols: left, data: new Float64Array(plan.tokens * left) },
      0,
      Number(shape[1]) - left,
    );
  }
  for (const buffer of plan.buffers) {
    const { name, from, shape } = buffer;
    if (!from) continue;
    const parts = from.map((tensor) => tensors.get(tensor)!);
    if (buffer.sideBySide) {
      for (const [i, part] of parts.entries()) place(name, part, 0, i * part.cols);
      continue;
    }
    const flip = name.startsWith('W') && shape[0] !== parts[0]!.rows;
    const data = parts.flatMap(({ rows, cols, data: values }) =>
      flip ? Array.from(values, (_, i) => values[(i % rows) * cols + Math.floor(i / rows)]!) : [...values],
    );
    memory.get(name)!.set(data);
  }
  for (const { name, copyOf } of plan.buffers) {
    if (copyOf !== undefined) memory.get(name)!.set(memory.get(copyOf)!);
  }
  for (const { name, blocks } of plan.buffers) {
    if (blocks) memory.get(name)!.fill(0);
    for (const block of blocks ?? []) {
      const { row, col, rows, cols } = block;
      // what a tensor is stored as is undone here: tensors are (in, out)
      const filling =
        'tensor' in block
          ? tensors.get(block.tensor)!
          : { rows, cols, data: densePart(memory.get(block.copyOf.buffer)!, block.copyOf) };
      expect([filling.rows, filling.cols]).toEqual([rows, cols]);
      place(name, filling, row, col);
    }
  }
  return memory;
}

const SKETCH: Sketch = {
  factors: 3,
  in: 17,
  out: 11,
  rank: 5,
  inputs: [['q', 'k', 'v'], ['o'], ['q#2', 'g']],
};
const METHODS = {
  lotr: { factors: 3 },
  'shared A': { factors: 2 },
  // A of q is trained by two regions, so q is apart; k and v have theirs side by side
  lora: { factors: 2, ownA: true, inputs: [['q', 'k', 'v'], ['o'], ['q#2', 'g', 'h']] },
} as const;
const STRATEGIES: readonly (readonly [StrategyKey, keyof typeof METHODS, 'io' | 'oi', number])[] = [
  ['bordered', 'lotr', 'io', 13],
  ['bordered', 'shared A', 'oi', 300],
  ['bordered', 'lora', 'io', 13],
  ['split', 'lotr', 'io', 13],
  ['split', 'lotr', 'oi', 300],
  ['split', 'shared A', 'oi', 13],
  ['split', 'lora', 'io', 13],
  ['split', 'lora', 'oi', 300],
  ['merged', 'lotr', 'io', 13],
  ['merged', 'lotr', 'oi', 300],
  ['merged', 'shared A', 'oi', 13],
  ['merged', 'lora', 'oi', 13],
];

describe.each(STRATEGIES)('training, %s, %s, W stored %s, %i tokens', (strategy, method, stored, tokens) => {
  const contraction = contractionOf({ ...SKETCH, ...METHODS[method], stored });
  const device = strategy === 'bordered' ? h100 : laptop;
  const plan = choose(contraction, { device, tokens, purpose: 'train', strategy });
  const tensors = tensorsOf(plan);
  const memory = upload(plan, tensors);
  const launches = [
    ...plan.prologue,
    ...plan.regions.flatMap(({ forward }) => forward),
    ...plan.regions.flatMap(({ backward }) => backward),
    ...plan.epilogue,
  ];
  for (const launch of launches) runLaunch(launch, memory, { M: tokens });
  const layers = plan.regions.flatMap(({ region }) => region.layers);

  test('names launches once and binds what the device allows', () => {
    expect(new Set(launches.map(({ name }) => name)).size).toBe(launches.length);
    for (const launch of launches) {
      expect(launch.name).toMatch(/^[a-z][A-Za-z0-9_]*$/);
      expect(buffersOf(launch).length, launch.name).toBeLessThanOrEqual(device.storageBuffers);
    }
  });

  test('forward is the definition', () => {
    for (const [index, layer] of layers.entries()) {
      const expected = direct(layer, contraction.groups[0]!.scale, tensors);
      const got = memory.get(`${strategy === 'bordered' ? 'yb' : 'y'}_${index}`)!;
      const errors = [...got].map((y, i) => Math.abs(y - expected[i]!));
      expect(Math.max(...errors), `y of ${layer.id}`).toBeLessThan(1e-12);
    }
  });

  test('gradients are those of finite differences', () => {
    const wanted: [string, Float64Array][] = plan.regions.map(({ region }) => [
      region.x,
      memory.get(`dx_${region.input}`)!,
    ]);
    for (const { name: gradient, gradientOf } of plan.buffers) {
      if (gradientOf === undefined) continue;
      const all = memory.get(gradient)!;
      const { from, sideBySide, shape } = plan.buffers.find(({ name }) => name === gradientOf)!;
      if (!from) throw new Error(`${gradientOf} comes from nowhere`);
      const [size, width] = [all.length / from.length, Number(shape[1])];
      for (const [i, tensor] of from.entries()) {
        const each = width / from.length;
        const columns = all.filter((_, at) => Math.floor((at % width) / each) === i);
        wanted.push([tensor, sideBySide ? columns : all.subarray(i * size, (i + 1) * size)]);
      }
    }
    const factorsOf = plan.groups.flatMap((group) => group.factors.flatMap((factor) => factor.tensors));
    expect(new Set(wanted.map(([name]) => name))).toEqual(
      new Set([...plan.regions.map(({ region }) => region.x), ...factorsOf]),
    );
    for (const [name, gradient] of wanted) {
      const point = tensors.get(name)!;
      expect(gradient.length).toBe(point.data.length);
      for (const i of [0, 3, Math.floor(point.data.length / 2), point.data.length - 1]) {
        const side = (h: number) => {
          const data = point.data.slice();
          data[i]! += h;
          return loss(plan, new Map(tensors).set(name, { ...point, data }), name);
        };
        // linear in every operand but a reused weight's core, which occurs once in each product: no truncation error
        const numeric = side(0.5) - side(-0.5);
        expect(Math.abs(gradient[i]! - numeric), `d${name}[${i}]`).toBeLessThan(1e-9);
      }
    }
  });
});

describe('serving', () => {
  test.each(['split', 'widen'] as const)('%s with bias and activation', (strategy) => {
    for (const factors of [2, 3] as const) {
      const contraction = contractionOf({ ...SKETCH, factors, activation: 'relu', stored: 'oi' });
      const plan = choose(contraction, { device: laptop, tokens: 7, purpose: 'serve', strategy });
      const tensors = tensorsOf(plan);
      const memory = upload(plan, tensors);
      for (const launch of [...plan.prologue, ...plan.regions.flatMap(({ forward }) => forward)]) {
        runLaunch(launch, memory, { M: 7 });
      }
      expect(plan.regions.every(({ backward }) => backward.length === 0)).toBe(true);
      const layers = plan.regions.flatMap(({ region }) => region.layers);
      for (const [index, layer] of layers.entries()) {
        const expected = direct(layer, contraction.groups[0]!.scale, tensors);
        const got = memory.get(`y_${index}`)!;
        for (const [i, y] of got.entries())
          expect(Math.abs(y - Math.max(expected[i]!, 0))).toBeLessThan(1e-12);
      }
    }
  });

  test.each([3, 2] as const)('several adapters, %i factors: rows belong to adapters by block', (factors) => {
    const contraction = contractionOf({ ...SKETCH, factors });
    const [tokens, rowBlock, table] = [12, 3, [2, 0, 1, 2]];
    const plan = choose(contraction, { device: laptop, tokens, purpose: 'serve', adapters: 3 });
    expect(plan.regions.map(({ strategy }) => strategy)).toEqual(
      Array(3).fill(factors === 3 ? 'token' : 'L-fold'),
    );
    const base = tensorsOf(plan);
    const own = [0, 1, 2].map(() => {
      const factorsOnly = new Map(
        plan.groups[0]!.factors.flatMap((f) => f.tensors).map((name) => [name, base.get(name)!]),
      );
      return new Map([...factorsOnly].map(([name, { rows, cols }]) => [name, random(rows, cols)]));
    });
    const memory = poisoned(plan);
    const uploaded = upload(plan, base);
    for (const { name, from, sideBySide } of plan.buffers) {
      if (name === 'rowAdapter') memory.set(name, Float64Array.from(table));
      else if (from && !/^[Wb]_/.test(name)) {
        const data = own.flatMap((tensors) => {
          const parts = from.map((tensor) => tensors.get(tensor)!);
          if (!sideBySide) return parts.flatMap((part) => [...part.data]);
          return Array.from({ length: parts[0]!.rows }, (_, i) =>
            parts.flatMap((part) => [...part.data.subarray(i * part.cols, (i + 1) * part.cols)]),
          ).flat();
        });
        expect(data.length).toBe(memory.get(name)!.length);
        memory.get(name)!.set(data);
      } else memory.set(name, uploaded.get(name)!);
    }
    for (const { forward } of plan.regions) {
      for (const launch of forward) runLaunch(launch, memory, { M: tokens, rowBlock });
    }
    const layers = plan.regions.flatMap(({ region }) => region.layers);
    for (const [index, layer] of layers.entries()) {
      const byAdapter = own.map((tensors) =>
        direct(layer, contraction.groups[0]!.scale, new Map([...base, ...tensors])),
      );
      memory.get(`y_${index}`)!.forEach((y, i) => {
        const adapter = table[Math.floor(Math.floor(i / layer.out) / rowBlock)]!;
        expect(Math.abs(y - byAdapter[adapter]![i]!), `${layer.id}[${i}]`).toBeLessThan(1e-12);
      });
    }
  });
});

test('16-bit operands: factors, gradients and sums stay in f32, products read copies', () => {
  const contraction = contractionOf({ ...SKETCH, inputs: [['q', 'k']] });
  const plan = choose(contraction, {
    device: laptop,
    dtype: 'f16',
    tokens: 300,
    purpose: 'train',
    strategy: 'split',
  });
  const types = Object.fromEntries(plan.buffers.map(({ name, dtype }) => [name, dtype]));
  expect(types).toMatchObject({
    x_0: 'f16',
    W_0: 'f16',
    b_0: 'f16',
    R_0: 'f32',
    R_0_f16: 'f16',
    M_0: 'f32',
    L_0: 'f32',
    Lp_0: 'f16',
    P_0: 'f16',
    dP_0: 'f16',
    Z_0: 'f32',
    dR_0: 'f32',
    dM_0: 'f32',
    dL_0: 'f32',
    partials: 'f32',
  });
  const tensors = tensorsOf(plan);
  const memory = upload(plan, tensors);
  const { forward } = plan.regions[0]!;
  for (const launch of [...plan.prologue, ...forward]) runLaunch(launch, memory, { M: 300 });
  const expected = direct(plan.regions[0]!.region.layers[1]!, contraction.groups[0]!.scale, tensors);
  for (const [i, y] of memory.get('y_1')!.entries()) expect(Math.abs(y - expected[i]!)).toBeLessThan(1e-12);
});

describe('the choice', () => {
  const square = (d: number, rank: number, inputs: Sketch['inputs'] = [['q']]) =>
    contractionOf({ factors: 3, in: d, out: d, rank, inputs });

  test('dispatches: two forward and at most five backward for a layer of its own', () => {
    const plan = choose(square(768, 8), {
      device: laptop,
      tokens: 1024,
      purpose: 'train',
      strategy: 'split',
    });
    expect(plan.regions[0]!.forward.length).toBe(2);
    expect(plan.regions[0]!.backward.length).toBe(5);
    const shared = choose(square(768, 8, [['q', 'k', 'v']]), {
      device: laptop,
      tokens: 1024,
      purpose: 'train',
      strategy: 'split',
    });
    expect(shared.regions[0]!.forward.length).toBe(1 + 3);
    expect(shared.regions[0]!.backward.length).toBeLessThanOrEqual(3 * 5);
    // eight bindings: dx of three layers is written in two launches
    expect(shared.regions[0]!.backward.length).toBe(8);
    const cuda = choose(square(768, 8, [['q', 'k', 'v']]), {
      device: h100,
      dtype: 'bf16',
      tokens: 1024,
      purpose: 'train',
      strategy: 'split',
    });
    expect(cuda.regions[0]!.backward.length).toBe(7);
    const launches = [...plan.prologue, ...plan.epilogue];
    expect(launches.length, 'weight space of a group, whatever the number of layers').toBe(3);
  });

  test('few rows and a small rank take one launch', () => {
    const at = (tokens: number, rank: number) =>
      choose(square(4096, rank), { device: laptop, tokens, purpose: 'serve' }).regions[0]!;
    expect(at(1, 7)).toMatchObject({ scheme: 'S2' });
    expect(at(16, 9)).toMatchObject({ scheme: 'S2' });
    // in vectors instead
    expect(at(16, 8)).toMatchObject({ scheme: 'S1' });
    expect(at(65, 8)).toMatchObject({ scheme: 'S1' });
    expect(at(1, 17)).toMatchObject({ scheme: 'S1' });
    expect(at(65, 8).rejected.find(({ strategy }) => strategy.includes('S2'))?.because).toMatch(
      /^65 tokens: /,
    );
  });

  test('few rows take a launch for P and one that reads W once in vectors, in as many workgroups as a device has work for', () => {
    const options = { device: laptop, tokens: 1, purpose: 'serve' } as const;
    const [region] = choose(square(4096, 8), options).regions;
    expect(region).toMatchObject({ scheme: 'S1' });
    expect(region!.rejected.find(({ strategy }) => strategy.includes('S2'))?.because).toMatch(/on request/);
    expect(region!.forward.map(({ schedule }) => schedule.gemv)).toEqual([true, true]);
    const [P, y] = region!.forward.map((launch) => gridOf(launch, { M: 1 }));
    expect([P, y]).toEqual([
      [1, 1, 1],
      [128, 1, 1],
    ]);
    expect(choose(square(4096, 8), { ...options, strategy: 'widen' }).regions[0]).toMatchObject({
      scheme: 'S2',
    });
  });

  test('matrix units take no widened launch unless it is asked for', () => {
    const options = { device: h100, dtype: 'bf16', tokens: 1, purpose: 'serve' } as const;
    const [region] = choose(square(4096, 8), options).regions;
    expect(region).toMatchObject({ scheme: 'S1' });
    expect(region!.rejected.find(({ strategy }) => strategy.includes('S2'))?.because).toMatch(/on request/);
    expect(choose(square(4096, 8), { ...options, strategy: 'widen' }).regions[0]).toMatchObject({
      scheme: 'S2',
    });
  });

  test('many tokens at small d and large rank merge; few tokens do not', () => {
    const form = (d: number, tokens: number, rank: number) =>
      choose(square(d, rank), { device: laptop, tokens, purpose: 'train' }).regions[0]!.strategy;
    expect(form(768, 8192, 128)).toBe('merged');
    expect(form(768, 1, 8)).toBe('L-fold');
    expect(form(4096, 64, 8)).toBe('L-fold');
  });

  test('H100, d = 4096, M = 8192, r = 16: 9 % over the base for one layer, 5 % where q, k and v share P', () => {
    const over = (inputs: Sketch['inputs']) => {
      const options = { device: h100, dtype: 'bf16', tokens: 8192, purpose: 'train' } as const;
      const [region] = choose(square(4096, 16, inputs), options).regions;
      return 100 * (total(region!.forward).seconds / region!.base.forward.seconds - 1);
    };
    // x is read once more, 25 us; P L' is a quarter of one step of 64, and the results of 8 tiles pass to shared memory, 5 us
    expect(over([['q']])).toBeCloseTo(9, 0);
    expect(over([['q', 'k', 'v']])).toBeCloseTo(5, 0);
  });

  test('a bordered weight is filled with W as (in, out), however it is stored', () => {
    const options = { device: h100, tokens: 9, purpose: 'train', strategy: 'bordered' } as const;
    const plan = choose(contractionOf({ ...SKETCH, stored: 'oi', inputs: [['q']] }), options);
    expect(plan.buffers.find(({ name }) => name === 'Wb_0')).toMatchObject({
      shape: [17 + 8, 11 + 8],
      blocks: [
        { tensor: 'W.q', row: 0, col: 0, rows: 17, cols: 11, transposed: true },
        { copyOf: { buffer: 'R_0', offset: 0 }, row: 0, col: 11, rows: 17, cols: 5 },
      ],
    });
    expect(plan.buffers.map(({ name }) => name)).toContain('R_0');
  });

  test('a bordered weight that two layers share is made once, of what was made before', () => {
    const factors = KERNEL_METHODS.find(({ delta }) => delta === 'ir,rs,st,to->io')!;
    const contraction = contractionOf({ factors, rank: 8, in: 16, out: 24, inputs: [['q'], ['q#2']] });
    const options = { device: h100, tokens: 9, purpose: 'serve', strategy: 'bordered' } as const;
    const { prologue } = choose(contraction, options);
    const made = prologue.map(({ work }) => (work.kind === 'reduce' ? '' : work.out.buffer));
    const between = (name: string) => name.startsWith('V_');
    expect(made.filter(between).length).toBeGreaterThan(0);
    expect(made.filter((name) => name === 'Wb_0')).toHaveLength(1);
    const read = prologue.flatMap((launch, index) => {
      const names = buffersOf(launch).filter((name) => between(name) && name !== made[index]);
      for (const name of names) expect(made.slice(0, index), `${launch.name} reads ${name}`).toContain(name);
      return names;
    });
    // nothing is made that nothing reads
    expect(new Set(read)).toEqual(new Set(made.filter(between)));
  });

  test('a bordered weight is chosen on request only, and then refused where it cannot be: LOTR6006', () => {
    const contraction = contractionOf({ ...SKETCH, activation: 'relu' });
    for (const purpose of ['train', 'serve'] as const)
      for (const tokens of [1, 64, 8192])
        for (const dtype of ['f32', 'bf16'] as const) {
          const plan = choose(contraction, { device: h100, tokens, purpose, dtype });
          expect(plan.regions.map(({ scheme }) => scheme)).not.toContain('S0');
        }
    const wanted = { tokens: 9, purpose: 'serve', strategy: 'bordered' } as const;
    const made = (options: object) => () => choose(contraction, { device: h100, ...wanted, ...options });
    expect(made({ device: laptop })).toThrow(/LOTR6006.*a vendor library/);
    expect(made({ adapters: 2 })).toThrow(/LOTR6006.*holds one adapter/);
    expect(made({ merging: true })).toThrow(
      /LOTR6006.*--merge fold into a weight that is a buffer of its own/,
    );
    // the library knows no activation: y is the value before it
    const plan = made({})();
    expect(plan.regions[0]!.forward.at(-1)).toMatchObject({
      does: "y = [x|P] [W; L'] + b",
      family: 'blas',
    });
    const y = plan.buffers.filter(({ name }) => name.startsWith('yb_')).map(({ value }) => value);
    const layers = plan.regions.flatMap(({ region }) => region.layers);
    expect(y).toEqual(layers.map(({ biasedOutput }) => biasedOutput));
  });

  test('where the library has matrix units that no kernel has, a bordered weight is what is chosen, where it can be', () => {
    const contraction = contractionOf({ ...SKETCH, inputs: [['q', 'k'], ['o']] });
    const device = profile('b200', 'cuda');
    for (const purpose of ['train', 'serve'] as const) {
      const options = { device, tokens: 2048, purpose, dtype: 'bf16' } as const;
      const large = contractionOf({ ...SKETCH, in: 4096, out: 4096, rank: 8, inputs: [['q', 'k'], ['o']] });
      const plan = choose(large, options);
      expect(plan.regions.map(({ scheme }) => scheme)).toEqual(['S0', 'S0']);
      for (const { because, forward, base } of plan.regions) {
        expect(because).toBe('the cheapest of what is open here');
        // the base product is the library's too
        expect(forward.at(-1)!.predicted.seconds).toBeLessThan(1.05 * (base.forward.seconds / base.launches));
      }
      expect(choose(large, { ...options, strategy: 'split' }).regions[0]!.scheme).toBe('S1');
    }
    expect(
      choose(contraction, { device, tokens: 9, purpose: 'serve', adapters: 2 }).regions[0]!.scheme,
    ).not.toBe('S0');
  });

  test('LOTR6005: bf16 is refused where there is none; LOTR6006: a form that is not open', () => {
    const options = { device: laptop, tokens: 100, purpose: 'serve' } as const;
    expect(() => choose(square(64, 4), { ...options, dtype: 'bf16' })).toThrow(
      /webgpu-laptop does not compute in bf16/,
    );
    expect(() => choose(square(64, 4), { ...options, strategy: 'widen' })).toThrow(
      /cannot be used for q: 100 tokens/,
    );
  });
});
