import { describe, expect, test } from 'vitest';
import type { Model } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { elementCount } from '../../src/ir/shape.js';
import { parseModel } from '../../src/ir/text/index.js';
import { removeDead } from '../../src/passes/dce.js';
import { foldConstants } from '../../src/passes/fold-constants.js';
import { DECLARED_CASES, nodeCase } from '../support/declared-cases.js';
import { type Arg, buildCase } from '../support/op-case.js';
import { noise, runOrt } from '../support/ort.js';

/** Ops that exporters leave in models with constants for all inputs, of every kind of element type. */
const OPS =
  'Add Cast Concat ConstantOfShape Div Gather Not QuantizeLinear Range ReduceMean Shape Slice TopK Where';

const fixed = (arg: Arg, k: number): Arg => {
  if (arg === null) return null;
  if ('dtype' in arg) return { ...arg, constant: true };
  return { dtype: 'f32', shape: arg, data: [...noise(elementCount(arg), k + 3)], constant: true };
};

/** The model with an Identity between each result and its output: a node that delivers an output is not folded. */
function read(model: Model): Model {
  const { graph } = model;
  for (const output of [...graph.outputs]) {
    graph.removeOutput(output);
    graph.addOutput(
      graph.append({ op: 'Identity', inputs: [output], outputs: [`${output.name}/read`] }).outputs[0]!,
    );
  }
  return model;
}

describe('what is computed of constants is what ONNX Runtime computes', () => {
  const wanted = new Set(OPS.split(' '));
  test.each(DECLARED_CASES.filter(({ key }) => wanted.has(key)))('$name', async ({ key, given }) => {
    const [op, args, options] = nodeCase({ key, given });
    const plain = read(buildCase(op, args.map(fixed), options).model);
    const before = await runOrt(encodeModel(plain), {}, { level: 'disabled' });
    expect(foldConstants(plain, 64)).toBe(1);
    removeDead(plain);
    expect([...plain.graph.nodes].map((node) => node.op)).not.toContain(op);
    const after = await runOrt(encodeModel(plain), {}, { level: 'disabled' });
    for (const [name, { dtype, shape, data }] of Object.entries(before)) {
      expect(after[name]).toMatchObject({ dtype, shape });
      for (const [i, value] of Array.from(after[name]!.data, Number).entries())
        expect(value).toBeCloseTo(Number(data[i]), 5);
    }
  });
});

test.each([
  ['random numbers', 'a = RandomNormal <shape = [2]> () y = Neg (a)'],
  ['what a caller may replace', 'y = Neg (given)'],
  ['integers that are not exact', 'a = Add (huge, huge) y = Neg (a)'],
  ['what leaves its type', 'a = Add (byte, byte) y = Cast <to = 7> (a)'],
  ['more elements than wanted', 'a = Neg (long) y = Neg (a)'],
])('%s: left as they are', (_, nodes) => {
  const model = parseModel(`<ir_version: 8, opset_import: ["": 17]>
    g (float x, float given = {1}) => (z)
    <int64 huge = {9007199254740993}, uint8 byte = {200}, float[5] long = {1, 2, 3, 4, 5}> { ${nodes} z = Identity (y) }`);
  expect(foldConstants(model, 4)).toBe(0);
});
