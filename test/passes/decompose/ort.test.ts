import { expect, test } from 'vitest';
import type { Model } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { isValid } from '../../support/is-valid.js';
import { buildCase } from '../../support/op-case.js';
import { maxDifference, runOrt } from '../../support/ort.js';
import { GROUP_QUERY, MULTI_HEAD, PACKED_ATTENTION, STANDARD } from './rows.js';

/** What the pass makes of an operator, run in ONNX Runtime, against ONNX Runtime's kernel of the operator. */

const rows = [...STANDARD, ...MULTI_HEAD, ...PACKED_ATTENTION, ...GROUP_QUERY].map(
  (row) => [row.name, row] as const,
);

test.each(rows)('%s', async (_, { op, args, options }) => {
  const whole = buildCase(op, args, options);
  const expected = await runOrt(whole.bytes, whole.feeds, { level: 'disabled' });
  for (const dynamic of [false, true]) {
    const { model, feeds } = buildCase(op, args, options);
    if (dynamic) forgetExtents(model);
    expect(decompose(model)).toBe(1);
    expect(isValid(model)).toBe(true);
    const ops = [...model.graph.nodes].map(({ opKey }) => opKey);
    expect(ops.filter((key) => key.endsWith('Attention'))).toEqual([]);
    const actual = await runOrt(encodeModel(model), feeds, { level: 'disabled' });
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, tensor] of Object.entries(expected))
      expect(maxDifference(actual[name]!, tensor), name).toBeLessThan(2e-6);
  }
});

/** The batch and the lengths are only known at run time; widths and numbers of heads stay. */
function forgetExtents(model: Model): void {
  const [query] = model.graph.inputs;
  const batch = query!.type?.kind === 'tensor' ? query!.type.shape![0]! : 0;
  const self = !model.graph.inputs[1] || sameLength(model);
  for (const input of model.graph.inputs) {
    const { type } = input;
    const k = Number(input.name.slice(1));
    if (type?.kind !== 'tensor' || !type.shape || k > 5) continue;
    const rank = type.shape.length;
    const shape = type.shape.map((dim, i) => {
      if (i === 0 && dim === batch) return 'batch';
      if (i !== rank - 2 || k > 2 || rank < 3) return dim;
      return k === 0 || self ? 'queries' : 'keys';
    });
    input.setType(tensorType(type.dtype, shape));
  }
}

function sameLength(model: Model): boolean {
  const [q, k] = model.graph.inputs.map(({ type }) => (type?.kind === 'tensor' ? type.shape!.at(-2) : null));
  return q === k;
}
