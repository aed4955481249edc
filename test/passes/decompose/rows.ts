import { type Arg, type OpCase, tensor } from '../../support/op-case.js';

export interface Row {
  readonly name: string;
  readonly op: string;
  readonly args: readonly Arg[];
  readonly options: OpCase;
}

/** Booleans, two thirds of them true. */
const bool = (...shape: number[]): Arg =>
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

const i32 = (shape: readonly number[], ...data: number[]): Arg => tensor('i32', shape, data);
const MASK = i32([2, 3], 1, 1, 0, 1, 0, 1);
const MASK3 = i32([2, 3, 3], 1, 0, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0);
const LENGTHS = i32([2], 3, 1);

function contrib(op: string, rows: readonly (readonly [string, readonly Arg[], object, number?])[]): Row[] {
  return rows.flatMap(([name, args, attrs, outputs = 1]) =>
    [11, 17].map((opset) => ({
      name: `${op}: ${name}, opset ${opset}`,
      op,
      args,
      options: { domain: 'com.microsoft', opset, attrs: attrs as NonNullable<OpCase['attrs']>, outputs },
    })),
  );
}

const SELF = [
  [2, 3, 10],
  [2, 3, 10],
  [2, 3, 10],
] as const;
const TWO = { num_heads: 2 };

/** Forms of com.microsoft MultiHeadAttention. */
export const MULTI_HEAD: readonly Row[] = contrib('MultiHeadAttention', [
  [
    'cross attention',
    [
      [2, 3, 10],
      [2, 4, 10],
      [2, 4, 14],
    ],
    TWO,
  ],
  ['bias', [[2, 3, 10], [2, 4, 10], [2, 4, 14], [34]], TWO],
  ['scale', SELF, { ...TWO, scale: 0.3 }],
  [
    'keys split into heads',
    [
      [2, 3, 10],
      [2, 2, 4, 5],
      [2, 2, 4, 5],
    ],
    TWO,
  ],
  ['padding', [...SELF, null, MASK], TWO],
  ['padding, filter', [...SELF, null, MASK], { ...TWO, mask_filter_value: -1.5 }],
  ['padding per query', [...SELF, null, MASK3], TWO],
  ['lengths', [...SELF, null, LENGTHS], TWO],
  ['bias of scores', [...SELF, null, null, [1, 2, 3, 3]], TWO],
  ['bias of scores, padding, causal', [...SELF, [30], MASK, [2, 2, 3, 3]], { ...TWO, unidirectional: 1 }],
  ['causal', SELF, { ...TWO, unidirectional: 1 }],
  ['keys and values as outputs', [[2, 3, 10], [2, 4, 10], [2, 4, 14], [34]], TWO, 3],
]);

const PACKED = [[2, 3, 5], [5, 24], [24]] as const;

/** Forms of com.microsoft Attention. */
export const PACKED_ATTENTION: readonly Row[] = contrib('Attention', [
  ['plain', PACKED, TWO],
  ['values of another width', [[2, 3, 5], [5, 30], [30]], { ...TWO, qkv_hidden_sizes: [8, 8, 14] }],
  ['padding', [...PACKED, MASK], TWO],
  ['padding, filter, scale', [...PACKED, MASK], { ...TWO, mask_filter_value: -2.5, scale: 0.4 }],
  ['padding per query, causal', [...PACKED, MASK3], { ...TWO, unidirectional: 1 }],
  ['lengths', [...PACKED, LENGTHS], TWO],
  ['causal', PACKED, { ...TWO, unidirectional: 1 }],
  ['bias of scores, padding', [...PACKED, MASK, null, [2, 2, 3, 3]], TWO],
]);

const GROUPED = [
  [2, 3, 64],
  [2, 3, 32],
  [2, 3, 32],
] as const;
const ANGLES = [
  [6, 8],
  [6, 8],
] as const;
const TOTAL: Arg = { dtype: 'i32', shape: [1], data: [3], constant: true };
const FULL = [i32([2], 2, 2), TOTAL] as const;
const SHARED = { num_heads: 4, kv_num_heads: 2 };

/** Forms of com.microsoft GroupQueryAttention. */
export const GROUP_QUERY: readonly Row[] = contrib('GroupQueryAttention', [
  ['plain', [...GROUPED, null, null, ...FULL], SHARED, 3],
  ['rows of different length', [...GROUPED, null, null, i32([2], 2, 0), TOTAL], SHARED, 3],
  ['a past of length 0', [...GROUPED, [2, 2, 0, 16], [2, 2, 0, 16], ...FULL], { ...SHARED, scale: 0.3 }, 3],
  ['rotated', [...GROUPED, null, null, ...FULL, ...ANGLES], { ...SHARED, do_rotary: 1 }, 3],
  [
    'rotated in part, interleaved, capped',
    [[2, 3, 128], [2, 3, 64], [2, 3, 64], null, null, ...FULL, ...ANGLES],
    { ...SHARED, do_rotary: 1, rotary_interleaved: 1, softcap: 1.5 },
    3,
  ],
  ['packed', [[2, 3, 128], null, null, null, null, ...FULL], SHARED, 3],
  [
    'packed, rotated',
    [[2, 3, 128], null, null, null, null, ...FULL, ...ANGLES],
    { ...SHARED, do_rotary: 1 },
    3,
  ],
]);
