import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { opDef } from '../../../src/ir/ops/index.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { type Arg, buildCase, type OpCase, tensor } from '../../support/op-case.js';

/** Forms that the pass leaves alone, and what LOTR4201 and LOTR4202 say about them. */

const SELF = [
  [2, 3, 8],
  [2, 3, 8],
  [2, 3, 8],
] as const;
const FOUR = [
  [2, 2, 3, 4],
  [2, 2, 3, 4],
  [2, 2, 3, 4],
] as const;
const CACHE = [2, 2, 5, 4] as const;
const MS = { domain: 'com.microsoft', opset: 17 } as const;
const TWO = { num_heads: 2 };
const SHARED = { num_heads: 2, kv_num_heads: 2 };
const ROWS = [tensor('i32', [2], [2, 2]), tensor('i32', [1], [3])] as const;
const grouped = (...more: Arg[]): readonly Arg[] => [...SELF, null, null, ...ROWS, ...more];

const INTEGER = tensor('i64', [3, 3], [0, 1, 0, 0, 1, 1, 1, 0, 1]);
const LEFT: readonly [string, readonly Arg[], OpCase, string][] = [
  ['Attention', [...FOUR, null, CACHE, CACHE], { opset: 23 }, 'a cache'],
  ['Attention', [...FOUR, null, null, null, tensor('i64', [2], [3, 2])], { opset: 24 }, 'nonpad_kv_seqlen'],
  ['Attention', FOUR, { opset: 23, outputs: 4 }, 'qk_matmul_output'],
  ['Attention', FOUR, { opset: 25, attrs: { left_window_size: 1 } }, 'sliding window'],
  ['Attention', [...FOUR, INTEGER], { opset: 23 }, 'the type i64'],
  ['MultiHeadAttention', [...SELF, null, null, null, CACHE, CACHE], { ...MS, attrs: TWO }, 'a cache'],
  ['MultiHeadAttention', [[2, 3, 2, 3, 4]], { ...MS, attrs: TWO }, 'packed'],
  [
    'MultiHeadAttention',
    [
      [2, 3, 8],
      [2, 4, 8],
      [2, 4, 8],
    ],
    { ...MS, attrs: { ...TWO, unidirectional: 1 } },
    'different lengths',
  ],
  [
    'MultiHeadAttention',
    [...SELF, null, tensor('i32', [8], [3, 3, 0, 3, 6, 0, 3, 6])],
    { ...MS, attrs: TWO },
    'mask has the shape [8]',
  ],
  ['Attention', [[2, 3, 8], [8, 24], [24], null, [2, 2, 2, 5, 4]], { ...MS, attrs: TWO }, 'a cache'],
  ['Attention', [[2, 3, 8], [8, 24], [24]], { ...MS, attrs: { ...TWO, do_rotary: 1 } }, 'do_rotary'],
  ['Attention', [[2, 3, 8], [8, 24], [24]], { ...MS, attrs: TWO, outputs: 2 }, 'present'],
  ['GroupQueryAttention', [...SELF, CACHE, CACHE, ...ROWS], { ...MS, attrs: SHARED }, 'a cache'],
  [
    'GroupQueryAttention',
    grouped(),
    { ...MS, attrs: { ...SHARED, local_window_size: 2 } },
    'window of 2 keys',
  ],
  ['GroupQueryAttention', grouped(), { ...MS, attrs: { ...SHARED, smooth_softmax: 1 } }, 'sink'],
  [
    'GroupQueryAttention',
    grouped(null, null, null, [2, 1, 3, 3]),
    { ...MS, attrs: SHARED },
    'attention_bias',
  ],
  [
    'GroupQueryAttention',
    grouped([6, 2], [6, 2], tensor('i64', [2, 3], [0, 1, 2, 0, 1, 2])),
    { ...MS, attrs: { ...SHARED, do_rotary: 1 } },
    'position_ids',
  ],
];

describe('leaves a form alone and says why it cannot be differentiated', () => {
  test.each(LEFT.map((row) => [`${row[2].domain ?? ''} ${row[0]}: ${row[3]}`, row] as const))(
    '%s',
    (_, [op, args, options, because]) => {
      const { model } = buildCase(op, args, options);
      const node = model.graph.nodes.first!;
      expect(decompose(model)).toBe(0);
      expect([...model.graph.nodes]).toEqual([node]);
      const [x] = node.inputs;
      const [y] = node.outputs;
      const seeds = new Map([[y!, x!]]);
      const problem = caught(() => differentiate(model.graph, { seeds, wrt: [x!] }));
      expect(problem.diagnostics.map(({ code }) => code)).toEqual([
        because === 'a cache' ? 'LOTR4202' : 'LOTR4201',
      ]);
      expect(problem.diagnostics[0]!.message).toContain(because);
    },
  );
});

test('operator sets before 11 are left alone', () => {
  const { model } = buildCase('MultiHeadAttention', SELF, { ...MS, opset: 10, attrs: TWO });
  expect(decompose(model)).toBe(0);
  const { inputs, outputs } = model.graph.nodes.first!;
  const seeds = new Map([[outputs[0]!, inputs[0]!]]);
  const problem = caught(() => differentiate(model.graph, { seeds, wrt: [inputs[0]!] }));
  expect(problem.diagnostics[0]!.message).toContain('operator sets from 11 on');
});

test('a supported form that was not lowered is refused, never zero', () => {
  const { model } = buildCase('Attention', FOUR, { opset: 23 });
  expect(inferShapes(model)).toEqual([]);
  const node = model.graph.nodes.first!;
  expect(opDef('', 'Attention', 23)!.vjp).toBeDefined();
  const seeds = new Map([[node.outputs[0]!, node.inputs[0]!]]);
  const problem = caught(() => differentiate(model.graph, { seeds, wrt: [node.inputs[0]!] }));
  expect(problem.diagnostics[0]!.message).toContain('decompose');
});

function caught(run: () => unknown): LotrcError {
  try {
    run();
  } catch (error) {
    if (error instanceof LotrcError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
