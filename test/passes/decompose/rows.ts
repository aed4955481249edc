import { type Arg, type OpCase, tensor } from '../../support/op-case.js';

export interface Row {
  readonly name: string;
  readonly op: string;
  readonly args: readonly Arg[];
  readonly options: OpCase;
}

/** Booleans, two thirds of them true. */
export const bool = (...shape: number[]): Arg =>
  tensor(
    'bool',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Number(i % 3 !== 1)),
  );

const FLAT = { q_num_heads: 4, kv_num_heads: 2 };

/** Forms of Attention (operator sets 23 and 24). */
export const STANDARD: readonly Row[] = (
  [
    [
      '4-D',
      [
        [2, 3, 4, 5],
        [2, 3, 6, 5],
        [2, 3, 6, 7],
      ],
      {},
    ],
    [
      'shared heads',
      [
        [2, 6, 4, 5],
        [2, 2, 3, 5],
        [2, 2, 3, 7],
      ],
      {},
    ],
    [
      '3-D, shared heads',
      [
        [2, 3, 20],
        [2, 5, 10],
        [2, 5, 14],
      ],
      FLAT,
    ],
    [
      'causal',
      [
        [2, 3, 4, 5],
        [2, 3, 4, 5],
        [2, 3, 4, 5],
      ],
      { is_causal: 1 },
    ],
    [
      'causal, more keys',
      [
        [2, 3, 5],
        [2, 6, 5],
        [2, 6, 5],
      ],
      { is_causal: 1, q_num_heads: 1, kv_num_heads: 1 },
    ],
    [
      'scale',
      [
        [2, 3, 20],
        [2, 5, 10],
        [2, 5, 10],
      ],
      { ...FLAT, scale: 0.3 },
    ],
    [
      'softcap',
      [
        [2, 3, 4, 5],
        [2, 3, 6, 5],
        [2, 3, 6, 7],
      ],
      { softcap: 0.7 },
    ],
    ['boolean mask', [[2, 3, 4, 5], [2, 3, 5, 5], [2, 3, 5, 7], bool(4, 5)], {}],
    ['boolean mask per row', [[2, 3, 20], [2, 5, 10], [2, 5, 10], bool(2, 1, 3, 5)], FLAT],
    [
      'boolean mask, causal',
      [[2, 3, 20], [2, 3, 10], [2, 3, 10], bool(2, 4, 3, 3)],
      { ...FLAT, is_causal: 1 },
    ],
    [
      'a query without keys',
      [[1, 2, 3, 4], [1, 2, 2, 4], [1, 2, 2, 4], tensor('bool', [3, 2], [1, 0, 0, 0, 1, 1])],
      {},
    ],
    [
      'float mask',
      [
        [2, 3, 4, 5],
        [2, 3, 5, 5],
        [2, 3, 5, 7],
        [4, 5],
      ],
      {},
    ],
    [
      'float mask, causal, capped',
      [
        [2, 3, 20],
        [2, 3, 10],
        [2, 3, 10],
        [2, 1, 3, 3],
      ],
      { ...FLAT, is_causal: 1, softcap: 1.5 },
    ],
    [
      'minus infinity in the mask, one query without keys',
      [
        [1, 2, 3, 4],
        [1, 2, 2, 4],
        [1, 2, 2, 4],
        tensor('f32', [3, 2], [0.5, -Infinity, -Infinity, -Infinity, 0.25, -1]),
      ],
      {},
    ],
  ] as const
).flatMap(([name, args, attrs]) =>
  [23, 24].map((opset) => ({
    name: `${name}, opset ${opset}`,
    op: 'Attention',
    args,
    options: { opset, attrs },
  })),
);
