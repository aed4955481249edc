import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { OrtSession } from '../../../src/backends/ort/session.js';
import { attrInt, attrInts, attrString } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { raiseAdapters } from '../../../src/passes/adapters/raise.js';
import { stripAdapters } from '../../../src/passes/adapters/strip.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { selectSites } from '../../../src/passes/sites/plan.js';
import { type RewriteOptions, rewrite } from '../../../src/rewrite.js';
import { f32, noise, relativeError, runOrt } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-convolution-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A convolution: extents of its filters, and what it does at the edges. */
interface Shape {
  readonly image: readonly number[];
  readonly filters: readonly number[];
  readonly attrs: Parameters<Graph['append']>[0]['attrs'];
}

const SHAPES: Readonly<Record<string, Shape>> = {
  'over single places': { image: [2, 5, 7, 3], filters: [4, 5, 1, 1], attrs: [] },
  'of a window, with strides, padding and dilations': {
    image: [2, 3, 11, 9],
    filters: [7, 3, 3, 2],
    attrs: [
      ['strides', attrInts([2, 1])],
      ['pads', attrInts([1, 0, 2, 1])],
      ['dilations', attrInts([1, 2])],
      ['kernel_shape', attrInts([3, 2])],
    ],
  },
  'along one axis, padded by itself': {
    image: [1, 3, 13],
    filters: [5, 3, 4],
    attrs: [['auto_pad', attrString('SAME_UPPER')]],
  },
};

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function make({ image, filters, attrs }: Shape, opset = 17): Model {
  const graph = new Graph('convolution');
  const x = graph.addInput('x', tensorType('f32', image));
  const w = graph.addInitializer('stem.weight', f32Tensor(filters, noise(size(filters), 3)));
  const b = graph.addInitializer('stem.bias', f32Tensor([filters[0]!], noise(filters[0]!, 5)));
  const [y] = graph.append({
    op: 'Conv',
    name: '/stem/Conv',
    inputs: [x, w, b],
    outputs: ['y'],
    attrs: attrs!,
  }).outputs;
  y!.setType(tensorType('f32', [image[0]!, filters[0]!, ...image.slice(2).map((_, k) => `e${k}`)]));
  graph.addOutput(y!);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', opset);
  return model;
}

const RANK = 2;

/** Rewritten, with noise for the factors; and the change of the weight that they make, (out, channels, window...). */
function adapted(shape: Shape, options: Partial<RewriteOptions>): { model: Model; change: Float64Array } {
  const model = make(shape);
  const { plan } = rewrite(model, { rank: RANK, targets: ['stem'], ...options });
  const [row] = plan.plans;
  const names = { ...row!.groups[0]!.factors, ...row!.sites[0]!.factors };
  const [r, m, l] = ['R', 'M', 'L'].map((letter, k) => {
    const value = model.graph.own(names[letter]!)!;
    const extents = value.constant!.shape;
    value.setConstant(f32Tensor(extents, noise(size(extents), k + 2)));
    return toF64(value.constant!);
  });
  const [out, ...patch] = shape.filters;
  const [rows, columns] = [size(patch), out!];
  const change = Float64Array.from({ length: columns * rows }, (_, at) => {
    const [o, i] = [Math.floor(at / rows), at % rows];
    let sum = 0;
    for (let a = 0; a < RANK; a++)
      for (let b = 0; b < RANK; b++) sum += r![i * RANK + a]! * m![a * RANK + b]! * l![b * columns + o]!;
    return sum / RANK;
  });
  return { model, change };
}

const run = async (model: Model, { image }: Shape) =>
  (await runOrt(encodeModel(model), { x: f32(image, 4) })).y!.data as Float32Array;

/** What the layer computes with other filters. */
async function withFilters(shape: Shape, change: Float64Array): Promise<Float32Array> {
  const model = make(shape);
  const weight = model.graph.own('stem.weight')!;
  const sum = toF64(weight.constant!).map((v, i) => v + change[i]!);
  weight.setConstant(f32Tensor(shape.filters, [...sum]));
  return run(model, shape);
}

const FORMS: readonly Partial<RewriteOptions>[] = [
  { lowering: 'fold' },
  { lowering: 'token' },
  { lowering: 'function' },
];

describe.each(Object.entries(SHAPES))('a convolution %s', (_name, shape) => {
  test.each(FORMS)('computes with changed filters, written as $lowering', async (options) => {
    const { model, change } = adapted(shape, options);
    const wanted = await withFilters(shape, change);
    expect(relativeError(await run(model, shape), wanted)).toBeLessThan(2e-6);
    expect(relativeError(await run(make(shape), shape), wanted)).toBeGreaterThan(0.1);
  });

  test.each(FORMS)('is read back, taken away and merged, written as $lowering', async (options) => {
    const { model, change } = adapted(shape, options);
    expect(raiseAdapters(model, 'test')).toBe(1);
    mergeAdapters(model);
    expect(relativeError(await run(model, shape), await withFilters(shape, change))).toBeLessThan(2e-6);
    const other = adapted(shape, options).model;
    stripAdapters(other);
    const [whole, base] = [encodeModel(other), encodeModel(make(shape))];
    expect(Buffer.from(whole).equals(Buffer.from(base))).toBe(true);
  });

  test('trains: gradients of the factors are the slopes of the loss', async () => {
    const { model } = adapted(shape, {});
    const path = join(mkdtempSync(join(scratch, 'run-')), 'model.onnx');
    writeModel(model, path);
    const folder = join(path, '..', 'train');
    const options = { ...TRAIN_DEFAULTS, loss: 'mse' as const };
    const { signature } = emitTraining({ open: () => readModel(path), folder, options });
    const { file, inputs, outputs } = signature.graphs.grad!;
    const session = await OrtSession.open(join(folder, file), { threads: 1 });
    const y = await run(make(shape), shape);
    const dims = (await runOrt(encodeModel(make(shape)), { x: f32(shape.image, 4) })).y!.shape;
    const params = new Map(
      signature.params.map(({ name, shape: extents }) => [
        name,
        { dims: [...extents], data: Float32Array.from(toF64(model.graph.own(name)!.constant!)) },
      ]),
    );
    const feedsOf = (moved: ReadonlyMap<string, Float32Array>) =>
      Object.fromEntries(
        inputs.map(({ name, role }) => {
          if (role === 'label')
            return [name, { type: 'float32', dims: [...dims], data: y.map((v) => 0.5 * v) }];
          if (role === 'scalar') return [name, { type: 'float32', dims: [], data: Float32Array.of(1) }];
          const param = params.get(name);
          if (!param)
            return [
              name,
              { type: 'float32', dims: [...shape.image], data: f32(shape.image, 4).data as Float32Array },
            ];
          return [name, { type: 'float32', dims: param.dims, data: moved.get(name) ?? param.data }];
        }),
      ) as Parameters<typeof session.run>[0];
    const results = await session.run(feedsOf(new Map()));
    const lossAt = async (name: string, direction: Float32Array, step: number) => {
      const { data } = params.get(name)!;
      const moved = data.map((v, i) => v + step * direction[i]!);
      return Number((await session.run(feedsOf(new Map([[name, moved]])))).loss!.data[0]);
    };
    for (const { name, param } of outputs.filter(({ role }) => role === 'grad')) {
      const gradient = results[name]!.data as Float32Array;
      const norm = Math.hypot(...gradient);
      expect(norm).toBeGreaterThan(1e-3);
      // the loss is quadratic in each factor: central differences along the gradient are exact but for rounding
      const direction = gradient.map((v) => v / norm);
      const [up, down] = [await lossAt(param!, direction, 0.05), await lossAt(param!, direction, -0.05)];
      expect(Math.abs((up - down) / 0.1 / norm - 1)).toBeLessThan(2e-4);
    }
    await session.close();
  });
});

test('all-linear leaves convolutions out and says so', () => {
  const select = () => selectSites(make(SHAPES['over single places']!), { rank: 1 });
  expect(select).toThrow(LotrcError);
  expect(select).toThrow(
    'the model has no linear layers but 1 convolution, which must be named to be adapted',
  );
});

test('a convolution by groups of channels is refused (LOTR3001)', () => {
  const model = make({ image: [1, 4, 5, 5], filters: [6, 2, 3, 3], attrs: [['group', attrInt(2)]] });
  expect(() => selectSites(model, { rank: 1, targets: ['stem'] })).toThrow('LOTR3001');
});

test('filters of more elements than can be counted are not a layer', () => {
  const model = make(SHAPES['over single places']!);
  const weight = model.graph.own('stem.weight')!;
  const absurd = Array<number>(40).fill(2 ** 31);
  weight.setConstant({ ...weight.constant!, dtype: 'f32', shape: absurd } as never);
  expect(findLinears(model).sites).toEqual([]);
});

test('optional factors of a convolution have a default of rank 1, zeros, with which it computes what the base does', async () => {
  const base = join(import.meta.dirname, '../../data/cases/sites/conv_optional.onnx');
  const model = readModel(base);
  rewrite(model, { rank: 2, targets: ['.*'], carry: 'optional' });
  const shapes = new Map(
    model.graph.inputs.flatMap(({ name, constant }) =>
      constant ? [[name, constant.shape.join()] as const] : [],
    ),
  );
  expect(Object.fromEntries(shapes)).toEqual({
    'lotr/24x32/R': '24,1',
    'lotr/24x32/L': '1,32',
    'lotr/conv1/M': '1,1',
    'lotr/96x32/R': '96,1',
    'lotr/96x32/L': '1,32',
    'lotr/conv2/M': '1,1',
    'lotr/32x16/R': '32,0',
    'lotr/32x16/L': '0,16',
    'lotr/fc/M': '0,0',
  });
  // with rank 0 ONNX Runtime's Conv gave NaN in most runs, depending on what lay in its buffer
  const x = f32([2, 8, 5], 3);
  const wanted = await runOrt(encodeModel(readModel(base)), { x });
  const adapted = encodeModel(model);
  for (let round = 0; round < 5; round++)
    expect((await runOrt(adapted, { x })).y!.data).toEqual(wanted.y!.data);
});
