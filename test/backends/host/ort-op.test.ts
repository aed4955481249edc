import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { VERA } from '../../../src/adapter/methods/vera.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import type { UnitRounding } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { inlineCalls } from '../../../src/passes/inline/inline.js';
import { rewrite } from '../../../src/rewrite.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileLibrary } from '../../support/cuda-host.js';
import { profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { EVERYTHING } from '../../support/everything.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import {
  type BuiltOperators,
  buildOperators,
  type Feed,
  operatorFiles,
  runTwice,
  runWith,
} from '../../support/ort-op.js';

const device = profile('h100', 'cuda');
const scratch = mkdtempSync(join(tmpdir(), 'lotrc-ort-op-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A model in a file of its own. */
function written(made: ReturnType<typeof model>): string {
  const file = join(mkdtempSync(join(scratch, 'model-')), 'model.onnx');
  writeFileSync(file, encodeModel(made));
  return file;
}

type Sizes = readonly [inn: number, out: number];

/** MatMul with leading dimensions, Gemm with and without bias and with a weight stored transposed. */
function model(
  spec: AdapterSpec,
  rank: number,
  [inn, out]: Sizes = [17, 11],
  carry: 'inputs' | 'embedded' = 'inputs',
) {
  const stored = (count: number, seed: number) => [...values(count, seed)].join(', ');
  const made = parseModel(`<ir_version: 9, opset_import: ["" : 17]>
g (float[b, t, ${inn}] x, float[n, ${inn}] z) => (float[b, t, ${out}] q, float[n, ${out}] o, float[n, ${out}] v)
<
  float[${inn},${out}] "q.weight" = {${stored(inn * out, 1)}}, float[${out},${inn}] "o.weight" = {${stored(inn * out, 2)}},
  float[${inn},${out}] "v.weight" = {${stored(inn * out, 3)}}, float[${out}] "o.bias" = {${stored(out, 4)}}
>
{
  ["/q/MatMul"] q = MatMul (x, "q.weight")
  ["/o/Gemm"] o = Gemm <transB = 1> (z, "o.weight", "o.bias")
  ["/v/Gemm"] v = Gemm (z, "v.weight")
}`);
  rewrite(made, { spec, rank, targets: ['q', 'o', 'v'], lowering: 'function', carry });
  return made;
}

function feedsFor(made: ReturnType<typeof model>, rank: number): Record<string, Feed> {
  const sizes: Readonly<Record<string, number>> = { b: 2, t: 3, n: 5 };
  return Object.fromEntries(
    made.graph.inputs.map(({ name, type }, index) => {
      const shape = type?.kind === 'tensor' ? type.shape! : [];
      const extents = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[String(dim)] ?? rank)));
      const count = extents.reduce((a, b) => a * b, 1);
      return [name, { extents, data: values(count, 20 + index) }];
    }),
  );
}

function operators(made: ReturnType<typeof model>, rounding?: UnitRounding) {
  const rounded = rounding ? { rounding } : {};
  const plan = choose(contract(made), { device, tokens: 6, purpose: 'serve', dtype: 'f32', ...rounded });
  return cudaHost(plan, ['sm_80']);
}

interface Case {
  readonly spec: AdapterSpec;
  readonly rank: number;
  readonly sizes: Sizes;
  readonly rounding?: UnitRounding;
  readonly bound: number;
}
const CASES: readonly (readonly [name: string, one: Case])[] = [
  ['lotr', { spec: LOTR, rank: 3, sizes: [17, 11], bound: 2e-6 }],
  ['vera', { spec: VERA, rank: 4, sizes: [17, 11], bound: 2e-6 }],
];
const MORE: typeof CASES = [
  ['lora', { spec: LORA, rank: 4, sizes: [17, 11], bound: 2e-6 }],
  ['lotr, a rank wider than a tile', { spec: LOTR, rank: 37, sizes: [48, 41], bound: 2e-6 }],
  ['lotr in tf32', { spec: LOTR, rank: 3, sizes: [17, 11], rounding: 'tf32', bound: 2e-3 }],
];

describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux')('operators in ONNX Runtime', () => {
  const agrees = (_: string, { spec, rank, sizes, rounding, bound }: Case) => {
    const made = model(spec, rank, sizes);
    const feeds = feedsFor(made, rank);
    const file = written(made); // planning takes the model apart
    const built = buildOperators(operators(made, rounding));
    const [bodies, kernels] = [false, true].map((registered) =>
      runWith(built, registered, file, feeds, ['q', 'o', 'v']),
    );
    expect(typeof bodies, String(bodies)).toBe('object');
    expect(typeof kernels, String(kernels)).toBe('object');
    const error = worstError(kernels as Float32Array, bodies as Float32Array);
    expect(error).toBeLessThan(bound);
    // kernels add up in another order than the runtime does: equal bits would mean that they did not run
    expect(error).toBeGreaterThan(0);
    // a view that a program binds
    expect(runWith(built, true, file, feeds, ['q', 'o', 'v'], { SHIFT: '1' })).toMatch(
      /input 0 does not begin at a multiple of 16 bytes: bind a copy of it/,
    );
  };
  const title = '%s: the kernels give what the bodies of the functions give';
  test.each(CASES)(title, { timeout: 300_000 }, agrees);
  test.skipIf(!EVERYTHING).each(MORE)(title, { timeout: 300_000 }, agrees);

  test('what is computed of factors alone: once where they are constants, else in every run', {
    timeout: 300_000,
  }, () => {
    // L' of each layer is a launch, and y two
    const made = model(VERA, 4);
    const fixed = model(VERA, 4, [17, 11], 'embedded');
    const feeds = feedsFor(made, 4);
    const inputs = Object.entries(feeds).filter(([name]) => name === 'x' || name === 'z');
    for (const [name, value] of fixed.graph.initializers) {
      const feed = feeds[name];
      if (feed) value.setConstant(f32Tensor(feed.extents, feed.data as Float32Array));
    }
    const files = [made, fixed].map(written);
    inlineCalls(fixed);
    inferShapes(fixed);
    const given = inputs.map(([name, { extents, data }]) => {
      return [name, { shape: extents, data: Float64Array.from(data as Float32Array) }] as const;
    });
    const exact = evaluateGraph(fixed.graph, new Map(given));
    const wanted = fixed.graph.outputs.flatMap((value) => [...exact.get(value)!.data]);
    const built = buildOperators(operators(made));
    const runs = [feeds, Object.fromEntries(inputs)].map((own, k) =>
      runTwice(built, files[k]!, own, ['q', 'o', 'v']),
    );
    expect(runs.map(({ launches }) => launches)).toEqual([
      [0, 9, 9],
      [3, 6, 6],
    ]);
    for (const { values } of runs) expect(worstError(values, wanted)).toBeLessThan(2e-6);
  });

  describe('a library that does not fit the model', () => {
    let other: BuiltOperators;
    beforeAll(() => {
      other = buildOperators(operators(model(LOTR, 3, [16, 8])));
    }, 300_000);

    test('says which layer it has no kernel for', () => {
      const made = model(LOTR, 3);
      const file = written(made);
      expect(runWith(other, true, file, feedsFor(made, 3), ['q'])).toMatch(
        /lotrc::LoTRLinear\w*: there is no kernel for a weight of 17 x 11, a first factor of 17 x 3 and the scale 0\.333.*written for another model/,
      );
    });

    test('leaves models alone that do not call its operators', () => {
      const made = model(LORA, 3);
      const file = written(made);
      expect(runWith(other, true, file, feedsFor(made, 3), ['q'])).toEqual(
        runWith(other, false, file, feedsFor(made, 3), ['q']),
      );
    });
  });
});

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('compiles the operators without a warning', { timeout: 300_000 }, () => {
    const { files, sources } = operatorFiles(operators(model(LOTR, 3)));
    compileLibrary(files, sources, ['sm_80']);
  });
});
