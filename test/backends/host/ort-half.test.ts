import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { cudaEmission } from '../../../src/backends/host/cuda/cuda.js';
import { callsInstead } from '../../../src/backends/host/ort/library.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import type { DeviceProfile } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { dense, plain } from '../../../src/backends/kernel/plan/launches.js';
import { attrInt } from '../../../src/ir/attr.js';
import { GraphBuilder } from '../../../src/ir/builder.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { inlineCalls } from '../../../src/passes/inline/inline.js';
import { rewrite } from '../../../src/rewrite.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileLibrary, ofEachKind } from '../../support/cuda-host.js';
import { inPairs, profile } from '../../support/devices.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { allOrFirst, EVERYTHING } from '../../support/everything.js';
import { values } from '../../support/kernel-cases.js';
import { relativeError } from '../../support/ort.js';
import {
  type Calls,
  gradientCalls,
  type LayerCase,
  layerCalls,
  layerModel,
  operators,
} from '../../support/ort-calls.js';
import {
  type BuiltOperators,
  buildOperators,
  operatorFiles,
  runTwice,
  runWith,
  withFaults,
} from '../../support/ort-op.js';
import { sharedDir } from '../../support/shared.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-ort-half-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What is kept in 16 bits is rounded several times on the way. */
const BOUNDS = { f16: 2e-3, bf16: 1e-2 } as const;

type Case = LayerCase & {
  readonly dtype: 'f16' | 'bf16';
  readonly tokens: number;
  /** as on a device that has them */
  readonly warpgroups?: true;
  /** as on a device for which cuBLASLt multiplies */
  readonly library?: true;
};
const BASE: Case = {
  spec: LOTR,
  rank: 3,
  inn: 17,
  out: 11,
  rows: [2, 3],
  tokens: 6,
  dtype: 'f16',
  masks: [0b11111, 0b00011, 0b00100],
};
/** A device whose kernels are so slow that cuBLASLt multiplies any number of rows. */
const SLOW: DeviceProfile = {
  ...profile('b200', 'cuda'),
  flops: { f32: 1e6, tf32: 1e6, f16: 1e6, bf16: 1e6 },
};

/** Widths that the copy engine takes, a rank that it does not, and rows that tiles do not divide. */
const GROUPED: Case = {
  ...BASE,
  ...{ rank: 5, inn: 72, out: 104, rows: [3, 67], tokens: 300, masks: [0b11111], warpgroups: true },
};
const CASES: readonly (readonly [string, Case])[] = [
  ['lotr in float16', BASE],
  ['lotr in bfloat16', { ...BASE, dtype: 'bf16' }],
];
const MORE: typeof CASES = [
  ['lotr in float16, W stored as (out, in)', { ...BASE, stored: true, rows: [5] }],
  [
    'lotr in float16, many tokens, rows on multiples of 16 bytes',
    { ...BASE, rank: 8, inn: 40, out: 48, rows: [601], tokens: 600 },
  ],
  ['lotr in float16, a rank wider than a tile', { ...BASE, rank: 37, inn: 48, out: 41, rows: [7] }],
  ['lora in float16', { ...BASE, spec: LORA, rank: 4, masks: [0b1111, 0b0100, 0b0001] }],
  ['lotr in bfloat16 on warpgroups', { ...GROUPED, dtype: 'bf16', rows: [1], rank: 16 }],
  ['lotr in bfloat16 by cuBLASLt', { ...BASE, dtype: 'bf16', library: true }],
  [
    'lora in float16 on warpgroups, W stored as (out, in)',
    { ...GROUPED, spec: LORA, stored: true, rows: [301], masks: [0b1111] },
  ],
];
const BOTH = ['sm_90a', 'sm_80'];

/** A model of calls in a file of its own. */
function fileOf({ model }: Calls): string {
  const file = join(mkdtempSync(join(scratch, 'calls-')), 'calls.onnx');
  writeFileSync(file, encodeModel(model));
  return file;
}

const namesOf = ({ expected }: Calls) => expected.map(({ name }) => name);

/** Outputs of the library and of the bodies, and how far they are from float64. */
function run(built: BuiltOperators, registered: boolean, calls: Calls) {
  const got = runWith(built, registered, fileOf(calls), calls.feeds, namesOf(calls));
  if (typeof got === 'string') throw new Error(got);
  return { got, errors: errorsOf(got, calls) };
}

/** How far outputs are from float64, by their names. */
function errorsOf(got: Float32Array, { expected }: Calls) {
  let at = 0;
  const errors = expected.map(({ name, data }) => {
    const own = got.subarray(at, at + data.length);
    at += data.length;
    expect(
      data.every((v) => v !== 0),
      name,
    ).toBe(true);
    return [name, relativeError(own, data)] as const;
  });
  expect(at).toBe(got.length);
  return errors;
}

/** Whether it throws or answers yes. */
function refused(wrong: () => boolean): boolean {
  try {
    return wrong();
  } catch {
    return true;
  }
}

describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux')(
  '16-bit operators in ONNX Runtime',
  () => {
    const agrees = (_: string, one: Case) => {
      const { warpgroups = false, tokens, dtype } = one;
      const architectures = warpgroups ? BOTH : ['sm_80'];
      const device = one.library ? SLOW : undefined;
      const library = operators(layerModel(one), tokens, null, dtype, architectures, device);
      const built = buildOperators(library, { warpgroups });
      for (const calls of [layerCalls(one, false), layerCalls(one, true), gradientCalls(one)]) {
        const kernels = run(built, true, calls);
        for (const [name, error] of kernels.errors) expect(error, name).toBeLessThan(BOUNDS[one.dtype]);
        // the runtime's CPU kernels have no bfloat16: that it runs at all says that the library's did
        if (one.dtype === 'f16') expect(kernels.got).not.toEqual(run(built, false, calls).got);
      }
    };
    const title = '%s: layers and gradients agree with float64';
    test.each(CASES)(title, { timeout: 300_000 }, agrees);
    test.skipIf(!EVERYTHING).each(MORE)(title, { timeout: 300_000 }, agrees);

    const FAULTS = [
      // a map of the memory of the call before
      ['map->first == first &&', '(map->first == first || (FAULT && map->first)) &&'],
      // a row that does not begin at 16 bytes
      ['x, M, 72, 72, 128)', 'x, M, 72, FAULT ? 76 : 72, 128)'],
      // the matrix of one map in the place of another
      ['&maps.map[2], HALF, tokens, ', '&maps.map[2], HALF, FAULT ? x : tokens, '],
      ['make_map(queue, &maps.map[1], HALF', 'FAULT ? cudaSuccess : make_map(queue, &maps.map[1], HALF'],
      // what the launch before still writes
      ['ring.settle();', 'if (!FAULT) ring.settle();'],
      // what lies between the columns of a rank
      ['LOTRC_TRY(cudaMemsetAsync(room, 0, ', 'if (!FAULT) LOTRC_TRY(cudaMemsetAsync(room, 0, '],
      // what was computed of the factors of the call before
      [
        'if (!layer.prepared && kind->prepare) error = kind->prepare(&queue, matrices.data(), scratch);',
        `static std::vector<float> kept;
  if (!layer.prepared && kind->prepare && !(FAULT && !kept.empty())) error = kind->prepare(&queue, matrices.data(), scratch);
  else std::copy(kept.begin(), kept.end(), scratch);
  kept.assign(scratch, scratch + room);`,
      ],
    ] as const;

    test('in other memory, with other factors, warpgroups agree with float64; faults are found', {
      timeout: 300_000,
    }, () => {
      const library = operators(layerModel(GROUPED), GROUPED.tokens, null, GROUPED.dtype, BOTH);
      const built = buildOperators(withFaults(library, FAULTS), { warpgroups: true });
      const found: number[] = [];
      for (const [kind, calls] of [layerCalls(GROUPED, true), gradientCalls(GROUPED)].entries()) {
        const wrong = (env: Readonly<Record<string, string>>) => {
          const got = runTwice(built, fileOf(calls), calls.feeds, namesOf(calls), env);
          expect(got.warpgroups).toBe(true);
          // y after P, in either run; dx after launches that depend on what is wanted
          expect(got.early).toBe(kind === 0 ? 2 : 0);
          return errorsOf(got.values, calls).some(([, error]) => !(error < BOUNDS.f16));
        };
        expect(wrong({})).toBe(false);
        for (const fault of kind === 0 ? FAULTS.keys() : [0, 5])
          if (refused(() => wrong({ FAULT: String(fault) }))) found.push(fault);
      }
      expect(found).toEqual([...FAULTS.keys(), 0, 5]);
    });

    const CALL_FAULTS = [
      // to what is there
      ['in, weight, out, adds, workspace', 'in, weight, out, adds && !FAULT, workspace'],
      ['describe(name, shape, bias, &p)', 'describe(name, shape, FAULT ? nullptr : bias, &p)'],
      // what was chosen for other products
      [
        '{rows, inner, cols, transposed, adds, bias != nullptr}',
        '{rows, FAULT ? 0 : inner, cols, !FAULT && transposed, !FAULT && adds, !FAULT && bias != nullptr}',
      ],
      // cuBLASLt has no room
      [
        'multiply(blas.library,',
        '(cublas_calls_left = FAULT ? 0 : -1, cublas_failure = CUBLAS_STATUS_ALLOC_FAILED, multiply)(blas.library,',
      ],
    ] as const;

    test('cuBLASLt agrees with float64 where it is faster; faults are found', { timeout: 300_000 }, () => {
      const one: Case = { ...GROUPED, rank: 3, inn: 17, out: 11, stored: true };
      const library = operators(layerModel(one), one.tokens, null, one.dtype, ['sm_100'], SLOW);
      const built = buildOperators(withFaults(library, CALL_FAULTS));
      const found: number[] = [];
      for (const [kind, calls] of [layerCalls(one, true), gradientCalls(one)].entries()) {
        const wrong = (env: Readonly<Record<string, string>>) => {
          const got = runTwice(built, fileOf(calls), calls.feeds, namesOf(calls), env);
          return errorsOf(got.values, calls).some(([, error]) => !(error < BOUNDS.f16));
        };
        expect(wrong({})).toBe(false);
        for (const fault of kind === 0 ? CALL_FAULTS.keys() : [0])
          if (refused(() => wrong({ FAULT: String(fault) }))) found.push(fault);
        expect(runWith(built, true, fileOf(calls), calls.feeds, namesOf(calls), { FAULT: '3' })).toMatch(
          /lotrc::LoTRLinear\w+: cublasLtMatmul of ort_\w+: CUBLAS_STATUS_/,
        );
      }
      expect(found).toEqual([...CALL_FAULTS.keys(), 0]);
    });

    test('a library without kernels for warpgroups says so on a device that has them', {
      timeout: 300_000,
    }, () => {
      const library = operators(layerModel(GROUPED), GROUPED.tokens, null, GROUPED.dtype, BOTH);
      const built = buildOperators(library);
      const calls = layerCalls(GROUPED, false);
      const { got, errors } = run(built, true, calls);
      for (const [, error] of errors) expect(error).toBeLessThan(BOUNDS.f16);
      expect(got.length).toBe(calls.expected[0]!.data.length);
      const said = runWith(built, true, fileOf(calls), calls.feeds, ['none'], { SAY: '1' });
      expect(String(said).match(/built without the kernels for warpgroups/g)).toHaveLength(1);
    });
  },
);

const exported = sharedDir() && join(sharedDir()!, 'models/structure/bert_fp16_op17.onnx');
describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux' || !exported)('a float16 export', () => {
  test('is as near to float64 with the library as with every result rounded to float16', {
    timeout: 300_000,
  }, () => {
    const made = readModel(exported!);
    rewrite(made, { rank: 4, lowering: 'function' });
    for (const [name, value] of made.graph.initializers) {
      // cores that are not zero
      if (name.endsWith('/M')) value.setConstant(f32Tensor([4, 4], values(16, name.length)));
    }
    const [output] = made.graph.outputs;
    made.graph.removeOutput(output!);
    const b = new GraphBuilder(made.graph, { before: null, pass: 'test' });
    const wide = b.one('Cast', [output!], { to: attrInt(1) }, 'wide');
    wide.setType(tensorType('f32', ['batch', 2]));
    made.graph.addOutput(wide);
    const folder = mkdtempSync(join(scratch, 'lib-'));
    const file = join(folder, 'model.onnx');
    writeModel(made, file, { weights: 'copy' });
    const built = buildOperators(operators(readModel(file), 10, null, 'f16'));
    const tokens = BigInt64Array.from({ length: 10 }, (_, i) => BigInt((7 * i) % 50));
    const feeds = {
      input_ids: { extents: [2, 5], data: tokens },
      attention_mask: { extents: [2, 5], data: BigInt64Array.of(1n, 1n, 1n, 1n, 0n, 1n, 1n, 1n, 1n, 1n) },
    };
    const [kernels, bodies] = [true, false].map((registered) =>
      runWith(built, registered, file, feeds, ['wide']),
    );
    expect(typeof kernels, String(kernels)).toBe('object');
    const exact = readModel(file);
    inlineCalls(exact);
    inferShapes(exact);
    const given = Object.entries(feeds).map(
      ([name, { extents, data }]) =>
        [name, { shape: extents, data: Float64Array.from(data, Number) }] as const,
    );
    const result = (how?: 'declared') =>
      evaluateGraph(exact.graph, new Map(given), how).get(exact.graph.outputs[0]!)!.data;
    const error = (values: ArrayLike<number>) => relativeError(values, result());
    // the runtime's CPU provider computes the bodies in float32 for the most part; a device rounds every result
    expect(error(kernels as Float32Array)).toBeLessThan(error(result('declared')));
    expect(error(result('declared'))).toBeLessThan(1e-2);
    expect(kernels).not.toEqual(bodies);
  });
});

test('a plan says which tiles the operators have, and why warpgroups do not run a product', () => {
  const text = (one: Case, architectures: readonly string[], device = inPairs(profile('h100', 'cuda'))) => {
    const { tokens, dtype } = one;
    const plan = choose(contract(layerModel(one)), { device, tokens, purpose: 'train', dtype });
    return cudaEmission(plan, architectures, 'adamw').beside();
  };
  expect(text(GROUPED, BOTH)).toMatch(
    /LoTRLinear, 72x104, rank 5 stored as 8\n.*y = x W \+ P L': 128x.* 12 warps, in pairs; without warpgroups .*\n.*dx = .*without warpgroups/,
  );
  const odd = text({ ...GROUPED, inn: 76, out: 100 }, BOTH);
  expect(odd.match(/no warpgroups: rows of \w+ do not begin at multiples of 16 bytes/g)).toHaveLength(2);
  expect(text(GROUPED, ['sm_80'])).not.toMatch(/warpgroups/);
  expect(text(GROUPED, ['sm_100'], SLOW).match(/; 2 calls of cuBLASLt from 1 rows on/g)).toHaveLength(2);
  // only where its matrix units are faster than those of kernels, and layers are large
  const matrix = (name: string, rows: number | 'M', cols: number) => plain(dense(name, 'bf16', rows, cols));
  const least = (name: string, width: number) => {
    const device = profile(name, 'cuda');
    const target = { device, db: device.tiles, dtype: 'bf16', tokens: 64 } as const;
    return callsInstead(target, {
      ...{ name: 'layer', family: 'gemm', does: 'y = x W + P B', rows: 'M', cols: width },
      segments: [
        { a: matrix('x', 'M', width), b: matrix('w', width, width), inner: width },
        { a: matrix('p', 'M', 16), b: matrix('up', 16, width), inner: 16 },
      ],
      out: dense('y', 'bf16', 'M', width),
    })?.from;
  };
  expect([least('b200', 4096), least('b200', 256), least('h100', 4096), least('a100', 4096)]).toEqual([
    1,
    undefined,
    undefined,
    undefined,
  ]);
});

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  const title = 'compiles the operators in %s without a warning';
  test.each(allOrFirst(['f16', 'bf16'] as const))(title, { timeout: 300_000 }, (dtype) => {
    if (dtype === 'f16') {
      const { files, sources } = operatorFiles(operators(layerModel(GROUPED), 640, null, dtype, BOTH));
      compileLibrary(files, ofEachKind(sources), ['sm_90a', 'sm_80', 'sm_100']);
    } else {
      const library = operators(layerModel(BASE), 640, null, dtype, ['sm_100'], SLOW);
      const { files, sources } = operatorFiles(library);
      compileLibrary(files, sources, ['sm_100']);
    }
  });
});
