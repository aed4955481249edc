import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { VERA } from '../../../src/adapter/methods/vera.js';
import type { UnitRounding } from '../../../src/backends/kernel/model/types.js';
import { attrFloat } from '../../../src/ir/attr.js';
import type { Model, Node } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { toF32 } from '../../../src/ir/values.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileLibrary } from '../../support/cuda-host.js';
import { allOrFirst, EVERYTHING, everySecond } from '../../support/everything.js';
import { KERNEL_METHODS } from '../../support/kernel-methods.js';
import { oracles } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';
import { gradientCalls, type LayerCase, layerModel, operators } from '../../support/ort-calls.js';
import { type BuiltOperators, buildOperators, operatorFiles, runWith } from '../../support/ort-op.js';
import { emitOracle, Host } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-ort-grad-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Case extends LayerCase {
  /** what the library is planned for */
  readonly tokens: number;
  readonly rounding?: UnitRounding;
  readonly bound: number;
}

const BASE: Case = { spec: LOTR, rank: 3, inn: 17, out: 11, rows: [2, 3], tokens: 6, bound: 2e-6 };
const CASES: readonly (readonly [string, Case])[] = [
  ['lotr', BASE],
  [
    'vera, W stored as (out, in)',
    { ...BASE, spec: VERA, stored: true, rows: [5], masks: [0b111111, 0b001010, 0b010100, 1] },
  ],
  // sums over this many tokens are taken in parts
  ['lora, many tokens', { ...BASE, spec: LORA, rank: 5, rows: [601], tokens: 600 }],
];
const MORE: typeof CASES = [
  ['lotr, W stored as (out, in)', { ...BASE, stored: true, rows: [5] }],
  ...KERNEL_METHODS.slice(1).map((own): (typeof CASES)[number] => {
    // the one layer has no number, by which layers could share
    const factors = own.factors.map((each) =>
      each.share === 'layer' ? { ...each, share: 'site' as const } : each,
    );
    const spec: AdapterSpec = { scale: 1, scaling: 'rank', ...own, factors };
    const all = 2 ** (own.factors.length + 2) - 1;
    return [own.delta, { ...BASE, spec, rows: [601], tokens: 600, masks: [all, all - 1, 2, 1] }];
  }),
  ['lotr, one row', { ...BASE, rank: 1, rows: [] }],
  [
    'lotr, a rank wider than a tile',
    { ...BASE, rank: 37, inn: 48, out: 41, rows: [7], masks: [0b01111, 0b11111, 1] },
  ],
  [
    'lotr, rows on multiples of 16 bytes',
    { ...BASE, rank: 16, inn: 48, out: 32, rows: [37], masks: [0b11111, 0b100, 2] },
  ],
  ['lotr, many tokens', { ...BASE, rank: 8, rows: [3, 211], tokens: 640 }],
  ['lora', { ...BASE, spec: LORA, rank: 4 }],
  [
    'lotr in tf32',
    {
      ...BASE,
      rank: 16,
      inn: 48,
      out: 40,
      rows: [300],
      tokens: 300,
      rounding: 'tf32',
      bound: 2e-3,
      masks: [0b11111],
    },
  ],
];

/** The library for the layer of a case. */
const built = (one: Case = BASE): BuiltOperators =>
  buildOperators(operators(layerModel(one), one.tokens, one.rounding), { checked: one === BASE });

/** A model in a file of its own. */
function written(model: Model): string {
  const file = join(mkdtempSync(join(scratch, 'calls-')), 'calls.onnx');
  writeFileSync(file, encodeModel(model));
  return file;
}

describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux')(
  'gradient operators in ONNX Runtime',
  () => {
    const agrees = (_: string, one: Case) => {
      const { model, feeds, expected } = gradientCalls(one);
      const library = built(one);
      const file = written(model);
      const names = expected.map(({ name }) => name);
      const [kernels, bodies] = [true, false].map((registered) =>
        runWith(library, registered, file, feeds, names),
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
    };
    const title = '%s: the kernels agree with float64';
    test.each(CASES)(title, { timeout: 300_000 }, agrees);
    test.skipIf(!EVERYTHING).each(everySecond(MORE))(title, { timeout: 300_000 }, agrees);

    test('no rows: sums are zero', { timeout: 300_000 }, () => {
      const one = { ...BASE, rows: [0, 3], masks: [0b11111] };
      const { model, feeds, expected } = gradientCalls(one);
      const library = built();
      const file = written(model);
      const result = runWith(
        library,
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
        change([...model.graph.nodes][0]!);
        const library = built();
        const file = written(model);
        return runWith(
          library,
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

    const names: readonly string[] = allOrFirst(['gpt2.ts', 'bert.ts']);
    const known = oracles().filter(({ name }) => names.includes(name));
    test.each(known.map((oracle) => [oracle.name, oracle] as const))(
      '%s: a training graph gives the same gradients with the library as without',
      { timeout: 300_000 },
      (_, oracle) => {
        const { folder, signature } = emitOracle(oracle, scratch, { keepFunctions: true, recompute: 'none' });
        const library = operators(readModel(join(folder, 'model.lotr.onnx')), 16);
        const built = buildOperators(library);
        const graph = signature.graphs.grad!;
        // weights inside: those in another file are read where they lie, at any byte, which a device's memory never is
        const file = join(folder, 'grad-whole.onnx');
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
          runWith(built, registered, file, feeds, names),
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
    const { files, sources } = operatorFiles(operators(layerModel(BASE), 640, 'tf32'));
    expect(sources).toContain('ort/ort_grad_dx_0.cu');
    compileLibrary(files, sources, ['sm_80'], true);
  });
});
