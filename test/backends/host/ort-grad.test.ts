import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cudaHost } from '../../../src/backends/host/cuda.js';
import { choose } from '../../../src/backends/kernel/choose.js';
import { contract } from '../../../src/backends/kernel/contract.js';
import { profile } from '../../../src/backends/kernel/profiles.js';
import { type AdapterSpec, LORA, LOTR } from '../../../src/ir/adapter.js';
import { attrFloat, attrInt, attrString } from '../../../src/ir/attr.js';
import { Graph, Model, Node } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import type { NdArray } from '../../../src/ir/ops/define.js';
import { opDef } from '../../../src/ir/ops/index.js';
import { tensorType } from '../../../src/ir/shape.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { toF32 } from '../../../src/ir/values.js';
import { defineGradient, gradientHints } from '../../../src/passes/adapters/gradient-function.js';
import { rewrite } from '../../../src/rewrite.js';
import { hasCompiler } from '../../support/cuda.js';
import { compileLibrary, writeLibrary } from '../../support/cuda-host.js';
import { values } from '../../support/kernel-cases.js';
import { oracles } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';
import { buildOperators, type Feed, runWith } from '../../support/ort-op.js';
import { emitOracle, Host } from '../../support/training.js';

const device = profile('h100', 'cuda');
const scratch = mkdtempSync(join(tmpdir(), 'lotrc-ort-grad-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The operators of a library for the layers of a rewritten model. */
function operators(model: Model, tokens: number, tf32 = false) {
  const plan = choose(contract(model), { device, tokens, purpose: 'train', dtype: 'f32' });
  return cudaHost(plan, ['sm_80'], { tf32 });
}

interface Case {
  readonly spec: AdapterSpec;
  readonly rank: number;
  readonly inn: number;
  readonly out: number;
  /** W is (out, in) */
  readonly stored?: true;
  /** axes of x before the last */
  readonly rows: readonly number[];
  /** what the library is planned for */
  readonly tokens: number;
  readonly tf32?: boolean;
  readonly bound: number;
  /** the choices of outputs that are called; all unless given */
  readonly masks?: readonly number[];
}

/** A rewritten model whose one layer is that of the case, with weights of any value: what a library is written from. */
function layerModel({ spec, rank, inn, out, stored }: Case): Model {
  const numbers = [...values(inn * out, 1)].join(', ');
  const node = stored ? 'Gemm <transB = 1> (x, "q.weight")' : 'MatMul (x, "q.weight")';
  const made = parseModel(`<ir_version: 9, opset_import: ["" : 17]>
g (float[n, ${inn}] x) => (float[n, ${out}] y)
<float[${stored ? `${out},${inn}` : `${inn},${out}`}] "q.weight" = {${numbers}}> { ["/q/${stored ? 'Gemm' : 'MatMul'}"] y = ${node} }`);
  rewrite(made, { spec, rank, targets: ['q'], lowering: 'function' });
  return made;
}

/** A model that calls the function of every choice of outputs, its inputs, and what the operator's reference gives in float64. */
function calls(one: Case) {
  const { spec, rank, inn, out, stored, rows, masks } = one;
  const count = spec.factors.length;
  const scale = Math.fround(1 / rank);
  const graph = new Graph('calls');
  const model = new Model(graph);
  model.setIrVersion(9);
  model.setOpset('', 17);
  model.setOpset('lotrc', 1);
  const shapes = [
    [...rows, inn],
    stored ? [out, inn] : [inn, out],
    ...Array.from({ length: count }, (_, f) => [f === 0 ? inn : rank, f === count - 1 ? out : rank]),
    [...rows, out],
  ];
  const feeds: Record<string, Feed> = {};
  const inputs = shapes.map((shape, k) => {
    feeds[`i${k}`] = {
      extents: shape,
      data: values(
        shape.reduce((a, b) => a * b, 1),
        10 + k,
      ),
    };
    return graph.addInput(`i${k}`, tensorType('f32', shape));
  });
  const attrs = Object.entries({
    scale: attrFloat(scale),
    alpha: attrFloat(1),
    beta: attrFloat(1),
    transB: attrInt(stored ? 0 : 1),
  });
  const reference = new Node({
    op: 'LoTRLinearGrad',
    domain: 'lotrc',
    inputs,
    outputs: Array.from({ length: count + 2 }, (_, k) => `r${k}`),
    attrs: [['delta', attrString(spec.delta)], ...attrs],
  });
  const given = inputs.map(
    ({ name }, k): NdArray => ({
      shape: shapes[k]!,
      data: Float64Array.from(feeds[name]!.data as Float32Array),
    }),
  );
  const right = opDef('lotrc', 'LoTRLinearGrad', 1)!.evaluate!(reference, given);
  const expected: { readonly name: string; readonly data: Float64Array }[] = [];
  const all = Array.from({ length: (1 << (count + 2)) - 1 }, (_, mask) => mask + 1);
  for (const mask of masks ?? all) {
    const wanted = right.map((_, k) => (mask & (1 << k)) !== 0);
    const stem = count === 3 ? 'LoTRLinear' : `Adapter_${spec.method}`;
    const op = [`${stem}Grad`, ...gradientHints({ count, wanted })].join('_');
    model.addFunction(defineGradient(op, { count, wanted, half: false, opset: 17 }));
    const names = wanted.flatMap((want, k) => (want ? [`o${mask}_${k}`] : []));
    const call = graph.append({ op, domain: 'lotrc', inputs, outputs: names, attrs });
    for (const output of call.outputs) {
      graph.addOutput(output);
      const k = Number(output.name.split('_')[1]);
      output.setType(tensorType('f32', right[k]!.shape));
      expected.push({ name: output.name, data: right[k]!.data });
    }
  }
  return { model, feeds, expected };
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

describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux')(
  'gradient operators in ONNX Runtime',
  () => {
    test.each(CASES)('%s: the kernels agree with float64', { timeout: 240_000 }, (_, one) => {
      const { model, feeds, expected } = calls(one);
      const files = operators(layerModel(one), one.tokens, one.tf32);
      const folder = buildOperators(files, mkdtempSync(join(scratch, 'lib-')));
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
      const { model, feeds, expected } = calls(one);
      const folder = buildOperators(operators(layerModel(BASE), 6), mkdtempSync(join(scratch, 'lib-')));
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
      let folder: string;
      beforeAll(() => {
        folder = buildOperators(operators(layerModel(BASE), 6), mkdtempSync(join(scratch, 'lib-')));
      }, 120_000);
      const run = (one: Case, change: (call: Node) => void = () => {}) => {
        const { model, feeds, expected } = calls({ ...one, masks: [0b11111] });
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
        const built = buildOperators(library, mkdtempSync(join(scratch, 'lib-')));
        const graph = signature.graphs.grad!;
        // weights inside: those in another file are read where they lie, at any byte, which a device's memory never is
        const file = join(built, 'grad.onnx');
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
    const files = operators(layerModel(BASE), 640, true);
    const folder = writeLibrary(files);
    const own = files.filter(({ path }) => path.startsWith('ort/'));
    expect(own.some(({ path }) => path.endsWith('ort_grad_dx_0.cu'))).toBe(true);
    compileLibrary(folder, own, ['sm_80']);
    rmSync(folder, { recursive: true });
  });
});
