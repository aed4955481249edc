import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LORA } from '../../src/adapter/methods/lora.js';
import { PLAN_KEY, type SavedPlan } from '../../src/adapter/saved-plan.js';
import { truncateAdapter } from '../../src/interop/truncate.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { type Adapter, rewrite } from '../../src/rewrite.js';
import { lotrc } from '../support/cli.js';
import { noise } from '../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-truncate-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const model = join(import.meta.dirname, '../../models/sentiment/sentiment.onnx');

/** LoTR on four layers of 64 x 64 and two of 64 x 128. */
function adapterOf(
  rank: number,
  values: (name: string, shape: readonly number[]) => readonly number[],
): Adapter {
  const { adapter } = rewrite(readModel(model), { rank, targets: ['q_proj', 'fc1'], layers: '0-1' });
  const tensors = new Map<string, TensorData>();
  for (const [name, { shape }] of adapter.tensors) tensors.set(name, f32Tensor(shape, values(name, shape)));
  return { ...adapter, tensors };
}
const planIn = ({ metadata }: Adapter) => JSON.parse(metadata[PLAN_KEY]!) as SavedPlan;

/** scale / rank R M L of every layer, written out. */
function deltas(adapter: Adapter): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, readonly number[]>();
  for (const { spec, groups, sites } of planIn(adapter).plans)
    for (const { id, group: own, factors } of sites) {
      const group = groups.find((one) => one.id === own)!;
      const { in: n, out: m, rank: r } = group;
      const [R, M, L] = [group.factors.R!, factors.M!, group.factors.L!].map((name) =>
        toF64(adapter.tensors.get(name)!),
      );
      const delta: number[] = [];
      for (let i = 0; i < n; i++)
        for (let o = 0; o < m; o++) {
          let sum = 0;
          for (let a = 0; a < r; a++)
            for (let b = 0; b < r; b++) sum += R![i * r + a]! * M![a * r + b]! * L![b * m + o]!;
          delta.push((sum * spec.scale) / r);
        }
      found.set(id, delta);
    }
  return found;
}
const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

describe('a LoTR adapter at a smaller rank', () => {
  test('is the same where its cores have that rank in common', () => {
    // cores A C B with A (5 x 2) and B (2 x 5) of all layers
    const [A, B] = [noise(10, 3), noise(10, 4)];
    const adapter = adapterOf(5, (name, shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      if (!name.endsWith('/M')) return [...noise(size, name.length)];
      const C = noise(4, name.length + (name.includes('1') ? 7 : 0));
      return Array.from({ length: 25 }, (_, k) => {
        let sum = 0;
        for (let x = 0; x < 2; x++)
          for (let y = 0; y < 2; y++)
            sum += A[2 * Math.floor(k / 5) + x]! * C[2 * x + y]! * B[5 * y + (k % 5)]!;
        return sum;
      });
    });
    // (64 + 64) 2 + 2 * 4 and (64 + 128) 2 + 2 * 4
    const { adapter: small, groups, before, after } = truncateAdapter(adapter, 700, 'a');
    expect([before, after]).toEqual([128 * 5 + 50 + 192 * 5 + 50, 264 + 392]);
    expect(groups.map(({ before: was, rank, layers }) => [was, rank, layers])).toEqual([
      [5, 2, 2],
      [5, 2, 2],
    ]);
    const [old, now] = [deltas(adapter), deltas(small)];
    for (const [id, delta] of old) {
      const rest = delta.map((value, i) => value - now.get(id)![i]!);
      expect(norm(delta)).toBeGreaterThan(1e-3);
      expect(norm(rest) / norm(delta)).toBeLessThan(1e-5);
    }
    for (const { error } of groups) expect(error).toBeLessThan(1e-5);
  });

  test('leaves out the least singular values, and says the error that it has', () => {
    // R and L are parts of the unit matrix, all cores one diagonal
    const adapter = adapterOf(4, (name, [rows, columns]) =>
      Array.from({ length: rows! * columns! }, (_, k) => {
        const [i, j] = [Math.floor(k / columns!), k % columns!];
        return i !== j ? 0 : name.endsWith('/M') ? [5, 1, 3, 2][i]! : 1;
      }),
    );
    const { adapter: small, groups } = truncateAdapter(adapter, 700, 'a');
    const wanted = Math.sqrt((1 + 4) / (25 + 1 + 9 + 4));
    const [old, now] = [deltas(adapter), deltas(small)];
    for (const { error } of groups) expect(error).toBeCloseTo(wanted, 12);
    for (const [id, delta] of old)
      expect(norm(delta.map((value, i) => value - now.get(id)![i]!)) / norm(delta)).toBeCloseTo(wanted, 6);
  });

  test.each([
    ['a number below rank 1', 100, undefined, /at rank 1 it has 324 trained values, more than 100/],
    ['a number that it does not exceed', 9000, undefined, /no more than 9000/],
    ['another method', 100, LORA, /its method is lora/],
  ])('is refused for %s (LOTR7503)', (_, parameters, spec, why) => {
    const { adapter } = rewrite(readModel(model), {
      rank: 3,
      targets: ['q_proj', 'fc1'],
      layers: '0-1',
      ...(spec ? { spec } : {}),
    });
    try {
      truncateAdapter(adapter, parameters, 'a');
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(LotrcError);
      expect((error as LotrcError).diagnostics[0]).toMatchObject({ code: 'LOTR7503' });
      expect((error as LotrcError).message).toMatch(why);
    }
  });

  test('is applied like any other', { timeout: 300_000 }, async () => {
    const at = (name: string) => join(root, name);
    const done = async (...words: readonly string[]) => {
      const { code, err, out } = await lotrc(...words);
      expect(code, err).toBe(0);
      return out;
    };
    await done('rewrite', model, '--rank', '6', '--target', 'q_proj', '-o', at('m.onnx'));
    await done('compress', at('m.onnx'), '--to-parameters', '600', '-o', at('small.safetensors'));
    await done('apply', model, at('small.safetensors'), '-o', at('small.onnx'));
    expect(await done('inspect', at('small.onnx'), '--json')).toContain('"rank": 4');
    const twice = await lotrc(
      'compress',
      at('m.onnx'),
      '--to-parameters',
      '600',
      '--tolerance',
      '0.1',
      '-o',
      at('x'),
    );
    expect([twice.code, twice.err]).toEqual([2, expect.stringContaining('--tolerance')]);
  });
});
