import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkLegality } from '../../../src/backends/onnx-train/legality.js';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import type { DType } from '../../../src/ir/dtype.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { scalarTensor } from '../../../src/ir/scalar.js';
import { tensorType } from '../../../src/ir/shape.js';
import { MemoryTensor } from '../../../src/ir/tensor.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { bypassDropout, dropoutOff, findDraws } from '../../../src/passes/dropout/find.js';
import { DRAWS, PRIME } from '../../../src/passes/dropout/mask-field.js';
import { seedDropout } from '../../../src/passes/dropout/seeded.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { f32, noise, runOrt, type Tensor } from '../../support/ort.js';
import { runIn, webgpuEnvironment } from '../../support/webgpu.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-dropout-'));
const environment = webgpuEnvironment();
const host = new OrtProcess(environment ?? {});
afterAll(() => {
  host.close();
  rmSync(scratch, { recursive: true, force: true });
});
let serial = 0;
const boolTensor = (value: boolean) => new MemoryTensor('bool', [], Uint8Array.of(value ? 1 : 0));

interface Form {
  readonly shape: readonly number[];
  /** what the graph says of the shape */
  readonly declared?: readonly (number | string)[];
  /** one Dropout for each; null: the ratio is an input of the graph */
  readonly ratios: readonly (number | null)[];
  readonly dtype?: DType;
  /** training mode is an input of the graph */
  readonly asked?: boolean;
}

/** y_k, m_k = Dropout(x, ratio_k), replaced; with gradients of sum(y_0 x) where there is one Dropout. */
function seeded({ shape, declared = shape, ratios, dtype = 'f32', asked = false }: Form): {
  path: string;
  model: Model;
} {
  const graph = new Graph('drops');
  const x = graph.addInput('x', tensorType(dtype, declared));
  const draw = graph.addInput('draw', tensorType('f32', []));
  const training = asked
    ? graph.addInput('training', tensorType('bool', []))
    : graph.addInitializer('training', boolTensor(true));
  const seeds = new Map<Value, Value>();
  for (const [k, ratio] of ratios.entries()) {
    const share =
      ratio === null
        ? graph.addInput(`ratio${k}`, tensorType('f32', []))
        : graph.addInitializer(`r${k}`, scalarTensor('f32', ratio));
    const inputs = [x, share, training];
    const node = graph.append({ op: 'Dropout', inputs, outputs: [`y${k}`, `m${k}`], name: `drop${k}` });
    for (const output of node.outputs) graph.addOutput(output);
  }
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  inferShapes(model);
  seedDropout(graph, findDraws(model).dropouts, draw);
  expect([...graph.nodes].some(({ op }) => op === 'Dropout')).toBe(false);
  if (ratios.length === 1) {
    seeds.set(graph.own('y0')!, x);
    const gradient = differentiate(graph, { seeds, wrt: [x] }).get(x)!;
    gradient.rename('dx');
    graph.addOutput(gradient);
  }
  expect(inferShapes(model)).toEqual([]);
  const path = join(scratch, `${serial++}.onnx`);
  writeModel(model, path);
  return { path, model };
}

const number = (value: number): Tensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
const masks = (results: Record<string, Tensor>, k = 0): number[] =>
  Array.from(results[`m${k}`]!.data, Number);

test('residues are exact for every number that occurs, rounded and not', () => {
  const inverse = Math.fround(1 / PRIME);
  for (let x = 0; x < 4_400_000; x++) {
    const exact = Math.floor(x / PRIME);
    if (Math.floor(Math.fround(x * inverse)) !== exact || Math.floor(x * inverse) !== exact)
      throw new Error(`${x} gives another quotient than ${exact}`);
  }
  expect(PRIME % 3).toBe(2);
});

describe('values and gradients come from one mask', () => {
  test.each<[string, Form]>([
    ['matrix', { shape: [13, 29], declared: ['rows', 'columns'], ratios: [0.25] }],
    ['rank 3', { shape: [3, 5, 31], declared: ['batch', 'seq', 31], ratios: [0.1] }],
    ['vector', { shape: [301], ratios: [0.5] }],
    ['number', { shape: [], ratios: [0.5] }],
    ['ratio as an input', { shape: [17, 23], ratios: [null] }],
    ['float64', { shape: [11, 19], ratios: [0.3], dtype: 'f64' }],
    ['one column', { shape: [211, 1], ratios: [0.4] }],
    ['no rows', { shape: [0, 7], declared: ['rows', 7], ratios: [0.4] }],
    ['no columns', { shape: [7, 0], declared: ['rows', 'columns'], ratios: [0.4] }],
  ])('%s', async (_, form) => {
    const { path } = seeded(form);
    const ratio = form.ratios[0] ?? 0.2;
    const count = form.shape.reduce((a, b) => a * b, 1);
    const x = noise(count, 4);
    const double = form.dtype === 'f64';
    const feeds = {
      x: double
        ? { dtype: 'float64' as const, shape: form.shape, data: Float64Array.from(x) }
        : { dtype: 'float32' as const, shape: form.shape, data: x },
      draw: number(77),
      ...(form.ratios[0] === null ? { ratio0: number(ratio) } : {}),
    };
    const results = await runOrt(path, feeds);
    const mask = masks(results);
    expect(mask).toHaveLength(count);
    if (count > 100) {
      const kept = mask.reduce((a, b) => a + b, 0) / count;
      expect(Math.abs(kept - (1 - ratio))).toBeLessThan(4 * Math.sqrt((ratio * (1 - ratio)) / count));
    }
    const round = double ? (v: number) => v : Math.fround;
    const scale = round(1 / (1 - ratio));
    for (const [i, keep] of mask.entries()) {
      const y = Number(results.y0!.data[i]);
      expect(keep === 0 ? y === 0 : Math.abs(y - x[i]! * scale) <= 2e-7 * Math.abs(y)).toBe(true);
      expect(Number(results.dx!.data[i])).toBeCloseTo(y, 6);
    }
  });
  test('training mode as an input: off hands the input on', async () => {
    const { path } = seeded({ shape: [9, 31], ratios: [0.5], asked: true });
    const x = f32([9, 31]);
    const run = (on: number) =>
      runOrt(path, { x, draw: number(5), training: { dtype: 'bool', shape: [], data: Uint8Array.of(on) } });
    const [off, on] = [await run(0), await run(1)];
    expect(off.y0!.data).toEqual(x.data);
    expect(masks(off).every((keep) => keep === 1)).toBe(true);
    expect(off.dx!.data).toEqual(x.data);
    expect(masks(on).filter((keep) => keep === 0).length).toBeGreaterThan(90);
  });
});

/** Standardized product of two masks: normal with deviation 1 when they are independent. */
function correlation(a: readonly number[], b: readonly number[], kept: number): number {
  const sum = a.reduce((all, v, i) => all + (v - kept) * (b[i]! - kept), 0);
  return sum / (kept * (1 - kept)) / Math.sqrt(a.length);
}

describe('masks are independent:', () => {
  const shape = [37, 53];
  const NODES = 5;
  const STEPS = 60;
  const ratio = 0.2;
  const drawn: Promise<number[][][]> = (async () => {
    const { path } = seeded({ shape, ratios: Array.from({ length: NODES }, () => ratio) });
    const x = f32(shape);
    const all: number[][][] = [];
    const ort = await import('onnxruntime-node');
    const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 3 });
    for (let step = 0; step < STEPS; step++) {
      const feeds = {
        x: new ort.Tensor('float32', x.data as Float32Array, shape),
        draw: new ort.Tensor(
          'float32',
          Float32Array.of(DRAWS - 30 + step < DRAWS ? DRAWS - 30 + step : step),
          [],
        ),
      };
      const results = await session.run(feeds);
      all.push(
        Array.from({ length: NODES }, (_, k) => Array.from(results[`m${k}`]!.data as Uint8Array, Number)),
      );
    }
    await session.release();
    return all;
  })();
  const size = shape[0]! * shape[1]!;

  test('their mean is the ratio, over all and at each place', async () => {
    const flat = (await drawn).flat();
    const rates = Array.from(
      { length: size },
      (_, i) => flat.reduce((sum, mask) => sum + mask[i]!, 0) / flat.length,
    );
    const deviation = Math.sqrt((ratio * (1 - ratio)) / flat.length);
    const mean = rates.reduce((a, b) => a + b, 0) / size;
    expect(Math.abs(mean - (1 - ratio))).toBeLessThan((4 * deviation) / Math.sqrt(size));
    expect(Math.max(...rates.map((rate) => Math.abs(rate - (1 - ratio))))).toBeLessThan(5 * deviation);
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / size;
    expect(variance / deviation ** 2).toBeGreaterThan(0.85);
    expect(variance / deviation ** 2).toBeLessThan(1.15);
  });
  test('between nodes and steps', async () => {
    const flat = (await drawn).flat();
    const found: number[] = [];
    for (const [i, a] of flat.entries())
      for (const b of flat.slice(i + 1, i + 25)) found.push(correlation(a, b, 1 - ratio));
    expect(Math.max(...found.map(Math.abs))).toBeLessThan(5.5);
    const variance = found.reduce((sum, v) => sum + v * v, 0) / found.length;
    expect(variance).toBeGreaterThan(0.9);
    expect(variance).toBeLessThan(1.1);
  });
  test('between rows and between columns', async () => {
    for (const masksOfStep of (await drawn).slice(0, 8)) {
      const mask = masksOfStep[2]!;
      const line = (row: number, rows: boolean) =>
        rows
          ? mask.slice(row * shape[1]!, (row + 1) * shape[1]!)
          : mask.filter((_, i) => i % shape[1]! === row);
      for (const rows of [true, false]) {
        const count = shape[rows ? 0 : 1]!;
        for (let a = 0; a < count; a++)
          for (let b = a + 1; b < count; b++)
            expect(Math.abs(correlation(line(a, rows), line(b, rows), 1 - ratio))).toBeLessThan(8);
      }
    }
  });
  test('the same number gives the same masks, another other ones', async () => {
    const { path } = seeded({ shape, ratios: [ratio] });
    const run = async (draw: number) => masks(await runOrt(path, { x: f32(shape), draw: number(draw) }));
    expect(await run(3)).toEqual(await run(3));
    expect(await run(3)).not.toEqual(await run(4));
    expect(await run(3)).not.toEqual(await run(3 + PRIME));
  });
});

test('every execution provider has the operators', () => {
  const { model } = seeded({ shape: [3, 5, 7], declared: ['batch', 'seq', 7], ratios: [0.1] });
  for (const ep of ['cpu', 'webgpu', 'cuda', 'wasm'] as const)
    expect(() => checkLegality(model, ep, [])).not.toThrow();
});

test.skipIf(environment === null)('WebGPU draws the masks of the CPU, bit for bit', async () => {
  const form: Form = { shape: [6, 11, 67], declared: ['batch', 'seq', 'width'], ratios: [0.1, 0.5] };
  const { path } = seeded(form);
  for (const draw of [0, 12345, DRAWS - 1]) {
    const feeds = { x: f32(form.shape), draw: number(draw) };
    const [cpu, gpu] = [await runOrt(path, feeds), await runIn(host, path, feeds, { provider: 'webgpu' })];
    for (const k of [0, 1]) expect(masks(gpu, k)).toEqual(masks(cpu, k));
  }
});

test('inference mode: the nodes go, and their readers read the input', () => {
  const graph = new Graph('idle');
  const x = graph.addInput('x', tensorType('f32', [3, 4]));
  const on = graph.addInitializer('on', boolTensor(true));
  const drop = graph.append({ op: 'Dropout', inputs: [x, null, on], outputs: ['d'], name: 'drop' });
  graph.addOutput(
    graph.append({ op: 'Tanh', inputs: [drop.outputs[0]!], outputs: ['y'], name: 'tanh' }).outputs[0]!,
  );
  const model = new Model(graph);
  model.setOpset('', 17);
  expect(findDraws(model).dropouts).toHaveLength(1);
  dropoutOff(model);
  expect(findDraws(model).dropouts).toHaveLength(0);
  bypassDropout(model);
  expect([...graph.nodes].map(({ op }) => op)).toEqual(['Tanh']);
  expect(graph.nodes.first!.inputs[0]).toBe(x);
});
