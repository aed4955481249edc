import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { attrTensor } from '../../src/ir/attr.js';
import { hostMissing } from '../../src/ir/codes/cli.js';
import { formatDiagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import { Graph, Model } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { ComputedTensor, f32Tensor } from '../../src/ir/tensor.js';
import { printModel } from '../../src/ir/text/index.js';
import { verify } from '../../src/ir/verify.js';

/** Diagnostics that no command line with a small file can bring about. */

const folder = mkdtempSync(join(tmpdir(), 'lotrc-rare-'));
afterAll(() => rmSync(folder, { recursive: true }));

function codesOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof LotrcError) return error.diagnostics.map(({ code }) => code);
    throw error;
  }
  return [];
}

test('LOTR1204: weights beyond 2 GiB cannot be inline', () => {
  const model = new Model(new Graph('g'));
  model.setOpset('', 17);
  const never = () => {
    throw new Error('the data must not be made to find out that it is too large');
  };
  model.graph.addInitializer('w', new ComputedTensor('f32', [0x20000, 0x2000], 'test', never));
  expect(codesOf(() => writeModel(model, join(folder, 'large.onnx'), { weights: 'inline' }))).toEqual([
    'LOTR1204',
  ]);
  expect(readdirSync(folder)).toEqual([]);
});

test('LOTR1407: graphs nested too deep are not printed', () => {
  let graph = new Graph('innermost');
  for (let depth = 0; depth < 70; depth++) {
    const outer = new Graph(`level${depth}`);
    outer.append({
      op: 'If',
      inputs: [],
      outputs: [],
      attrs: [['then_branch', { kind: 'graph', value: graph }]],
    });
    graph = outer;
  }
  expect(codesOf(() => printModel(new Model(graph)))).toEqual(['LOTR1407']);
});

test('LOTR2010: the same constant twice is a warning', () => {
  const model = new Model(new Graph('g'));
  model.setOpset('', 17);
  for (let copy = 0; copy < 2; copy++) {
    const attrs = [['value', attrTensor(f32Tensor([2], [0.5, -3]))]] as const;
    model.graph.append({ op: 'Constant', inputs: [], outputs: ['c'], attrs });
  }
  expect(verify(model).map(({ code, severity }) => [code, severity])).toEqual([['LOTR2010', 'warning']]);
});

test('LOTR8003: says what to install', () => {
  const text = formatDiagnostic(hostMissing({ why: "Cannot find package 'onnxruntime-node'" }));
  expect(text).toMatch(/^error LOTR8003: .*\n {2}hint: run `npm install onnxruntime-node@/);
});
