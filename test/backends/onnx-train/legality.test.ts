import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PROVIDERS } from '../../../src/backends/onnx-train/legality/providers.js';
import { checkLegality } from '../../../src/backends/onnx-train/legality.js';
import { attrInt } from '../../../src/ir/attr.js';
import type { DType } from '../../../src/ir/dtype.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { OP_VERSIONS } from '../../../src/ir/ops/generated/attr-defaults.js';
import { tensorType } from '../../../src/ir/shape.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import type { TrainingEp } from '../../../src/train/signature.js';
import { inTurn } from '../../support/everything.js';
import { oracles } from '../../support/oracle.js';
import { emitOracle } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-legality-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const EPS: readonly TrainingEp[] = ['cpu', 'cuda', 'webgpu', 'wasm'];

describe.each(oracles().map((oracle, n) => [oracle.name, oracle, n] as const))('%s', (_name, oracle, n) => {
  test('every node of every graph is legal on every provider, as emitted and as read from the files', () => {
    const { folder, signature } = emitOracle(oracle, scratch, { ep: EPS });
    for (const { file } of Object.values(signature.graphs)) {
      const model = readModel(join(folder, file));
      inferShapes(model);
      for (const ep of EPS) checkLegality(model, ep, []);
    }
    if (inTurn([2, null, null], n).includes(2))
      emitOracle(oracle, scratch, { ep: ['cpu', 'cuda', 'wasm'], loop: 2 });
    // up to operator set 18 the published list of CUDA kernels leaves nothing open
    const step = readModel(join(folder, signature.graphs.step!.file));
    inferShapes(step);
    const remarks = checkLegality(step, 'cuda', []);
    if (signature.opset <= 18) expect(remarks).toEqual([]);
    else expect(remarks[0]!.message).toMatch(/: (Equal-19|Pad-19|ReduceM(ax|in)-20|, )+$/);
  });
});

/** A model of one node in a loop's body, so that its path has two parts. */
function modelOf(op: string, type: DType, opset: number, outputs = ['y'], domain = ''): Model {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType(type, [2, 3]));
  const body = new Graph('body');
  body.addInput('i', tensorType('i64', []));
  const cond = body.addInput('c', tensorType('bool', []));
  const node = body.append({ op, domain, inputs: [x], outputs, name: 'inner' });
  for (const output of node.outputs) output.setType(tensorType(type, [2, 3]));
  body.addOutput(cond);
  body.addOutput(node.outputs[0]!);
  graph.append({
    op: 'If',
    inputs: [null],
    outputs: ['z'],
    name: 'outer',
    attrs: [
      ['then_branch', { kind: 'graph', value: body }],
      ['unused', attrInt(1)],
    ],
  });
  const model = new Model(graph);
  model.setOpset('', opset);
  model.setOpset('com.microsoft', 1);
  return model;
}

describe('refusals (LOTR5006) name op, provider and node path', () => {
  test.each<[TrainingEp, string, DType, number, RegExp]>([
    ['cpu', 'QuickGeluGrad', 'f32', 17, /no kernel/],
    ['wasm', 'NoSuchOp', 'f32', 17, /no kernel/],
    ['cpu', 'Erf', 'f64', 17, /takes no double/],
    ['cuda', 'Reciprocal', 'bf16', 17, /takes no bfloat16/],
    ['cuda', 'Gelu', 'f32', 17, /from version 20 on/],
    ['cuda', 'GroupNormalization', 'f32', 21, /no kernel/],
    ['webgpu', 'Sign', 'f32', 17, /no kernel/],
    ['webgpu', 'Dropout', 'f32', 17, /no kernel/],
    ['webgpu', 'Sin', 'f32', 22, /up to version 21/],
    ['webgpu', 'MatMul', 'f64', 17, /takes no double/],
  ])('%s: %s of %s at %i', (ep, op, type, opset, why) => {
    const check = () => checkLegality(modelOf(op, type, opset), ep, []);
    expect(check).toThrow(/LOTR5006/);
    expect(check).toThrow(new RegExp(`${op} does not run on the ${ep} provider`));
    expect(check).toThrow(why);
    expect(check).toThrow(/outer.*inner/s);
    expect(checkLegality(modelOf(op, type, opset), ep, [op])).toEqual([]);
  });

  test('an output that a kernel leaves unwritten', () => {
    const model = (outputs: string[]) =>
      modelOf('SkipLayerNormalization', 'f32', 17, outputs, 'com.microsoft');
    expect(() => checkLegality(model(['y', 'mean']), 'webgpu', [])).toThrow(/output 1 is not written/);
    expect(checkLegality(model(['y', '', '', 'sum']), 'webgpu', [])).toEqual([]);
    expect(checkLegality(model(['y', 'mean']), 'cuda', [])).toEqual([]);
    const rms = modelOf('SimplifiedLayerNormalization', 'f32', 17, ['y', 'inverse']);
    expect(() => checkLegality(rms, 'webgpu', [])).toThrow(/output 1 is not written/);
  });
});

test('what is not refused: float16 on the CPU, expanded ops, other domains, shapes and indices', () => {
  expect(checkLegality(modelOf('Erf', 'f16', 17), 'cpu', [])).toEqual([]);
  expect(checkLegality(modelOf('Mish', 'f32', 18), 'cpu', [])).toEqual([]);
  expect(checkLegality(modelOf('Anything', 'f32', 17, ['y'], 'org.example'), 'webgpu', [])).toEqual([]);
  expect(checkLegality(modelOf('Mod', 'i64', 17), 'webgpu', [])).toEqual([]);
});

test('a CUDA kernel that was registered for an older version of the op: a remark (LOTR5009)', () => {
  const remarks = checkLegality(modelOf('Cos', 'f32', 22), 'cuda', []);
  expect(remarks).toMatchObject([{ code: 'LOTR5009', severity: 'remark' }]);
  expect(remarks[0]!.message).toContain('Cos-22');
  expect(checkLegality(modelOf('Cos', 'f32', 21), 'cuda', [])).toEqual([]);
});

test.each(EPS)('the table of %s: ops that exist, ranges in order, types that exist', (ep) => {
  const types = /^(any|bool|bf16|[fiu](4|8|16|32|64))$/;
  for (const [op, { versions }] of PROVIDERS[ep].kernels) {
    const contrib = op.startsWith('com.microsoft::') || op === 'SimplifiedLayerNormalization';
    if (!contrib) expect(OP_VERSIONS, op).toHaveProperty(op);
    for (const [k, { from, to, types: held }] of versions.entries()) {
      expect(to ?? from, op).toBeGreaterThanOrEqual(from);
      if (k > 0) expect(from, op).toBeGreaterThan(versions[k - 1]!.to ?? Number.POSITIVE_INFINITY);
      for (const type of held ?? []) expect(type, op).toMatch(types);
    }
  }
});
