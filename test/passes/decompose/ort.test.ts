import { expect, test } from 'vitest';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { check } from '../../../src/ir/verify.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { buildCase } from '../../support/op-case.js';
import { maxDifference, runOrt } from '../../support/ort.js';
import { STANDARD } from './rows.js';

/** What the pass makes of an operator, run in ONNX Runtime, against ONNX Runtime's kernel of the operator. */

const rows = STANDARD.map((row) => [row.name, row] as const);

test.each(rows)('%s', async (_, { op, args, options }) => {
  const whole = buildCase(op, args, options);
  const expected = await runOrt(whole.bytes, whole.feeds, { level: 'disabled' });
  for (const dynamic of [false, true]) {
    const { model, feeds } = buildCase(op, args, options);
    if (dynamic) forgetExtents(model.graph.inputs);
    expect(decompose(model)).toBe(1);
    expect(check(model)).toBe(true);
    const ops = [...model.graph.nodes].map(({ opKey }) => opKey);
    expect(ops.filter((key) => key.endsWith('Attention'))).toEqual([]);
    const actual = await runOrt(encodeModel(model), feeds, { level: 'disabled' });
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, tensor] of Object.entries(expected))
      expect(maxDifference(actual[name]!, tensor), name).toBeLessThan(2e-6);
  }
});

/** The batch and the lengths are only known at run time; widths and numbers of heads stay. */
function forgetExtents(inputs: ReturnType<typeof buildCase>['model']['graph']['inputs']): void {
  for (const [k, input] of inputs.entries()) {
    const { type } = input;
    if (type?.kind !== 'tensor' || !type.shape || type.shape.length < 3) continue;
    const length = type.shape.length - 2;
    const names = k === 0 ? 'queries' : k < 3 ? 'keys' : null;
    const shape = type.shape.map((dim, i) => (i === 0 && k < 3 ? 'batch' : i === length ? names : dim));
    input.setType(tensorType(type.dtype, shape));
  }
}
