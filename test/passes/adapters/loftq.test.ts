import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { effectiveScale } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { matrixProduct } from '../../../src/init/dense.js';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { toF32, toF64 } from '../../../src/ir/values.js';
import type { LoftqRow } from '../../../src/passes/adapters/loftq.js';
import { blocksStored, packedWeightOf, unpacked } from '../../../src/passes/adapters/packed-weight.js';
import { rewrite } from '../../../src/rewrite.js';
import { lotrc } from '../../support/cli.js';
import { relativeError, runOrt } from '../../support/ort.js';

// what numpy makes of the same two layers: test/data/loftq/make.py
const DATA = join(import.meta.dirname, '../../data/loftq');
const [FLOAT, QUANTISED] = [join(DATA, 'float.onnx'), join(DATA, 'quantised.onnx')];
const folder = mkdtempSync(join(tmpdir(), 'lotrc-loftq-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const recorded = readSafetensors(join(DATA, 'loftq.safetensors')).tensors;
const numbers = (name: string) => toF32(recorded.get(name)!);
const ALPHA = 7;

describe.each([1, 3])('LoftQ of %d iterations', (iterations) => {
  const model = readModel(QUANTISED);
  let rows: readonly LoftqRow[] = [];
  const { plan, adapter } = rewrite(model, {
    ...{ rank: 3, spec: { ...LORA, scale: ALPHA }, targets: ['.*'] },
    loftq: { from: readModel(FLOAT), iterations, told: (told) => (rows = told) },
  });
  const path = join(folder, `${iterations}.onnx`);
  writeModel(model, path, { weights: 'copy' });

  test('has the product of factors of numpy in float64, and stores the weight that is left', () => {
    const before = readModel(QUANTISED);
    for (const [k, site] of plan.plans[0]!.sites.entries()) {
      const { a, b } = { a: adapter.tensors.get(site.factors.A!)!, b: adapter.tensors.get(site.factors.B!)! };
      const [inn, rank, out] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
      const product = matrixProduct(toF64(a), toF64(b), inn, rank, out);
      const scale = effectiveScale(plan.plans[0]!.spec, rank);
      const found = product.map((x) => scale * x);
      expect(relativeError(found, numbers(`${k}.${iterations}.product`))).toBeLessThan(1e-6);
      const [after, first] = [readModel(path), before].map((held) => {
        const node = [...held.graph.nodes].filter(({ op }) => op === 'MatMulNBits')[k]!;
        const weight = packedWeightOf(node);
        if (typeof weight === 'string') throw new Error(weight);
        return unpacked(weight, blocksStored(weight));
      }) as [Float64Array, Float64Array];
      expect(relativeError(after, numbers(`${k}.${iterations}.stored`))).toBeLessThan(1e-7);
      if (iterations === 1) expect(after).toEqual(first);
    }
  });

  test('computes what numpy computes with both, nearer to the float weights than the quantised model', async () => {
    const x = { dtype: 'float32', shape: [2, 5, 40], data: numbers('x') } as const;
    const { y } = await runOrt(path, { x });
    expect(relativeError(y!.data, numbers(`${iterations}.y`))).toBeLessThan(1e-5);
    const errors = { 1: [0.060391, 0.0028289], 3: [0.0556491, 0.0025677] }[iterations]!;
    expect(rows.map(({ layer }) => layer)).toEqual(['layer.0.dense', 'layer.1.dense']);
    for (const [k, { before, after }] of rows.entries()) {
      expect(before).toBeCloseTo([0.0730014, 0.0038047][k]!, 6);
      expect(after).toBeCloseTo(errors[k]!, 6);
    }
  });
});

describe('lotrc rewrite --init loftq', () => {
  const words = (...more: readonly string[]) =>
    lotrc('rewrite', QUANTISED, '--rank', '3', '-o', join(folder, 'cli.onnx'), ...more);
  const LOFTQ = ['--method', 'lora', '--init', 'loftq'];

  test('prints the errors, and the adapter goes onto the quantised model again', async () => {
    const { code, out, err } = await words(...LOFTQ, '--from', FLOAT);
    expect(code, err).toBe(0);
    expect(out).toMatch(
      /relative error of the weight {2}quantised {2}with the adapter\n.*7\.30e-2 {4}6\.04e-2/,
    );
    const applied = await lotrc(
      'apply',
      QUANTISED,
      join(folder, 'cli.safetensors'),
      '-o',
      join(folder, 'b.onnx'),
    );
    expect(applied.code, applied.err).toBe(0);
    const { code: same } = await lotrc('verify', join(folder, 'cli.onnx'), join(folder, 'b.onnx'));
    expect(same).toBe(0);
  });

  test.each<[string, readonly string[], string, string]>([
    ['no float model', LOFTQ, 'LOTR8001', 'give the float model with --from'],
    ['a float model for nothing', ['--from', FLOAT], 'LOTR8001', '--from names another model'],
    ['another method', ['--init', 'loftq', '--from', FLOAT], 'LOTR3401', 'lotr is not a product of two'],
    ['no iterations', ['--method', 'lora', '--init', 'loftq(0)', '--from', FLOAT], 'LOTR3401', '"0" is not'],
    [
      'a model that is quantised too',
      [...LOFTQ, '--from', QUANTISED],
      'LOTR3409',
      'does not store its weight',
    ],
  ])('%s is refused', async (_, more, code, text) => {
    const { err } = await words(...more);
    expect(err).toContain(code);
    expect(err).toContain(text);
  });

  test('and so is a model without quantised layers', async () => {
    const { err } = await lotrc('rewrite', FLOAT, '--rank', '3', ...LOFTQ, '--from', FLOAT);
    expect(err).toContain('LOTR3401: --init loftq: none of the chosen layers');
  });
});
