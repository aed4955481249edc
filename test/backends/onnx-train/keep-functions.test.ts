import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { toF32 } from '../../../src/ir/values.js';
import { verify } from '../../../src/ir/verify.js';
import { raiseAdapters } from '../../../src/passes/adapters/raise.js';
import { rewrite } from '../../../src/rewrite.js';
import type { Signature } from '../../../src/train/signature.js';
import { lotrc } from '../../support/cli.js';
import { EVERYTHING, inTurn } from '../../support/everything.js';
import { oracles } from '../../support/oracle.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';
import { emitOracle, f32Of, Host } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-keep-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The operators of domain lotrc that a model's own graph calls, each as often as it does. */
function callsOf(model: Model): readonly string[] {
  return [...model.graph.nodes].flatMap(({ domain, op }) => (domain === 'lotrc' ? [op] : [])).sort();
}

const count = (calls: readonly string[], name: string) => calls.filter((call) => call === name).length;

const chosen = oracles().filter(({ name }) => ['bert.ts', 'gpt2.ts', 'llama.dynamo', 't5.ts'].includes(name));

describe.each(chosen.map((oracle, n) => [oracle.name, oracle, n] as const))('%s', (_name, oracle, n) => {
  const uses = oracle.description.groups.flatMap(({ sites }) => sites.flatMap(({ nodes }) => nodes)).length;

  test.each(
    inTurn(
      [
        ['cheap', 'all'],
        ['none', 'disabled'],
        ['block', 'all'],
      ] as const,
      n,
    ),
  )('gradients are those of PyTorch, recompute %s, optimisation %s', async (recompute, level) => {
    const { folder, signature } = emitOracle(oracle, scratch, { keepFunctions: true, recompute });
    const host = new Host(signature, oracle);
    const graph = signature.graphs.grad!;
    const model = readModel(join(folder, graph.file));
    const calls = callsOf(model);
    expect(verify(model)).toEqual([]);
    expect(calls.filter((call) => call.startsWith('LoTRLinearGrad_')).length).toBe(uses);
    expect(calls.filter((call) => /^LoTRLinear(_gemm)?(_nobias)?$/.test(call)).length).toBeGreaterThanOrEqual(
      uses,
    );
    const results = await runOrt(join(folder, graph.file), host.feeds(graph, {}), { level });
    expect(Math.abs(Number(results.loss!.data[0]) / oracle.description.loss_at_init - 1)).toBeLessThan(1e-5);
    for (const port of graph.outputs) {
      if (port.role !== 'grad') continue;
      const reference = toF32(oracle.tensors.get(port.param!.replace('init.', 'grad.'))!);
      expect(relativeError(results[port.name]!.data, reference), port.param).toBeLessThan(2e-5);
    }
  });

  // outside CI those of the first model
  test.skipIf(!EVERYTHING && n > 0)('the other graphs call functions too, and run', async () => {
    const { folder, signature } = emitOracle(oracle, scratch, { keepFunctions: true, loop: 2 });
    const host = new Host(signature, oracle);
    const { step, eval: evaluation, infer, apply } = signature.graphs;
    const scalars = { lr: 1e-2, loss_scale: 1, bc1: 0.1, bc2: 1e-3 };
    const stepped = await runOrt(join(folder, step!.file), host.feeds(step!, scalars));
    expect(Math.abs(Number(stepped.loss!.data[0]) / oracle.description.loss_at_init - 1)).toBeLessThan(1e-5);
    const evaluated = await runOrt(join(folder, evaluation!.file), host.feeds(evaluation!, {}));
    expect(Math.abs(Number(evaluated.loss!.data[0]) / oracle.description.loss_at_init - 1)).toBeLessThan(
      1e-5,
    );
    const plain = readModel(join(folder, infer!.file));
    expect(callsOf(plain).length).toBe(uses);
    // what the graphs say of themselves can be read back
    expect(raiseAdapters(plain, 'test')).toBe(uses);
    expect(callsOf(readModel(join(folder, apply!.file)))).toEqual([]);
    expect(verify(readModel(join(folder, 'step-loop.onnx')))).toEqual([]);
  });
});

/** x of three axes through MatMul with a bias after it, then Gemm forms; one layer reads what another gives. */
const MODEL = (opset: number) => `<ir_version: 8, opset_import: ["" : ${opset}]>
g (float[b, t, 7] x) => (float[n, 3] y)
<float[7,5] "q.weight" = {${values(35, 1)}}, float[5] "q.bias" = {${values(5, 2)}}, int64[2] rows = {-1, 5},
 float[6,5] "o.weight" = {${values(30, 3)}}, float[6] "o.bias" = {${values(6, 4)}}, float[6,3] "v.weight" = {${values(18, 5)}},
 float[1,3] "v.bias" = {${values(3, 6)}}>
{
  ["/q/MatMul"] q0 = MatMul (x, "q.weight")
  ["/q/Add"] q = Add (q0, "q.bias")
  h = Tanh (q)
  flat = Reshape (h, rows)
  ["/o/Gemm"] o = Gemm <transB = 1, alpha = 0.5, beta = 1.5> (flat, "o.weight", "o.bias")
  p = Tanh (o)
  ["/v/Gemm"] y = Gemm <beta = 0.75> (p, "v.weight", "v.bias")
}`;

function values(size: number, seed: number): string {
  return [...noise(size, seed)].join(', ');
}

interface Made {
  readonly folder: string;
  readonly signature: Signature;
  readonly calls: readonly string[];
}

function emitted(spec: AdapterSpec, opset: number, options: Partial<TrainOptions>): Made {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const model = parseModel(MODEL(opset), 'test');
  rewrite(model, { spec: { ...spec, scale: 1.5 }, rank: 2, targets: ['q', 'o', 'v'] });
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const { signature } = emitTraining({
    open: () => readModel(path),
    folder,
    options: { ...TRAIN_DEFAULTS, maxNorm: null, ...options },
  });
  return { folder, signature, calls: callsOf(readModel(join(folder, signature.graphs.grad!.file))) };
}

/** Loss and gradients at factors that are not zero. */
async function gradients({ folder, signature }: Made): Promise<Record<string, Tensor>> {
  const graph = signature.graphs.grad!;
  const size = (shape: readonly (number | string)[]) =>
    shape.map((dim) => (typeof dim === 'number' ? dim : ({ b: 2, t: 3 } as Record<string, number>)[dim]!));
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, role, shape }, index): [string, Tensor] => {
      if (role === 'label')
        return [name, { dtype: 'int32', shape: [6], data: Int32Array.of(0, 2, 1, 2, 0, 1) }];
      const extents = size(shape);
      return [
        name,
        f32Of(
          extents,
          noise(
            extents.reduce((a, b) => a * b, 1),
            11 + index,
          ),
        ),
      ];
    }),
  );
  return runOrt(join(folder, graph.file), feeds, { level: 'disabled' });
}

const CASES: readonly (readonly [string, AdapterSpec, number, Partial<TrainOptions>, readonly string[]])[] = [
  [
    'LoTR',
    LOTR,
    17,
    {},
    [
      'LoTRLinear_gemm',
      'LoTRLinear_gemm',
      'LoTRLinear_nobias',
      'LoTRLinearGrad_dR_dM_dL',
      'LoTRLinearGrad_dx_dR_dM_dL',
      'LoTRLinearGrad_dx_dR_dM_dL',
    ],
  ],
  [
    'LoRA',
    LORA,
    17,
    {},
    [
      'Adapter_lora_gemm',
      'Adapter_lora_gemm',
      'Adapter_lora_nobias',
      'Adapter_loraGrad_dA_dB',
      'Adapter_loraGrad_dx_dA_dB',
      'Adapter_loraGrad_dx_dA_dB',
    ],
  ],
  [
    'cores only',
    LOTR,
    17,
    { train: ['M'] },
    [
      'LoTRLinear_gemm',
      'LoTRLinear_gemm',
      'LoTRLinear_nobias',
      'LoTRLinearGrad_dM',
      'LoTRLinearGrad_dx_dM',
      'LoTRLinearGrad_dx_dM',
    ],
  ],
  [
    'weights and biases in full',
    LOTR,
    17,
    { train: ['M', 'L'], alsoTrain: ['^[oqv]\\.(weight|bias)$'] },
    [
      'LoTRLinear_gemm',
      'LoTRLinear_gemm',
      'LoTRLinear_nobias',
      'LoTRLinearGrad_dM_dL',
      'LoTRLinearGrad_dx_dM_dL',
      'LoTRLinearGrad_dx_dM_dL_db',
    ],
  ],
  ['operator set 12', LOTR, 12, { alsoTrain: ['^o\\.bias$'] }, []],
];

test.each(CASES)('%s: functions and plain nodes give the same', async (_, spec, opset, options, calls) => {
  const [kept, plain] = [true, false].map((keepFunctions) =>
    emitted(spec, opset, { ...options, keepFunctions }),
  );
  const sorted = [...calls].sort();
  if (calls.length > 0) expect(kept!.calls).toEqual(sorted);
  expect(plain!.calls).toEqual([]);
  const [a, b] = [await gradients(kept!), await gradients(plain!)];
  expect(Object.keys(a)).toEqual(Object.keys(b));
  for (const [name, tensor] of Object.entries(b)) {
    expect(a[name]!.shape, name).toEqual(tensor.shape);
    expect(Math.max(...Array.from(tensor.data, (v) => Math.abs(Number(v)))), name).toBeGreaterThan(0);
    expect(relativeError(a[name]!.data, tensor.data), name).toBeLessThan(1e-6);
  }
});

test('a layer that is not a product is written out; a model of such layers alone is refused', () => {
  const text = (rest: string) => `<ir_version: 8, opset_import: ["" : 17]>
g (float[b, 2, 5] x) => (float[b, 3, 2] y)
<float[3,2,2] "c.weight" = {${values(12, 1)}}, float[4,4] "m.weight" = {${values(16, 2)}}>
{ ${rest} }`;
  const emit = (body: string, targets: string[]) => {
    const folder = mkdtempSync(join(scratch, 'run-'));
    const model = parseModel(text(body), 'test');
    rewrite(model, { rank: 2, targets, share: 'site' });
    const path = join(folder, 'model.lotr.onnx');
    writeModel(model, path);
    const options = { ...TRAIN_DEFAULTS, loss: 'mse' as const, keepFunctions: true };
    emitTraining({ open: () => readModel(path), folder, options });
    return callsOf(readModel(join(folder, 'grad.onnx')));
  };
  const conv = '["/c/Conv"] c = Conv (x, "c.weight")';
  const both = `${conv} ["/m/MatMul"] y = MatMul (c, "m.weight")`.replace('float[b, 3, 2]', '');
  expect(count(emit(both, ['c', 'm']), 'LoTRLinear_nobias')).toBe(1);
  try {
    emit(conv.replace('c = Conv', 'y = Conv'), ['c']);
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof LotrcError)) throw error;
    expect(error.message).toContain('LOTR5008');
    expect(error.message).toContain('--keep-functions');
  }
});

test('lotrc emit onnx-train --keep-functions', async () => {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.onnx');
  writeModel(parseModel(MODEL(17), 'test'), path);
  const run = async (...words: readonly string[]) => {
    const { code, err } = await lotrc(...words);
    expect(code, err).toBe(0);
  };
  // written in functions, too: the training graphs have their own
  await run('rewrite', path, '--rank', '2', '--method', 'lora', '--target', 'o', '--keep-functions');
  const rewritten = join(folder, 'model.lotr.onnx');
  await run('emit', 'onnx-train', rewritten, '-o', join(folder, 'kept'), '--keep-functions');
  await run('emit', 'onnx-train', rewritten, '-o', join(folder, 'plain'));
  const called = (name: string, graph: string) => callsOf(readModel(join(folder, name, graph)));
  for (const graph of ['grad.onnx', 'step.onnx'])
    expect(called('kept', graph)).toEqual(['Adapter_loraGrad_dA_dB', 'Adapter_lora_gemm']);
  for (const graph of ['eval.onnx', 'infer.onnx'])
    expect(called('kept', graph)).toEqual(['Adapter_lora_gemm']);
  for (const graph of ['grad.onnx', 'step.onnx', 'eval.onnx', 'infer.onnx'])
    expect(called('plain', graph)).toEqual([]);
});
