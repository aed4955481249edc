import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LORA, LOTR } from '../../../src/ir/adapter.js';
import { attrFloat } from '../../../src/ir/attr.js';
import type { Node } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { toF32 } from '../../../src/ir/values.js';
import { hasCompiler } from '../../support/cuda.js';
import { compileLibrary, writeLibrary } from '../../support/cuda-host.js';
import { oracles } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';
import { gradientCalls, type LayerCase, layerModel, operators } from '../../support/ort-calls.js';
import { asOneSource, buildOperators, runWith } from '../../support/ort-op.js';
import { emitOracle, Host } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-ort-grad-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Case extends LayerCase {
  /** what the library is planned for */
  readonly tokens: number;
  readonly tf32?: boolean;
  readonly bound: number;
}

const BASE: Case = { spec: LOTR, rank: 3, inn: 17, out: 11, rows: [2, 3], tokens: 6, bound: 2e-6 };
const CASES: readonly (readonly [string, Case])[] = [
  ['lotr', BASE],
  ['lotr, W stored as (out, in)', { ...BASE, stored: true, rows: [5] }],
  ['lotr, one row', { ...BASE, rank: 1, rows: [] }],
  [
    'lotr, a rank wider than a tile',
    { ...BASE, rank: 37, inn: 48, out: 41, rows: [7], masks: [0b01111, 0b11111, 1] },
  ],
  // sums over so many tokens are taken in parts
  ['lotr, many tokens', { ...BASE, rank: 8, rows: [3, 211], tokens: 640 }],
  [
    'lotr, rows on multiples of 16 bytes',
    { ...BASE, rank: 16, inn: 48, out: 32, rows: [37], masks: [0b11111, 0b100, 2] },
  ],
  ['lora', { ...BASE, spec: LORA, rank: 4 }],
  ['lora, many tokens', { ...BASE, spec: LORA, rank: 5, rows: [601], tokens: 600 }],
  [
    'lotr in tf32',
    {
      ...BASE,
      rank: 16,
      inn: 48,
      out: 40,
      rows: [300],
      tokens: 300,
      tf32: true,
      bound: 2e-3,
      masks: [0b11111],
    },
  ],
];

const libraries = new Map<Case, string>();
/** The folder of the library for the layer of a case. */
function built(one: Case = BASE): string {
  const folder =
    libraries.get(one) ??
    buildOperators(operators(layerModel(one), one.tokens, one.tf32), mkdtempSync(join(scratch, 'lib-')));
  libraries.set(one, folder);
  return folder;
}

describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux')(
  'gradient operators in ONNX Runtime',
  () => {
    test.each(CASES)('%s: the kernels agree with float64', { timeout: 240_000 }, (_, one) => {
      const { model, feeds, expected } = gradientCalls(one);
      const folder = built(one);
      const file = join(folder, 'calls.onnx');
      writeFileSync(file, encodeModel(model));
      const names = expected.map(({ name }) => name);
      const [kernels, bodies] = [true, false].map((registered) =>
        runWith(folder, registered, file, feeds, names),
      );
      expect(typeof kernels, String(kernels)).toBe('object');
      expect(typeof bodies, String(bodies)).toBe('object');
      let at = 0;
      for (const { name, data } of expected) {
        const got = (kernels as Float32Array).subarray(at, at + data.length);
        expect(
          data.every((v) => v !== 0),
          name,
        ).toBe(true);
        expect(relativeError(got, data), name).toBeLessThan(one.bound);
        at += data.length;
      }
      expect(at).toBe((kernels as Float32Array).length);
      // equal bits in everything would mean that the bodies ran
      expect(kernels).not.toEqual(bodies);
    });

    test('no rows: sums are zero', { timeout: 120_000 }, () => {
      const one = { ...BASE, rows: [0, 3], masks: [0b11111] };
      const { model, feeds, expected } = gradientCalls(one);
      const folder = built();
      const file = join(folder, 'calls.onnx');
      writeFileSync(file, encodeModel(model));
      const result = runWith(
        folder,
        true,
        file,
        feeds,
        expected.map(({ name }) => name),
      );
      const [, ...others] = expected;
      expect(result).toEqual(new Float32Array(others.reduce((sum, { data }) => sum + data.length, 0)));
    });

    describe('what there is no kernel for', () => {
      const run = (one: Case, change: (call: Node) => void = () => {}) => {
        const { model, feeds, expected } = gradientCalls({ ...one, masks: [0b11111] });
        const folder = built();
        change([...model.graph.nodes][0]!);
        const file = join(folder, 'calls.onnx');
        writeFileSync(file, encodeModel(model));
        return runWith(
          folder,
          true,
          file,
          feeds,
          expected.map(({ name }) => name),
        );
      };

      test.each([
        [
          'another shape',
          { ...BASE, inn: 16 },
          /LoTRLinearGrad_dx_dR_dM_dL_db: there is no kernel for a weight of 16 x 11, a first factor of 16 x 3.*written for another model/,
        ],
        [
          'another layout of W',
          { ...BASE, stored: true as const },
          /there is no kernel for a weight of 11 x 17/,
        ],
      ])('%s', (_, one, message) => {
        expect(run(one)).toMatch(message);
      });

      test.each(['alpha', 'beta'])('%s', (name) => {
        expect(run(BASE, (call) => call.setAttr(name, attrFloat(0.5)))).toMatch(
          /no kernel for alpha or beta other than 1/,
        );
      });
    });

    const known = oracles().filter(({ name }) => ['gpt2.ts', 'bert.ts'].includes(name));
    test.each(known.map((oracle) => [oracle.name, oracle] as const))(
      '%s: a training graph gives the same gradients with the library as without',
      { timeout: 300_000 },
      (_, oracle) => {
        const { folder, signature } = emitOracle(oracle, scratch, { keepFunctions: true, recompute: 'none' });
        const library = operators(readModel(join(folder, 'model.lotr.onnx')), 16);
        const place = buildOperators(library, mkdtempSync(join(scratch, 'lib-')));
        const graph = signature.graphs.grad!;
        // weights inside: those in another file are read where they lie, at any byte, which a device's memory never is
        const file = join(place, 'grad.onnx');
        writeModel(readModel(join(folder, graph.file)), file, { weights: 'copy' });
        const host = new Host(signature, oracle);
        const feeds = Object.fromEntries(
          Object.entries(host.feeds(graph, {})).map(([name, { shape, data }]: [string, Tensor]) => [
            name,
            { extents: shape, data: data as Float32Array },
          ]),
        );
        const ports = graph.outputs.filter(({ role }) => role === 'grad');
        const names = ports.map(({ name }) => name);
        const [kernels, bodies] = [true, false].map((registered) =>
          runWith(place, registered, file, feeds, names),
        );
        expect(typeof kernels, String(kernels)).toBe('object');
        expect(typeof bodies, String(bodies)).toBe('object');
        let at = 0;
        for (const { name, shape, param } of ports) {
          const end = at + shape.map(Number).reduce((a, b) => a * b, 1);
          const reference = toF32(oracle.tensors.get(param!.replace('init.', 'grad.'))!);
          expect(relativeError((kernels as Float32Array).subarray(at, end), reference), name).toBeLessThan(
            2e-5,
          );
          at = end;
        }
        expect(relativeError(kernels as Float32Array, bodies as Float32Array)).toBeLessThan(2e-6);
        expect(kernels).not.toEqual(bodies);
      },
    );
  },
);

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('compiles the gradient operators without a warning', { timeout: 300_000 }, () => {
    const { all, files } = asOneSource(operators(layerModel(BASE), 640, true));
    expect(all.text).toContain('ort_grad_dx_0.cu');
    const folder = writeLibrary(files);
    compileLibrary(folder, [all], ['sm_80']);
    rmSync(folder, { recursive: true });
  });
});
