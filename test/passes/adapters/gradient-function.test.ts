import { expect, test } from 'vitest';
import { operandsOf } from '../../../src/adapter/terms.js';
import { attrFloat, attrInt, attrString } from '../../../src/ir/attr.js';
import { Graph, Model, Node } from '../../../src/ir/model.js';
import type { NdArray } from '../../../src/ir/ops/core/define.js';
import { opDef } from '../../../src/ir/ops/index.js';
import { tensorType } from '../../../src/ir/shape.js';
import { defineGradient } from '../../../src/passes/adapters/gradient-function.js';
import { inlineCalls } from '../../../src/passes/inline/inline.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { noise } from '../../support/ort.js';

const [IN, OUT, RANK] = [7, 5, 3];
/** chains, vectors between, and einsums that are not a product of a matrix and the rest */
const DELTAS = [
  'ir,ro->io',
  'ir,rs,so->io',
  'ir,rs,st,to->io',
  'ir,r,ro,o->io',
  'ir,rsk,k,so->io',
  'ir,ro,is,so->io',
  'ri,rj,ji,jro->io',
] as const;
/** different ranks, so that no axis fits another one's place */
const RANKS: Readonly<Record<string, number>> = { i: IN, o: OUT, r: RANK, s: 2, t: 4, k: 6, j: 2 };
const ATTRS = { scale: attrFloat(1.25), alpha: attrFloat(0.5), beta: attrFloat(0.75) };

const array = (shape: readonly number[], seed: number): NdArray => ({
  shape,
  data: Float64Array.from(
    noise(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  ),
});

/** The body of the function for these outputs, in float64, against the reference of the operator. */
function worst(delta: string, rows: readonly number[], stored: 0 | 1, mask: number, opset: number): number {
  const count = delta.split(',').length;
  const factors = Array.from({ length: count }, (_, f) => `F${f + 1}`);
  const wanted = Array.from({ length: count + 2 }, (_, k) => (mask & (1 << k)) !== 0);
  const shapes = [
    [...rows, IN],
    stored ? [OUT, IN] : [IN, OUT],
    ...operandsOf({ delta }).map((letters) => letters.map((letter) => RANKS[letter]!)),
    [...rows, OUT],
  ];
  const given = shapes.map((shape, k) => array(shape, 3 + k));
  const attrs = { ...ATTRS, transB: attrInt(stored ? 0 : 1) };
  const graph = new Graph('case');
  const model = new Model(graph);
  model.setOpset('', opset);
  model.setOpset('lotrc', 1);
  const inputs = given.map(({ shape }, k) => graph.addInput(`i${k}`, tensorType('f64', shape)));
  model.addFunction(defineGradient('Made', { delta, factors, wanted, half: false, opset }));
  const names = wanted.flatMap((want, k) => (want ? [`o${k}`] : []));
  const call = graph.append({
    op: 'Made',
    domain: 'lotrc',
    inputs,
    outputs: names,
    attrs: Object.entries(attrs),
  });
  for (const output of call.outputs) graph.addOutput(output);
  expect(inlineCalls(model)).toBe(1);
  const results = evaluateGraph(graph, new Map(given.map((data, k) => [`i${k}`, data])));
  const reference = new Node({
    op: 'LoTRLinearGrad',
    domain: 'lotrc',
    inputs,
    outputs: wanted.map((_, k) => `r${k}`),
    attrs: [['delta', attrString(delta)], ...Object.entries(attrs)],
  });
  const right = opDef('lotrc', 'LoTRLinearGrad', 1)!.value!(reference, given).filter((_, k) => wanted[k]);
  expect(graph.outputs.length).toBe(right.length);
  return Math.max(
    ...graph.outputs.map((output, k) => {
      const { shape, data } = results.get(output)!;
      expect(shape).toEqual(right[k]!.shape);
      return Math.max(...data.map((v, i) => Math.abs(v - right[k]!.data[i]!)));
    }),
  );
}

test.each(DELTAS)('%s: the body for every choice of outputs computes what the operator means', (delta) => {
  const count = delta.split(',').length;
  for (let mask = 1; mask < 1 << (count + 2); mask++) {
    expect(worst(delta, [2, 3], mask % 2 ? 0 : 1, mask, 17), String(mask)).toBeLessThan(1e-12);
  }
});

test.each([
  ['one row without a batch', [], 0, 17],
  ['rows', [4], 1, 17],
  ['three axes before the last', [2, 1, 3], 0, 17],
  ['the operator set before axes became an input', [4], 0, 12],
] as const)('%s', (_, rows, stored, opset) => {
  expect(worst('ir,rs,so->io', rows, stored, 0b11111, opset)).toBeLessThan(1e-12);
});
