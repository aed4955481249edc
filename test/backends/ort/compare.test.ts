import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareModels, compareOutputs } from '../../../src/backends/ort/compare.js';
import { makeInputs } from '../../../src/backends/ort/inputs.js';
import type { HostTensor } from '../../../src/backends/ort/messages.js';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import type { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { MemoryTensor } from '../../../src/ir/tensor.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { toF32, toIntegers } from '../../../src/ir/values.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-ort-'));
const host = new OrtProcess();
afterAll(() => {
  host.close();
  rmSync(folder, { recursive: true });
});

const model = (graph: string) => parseModel(`<ir_version: 9, opset_import: ["" : 17]>\n${graph}\n`);

function saved(name: string, graph: string) {
  const path = join(folder, `${name}.onnx`);
  const parsed = model(graph);
  writeModel(parsed, path);
  return { path, model: parsed };
}

const f32 = (...values: number[]): HostTensor => ({
  dtype: 'f32',
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const codes = (error: unknown) => (error as LotrcError).diagnostics.map(({ code }) => code);

describe('makeInputs', () => {
  const EMBED = `g (int64[batch, length] ids, int64[batch, length] attention_mask, float[batch, 3] scores, float[past_length, 2] cache) => (float[batch, length, 2] y)
    < float[5,2] table = {0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0} >
    { wide = Cast <to = 7> (ids) y = Gather (table, wide) }`;
  const made = makeInputs(model(EMBED), { dims: new Map([['length', 40]]), seed: 3 });
  const tensor = (name: string) => {
    const { dtype, shape, data } = made.get(name)!;
    return new MemoryTensor(dtype, shape, data as Uint8Array);
  };

  test('token ids lie below the rows of the table that they index, and reach them all', () => {
    const ids = toIntegers(tensor('ids'));
    expect(ids.length).toBe(80);
    expect([...new Set(ids)].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test('masks are ones, floats lie in (-1, 1), past lengths are 0', () => {
    expect(new Set(toIntegers(tensor('attention_mask')))).toEqual(new Set([1]));
    const scores = toF32(tensor('scores'));
    expect(scores.every((value) => Math.abs(value) < 1 && value !== 0)).toBe(true);
    expect(new Set(scores).size).toBe(6);
    expect(made.get('cache')!.shape).toEqual([0, 2]);
  });

  test('an extent that is named as a sum is the sum of its parts', () => {
    const graph = new Graph('g');
    graph.addInput('mask', tensorType('i64', ['batch', 'past_length + length']));
    graph.addInput('ids', tensorType('i64', ['batch', 'length']));
    const shapes = (dims?: Map<string, number>) =>
      [...makeInputs(new Model(graph), dims ? { dims } : {}).values()].map(({ shape }) => shape);
    expect(shapes()).toEqual([
      [2, 8],
      [2, 8],
    ]);
    expect(shapes(new Map([['length', 5]]))[0]).toEqual([2, 5]);
  });

  test('the same seed gives the same inputs, another gives others', () => {
    const dims = new Map([['length', 40]]);
    expect(makeInputs(model(EMBED), { dims, seed: 3 })).toEqual(made);
    expect(makeInputs(model(EMBED), { dims, seed: 4 })).not.toEqual(made);
  });
});

describe('compareOutputs', () => {
  test('measures the largest difference and its relation to the largest magnitude', () => {
    const [row] = compareOutputs({ y: f32(1, -4, 2) }, { y: f32(1, -4, 2.5) });
    expect(row).toMatchObject({ name: 'y', absolute: 0.5, relative: 0.125 });
  });

  test('NaN equals NaN and nothing else, infinities equal themselves', () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    expect(compareOutputs({ y: f32(nan, inf, 0) }, { y: f32(nan, inf, -0) })[0]!.absolute).toBe(0);
    for (const [a, b] of [
      [nan, 1],
      [1, nan],
      [inf, -inf],
      [inf, 1],
    ] as const) {
      expect(compareOutputs({ y: f32(a, 3) }, { y: f32(b, 3) })[0]!.relative).toBe(inf);
    }
  });

  test('compares integers beyond 2^32 and strings', () => {
    const wide = (value: bigint): HostTensor => ({
      dtype: 'i64',
      shape: [1],
      data: new Uint8Array(BigInt64Array.of(value).buffer),
    });
    expect(compareOutputs({ y: wide(2n ** 40n) }, { y: wide(2n ** 40n + 1n) })[0]!.absolute).toBe(1);
    const words = (...data: string[]): HostTensor => ({ dtype: 'string', shape: [2], data });
    expect(compareOutputs({ y: words('a', 'b') }, { y: words('a', 'b') })[0]!.absolute).toBe(0);
    expect(compareOutputs({ y: words('a', 'b') }, { y: words('a', 'c') })[0]!.absolute).toBe(1);
  });

  test('LOTR8007 when shapes differ', () => {
    try {
      compareOutputs({ y: f32(1, 2) }, { y: f32(1, 2, 3) });
      expect.unreachable();
    } catch (error) {
      expect(codes(error)).toEqual(['LOTR8007']);
    }
  });
});

describe('OrtProcess', () => {
  const NEGATE = 'g (float[n] x) => (float[n] y) { y = Neg (x) }';

  test('runs two models on the same inputs', async () => {
    const twice = saved('twice', 'g (float[n] x) => (float[n] y) { y = Add (x, x) }');
    const double = saved(
      'double',
      'g (float[n] x) => (float[n] y) < float two = {2.5} > { y = Mul (x, two) }',
    );
    const {
      outputs: [row],
    } = await compareModels(twice, double, { host, dims: new Map([['n', 7]]) });
    expect(row!.shape).toEqual([7]);
    expect(row!.relative).toBeCloseTo(0.2, 5);
  });

  test('LOTR8005 when the process dies, and the next request starts another', async () => {
    const { path } = saved('negate', NEGATE);
    await host.load(path);
    const pid = host.pid!;
    const waiting = host.run(path, { x: f32(1, 2) });
    process.kill(pid, 'SIGKILL');
    await expect(waiting.catch(codes)).resolves.toEqual(['LOTR8005']);
    const { y } = await host.run(path, { x: f32(1, 2) });
    expect(y).toEqual(f32(-1, -2));
    expect(host.pid).not.toBe(pid);
  });

  test('a process that dies between requests is replaced, whatever is noticed first', async () => {
    const { path } = saved('negate', NEGATE);
    for (let round = 0; round < 5; round++) {
      await host.load(path);
      process.kill(host.pid!, 'SIGKILL');
      // the death may be noticed when the request is sent, while it runs, or before
      if (round % 2 === 1) await new Promise((done) => setImmediate(done));
      const first = await host.run(path, { x: f32(1, 2) }).catch(codes);
      if (Array.isArray(first)) expect(first).toEqual(['LOTR8005']);
      const { y } = await host.run(path, { x: f32(1, 2) });
      expect(y).toEqual(f32(-1, -2));
    }
  });

  test('a changed file is loaded again', async () => {
    const first = saved('changing', NEGATE);
    expect((await host.run(first.path, { x: f32(3) })).y).toEqual(f32(-3));
    saved('changing', 'g (float[n] x) => (float[n] y) { y = Abs (x) }');
    expect((await host.run(first.path, { x: f32(3) })).y).toEqual(f32(3));
  });

  test('LOTR8004 says whether loading or running failed', async () => {
    const { path } = saved('fixed', 'g (float[3] x) => (float[3] y) { y = Neg (x) }');
    await expect(host.run(path, { x: f32(1, 2) })).rejects.toThrow(
      /LOTR8004: ONNX Runtime cannot run the model/,
    );
    await expect(host.load(join(folder, 'absent.onnx'))).rejects.toThrow(
      /LOTR8004: ONNX Runtime cannot load the model/,
    );
  });
});
