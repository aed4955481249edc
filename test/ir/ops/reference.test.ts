import { describe, expect, test } from 'vitest';
import type { OpCase } from '../../../src/ir/ops/core/define.js';
import { opDef } from '../../../src/ir/ops/index.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { DECLARED_CASES, DEFINITIONS, nodeCase } from '../../support/declared-cases.js';
import { buildCase, dtypeOfOrt } from '../../support/op-case.js';
import { runOrt } from '../../support/ort.js';

/** The ways of Resize to place and to weigh: too many for its declaration. */
const RESIZE: readonly OpCase[] = (
  [
    ['nearest', 'half_pixel', 'ceil'],
    ['nearest', 'asymmetric', 'floor'],
    ['nearest', 'align_corners', 'round_prefer_ceil'],
    ['nearest', 'pytorch_half_pixel', 'round_prefer_ceil'],
    ['linear', 'half_pixel', 'floor'],
    ['linear', 'half_pixel_symmetric', 'floor'],
    ['linear', 'align_corners', 'floor'],
    ['linear', 'asymmetric', 'floor'],
    ['cubic', 'half_pixel', 'floor'],
    ['cubic', 'pytorch_half_pixel', 'floor'],
  ] as const
).flatMap(([mode, at, nearest_mode]) => {
  const attrs = { mode, coordinate_transformation_mode: at, nearest_mode };
  return [
    { inputs: ['float[1,2,3,4]', '', 'const float[4] {1, 1, 2, 0.75}'], attrs },
    { inputs: ['float[1,2,5,3]', '', '', 'const int64[4] {1, 2, 4, 7}'], attrs },
  ];
});

/** Ops whose value is not held against ONNX Runtime, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'lotrc::Detach':
    'only training graphs have it, before they are differentiated: test/adapter/methods.test.ts',
  'lotrc::LoTRLinear': 'an operator of lotrc: test/ir/ops/registry.test.ts holds it against products',
  'lotrc::LoTRLinearGrad': 'an operator of lotrc: test/passes/adapters/gradient-function.test.ts',
};

/** ONNX Runtime reads operator sets from this one on. */
const OLDEST = 7;

describe('the type and the float64 value of each operator against ONNX Runtime, one node at a time', () => {
  test.each([
    ...DECLARED_CASES.filter(({ def }) => def.value && !(def.name in EXCEPTIONS)),
    ...RESIZE.map((given, k) => ({ name: `Resize, ${k}`, key: 'Resize', given })),
  ])('$name', async ({ key, given }) => {
    const [op, args, options] = nodeCase({ key, given });
    const built = buildCase(op, args, options);
    expect(inferShapes(built.model)).toEqual([]);
    const node = built.model.graph.nodes.first!;
    const def = opDef(node.domain, node.op, options.opset!)!;
    const results = def.value!(node, built.inputs);
    const theirs = await runOrt(built.bytes, built.feeds, { level: 'disabled' });
    for (const [k, output] of node.outputs.entries()) {
      const expected = theirs[output.name]!;
      const type = output.type;
      if (type?.kind !== 'tensor') throw new Error(`no type for ${output.name}`);
      expect(type.dtype).toBe(dtypeOfOrt(expected.dtype));
      // what depends on the data is unknown; everything else must be known
      const dims = op === 'NonZero' ? [type.shape![0], expected.shape[1]] : type.shape;
      expect(dims).toEqual(expected.shape);
      expect(results[k]!.shape).toEqual(expected.shape);
      for (const [i, value] of results[k]!.data.entries()) {
        const theirsAt = Number(expected.data[i]);
        const bound = (given.tolerance ?? 1e-5) * Math.max(1, Math.abs(value));
        expect(
          Math.abs(value - theirsAt) <= bound || Object.is(value, theirsAt),
          `[${k}][${i}]: ${value}, ORT ${theirsAt}`,
        ).toBe(true);
      }
    }
  });
});

test('every definition with a value has a case, or a reason why not', () => {
  const shown = new Set(DECLARED_CASES.map(({ def }) => def));
  const valued = [...DEFINITIONS.values()]
    .flat()
    .filter(({ value, until = OLDEST }) => value && until >= OLDEST);
  const missing = valued.filter((def) => !shown.has(def) && !(def.name in EXCEPTIONS));
  expect(missing.map(({ name, since }) => `${name} of version ${since}`)).toEqual([]);
  const names = new Set<string>(valued.map(({ name }) => name));
  expect(Object.keys(EXCEPTIONS).filter((key) => !names.has(key))).toEqual([]);
});
