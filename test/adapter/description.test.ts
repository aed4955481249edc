import { describe, expect, test } from 'vitest';
import { type AdapterSpec, fanOf, shapeOfFactor, splitProblem } from '../../src/adapter/description.js';
import { readDescription } from '../../src/adapter/description-check.js';
import { METHODS } from '../../src/adapter/methods/index.js';
import { type PlanRow, planVersion } from '../../src/adapter/saved-plan.js';
import { LotrcError } from '../../src/ir/diagnostics.js';

const A = { name: 'A', init: { fanIn: 1 } };
const B = { name: 'B', init: 'zeros' };
const GOOD = { method: 'm', delta: 'ir,ro->io', factors: [A, B] };

function refusal(value: unknown): string {
  try {
    readDescription(value, 'm.json');
  } catch (error) {
    if (error instanceof LotrcError) return `${error.diagnostics[0]!.code} ${error.diagnostics[0]!.message}`;
    throw error;
  }
  return 'taken';
}

test('what may be left out has a value', () => {
  expect(readDescription(GOOD, 'm.json')).toEqual({
    method: 'm',
    delta: 'ir,ro->io',
    scale: 1,
    scaling: 'rank',
    factors: [
      { ...A, share: 'site', mode: 'trainable', lrMultiplier: 1 },
      { ...B, share: 'site', mode: 'trainable', lrMultiplier: 1 },
    ],
  });
});

test.each([...METHODS.values()])('$method reads back as it is written', (spec) => {
  expect(JSON.stringify(readDescription(JSON.parse(JSON.stringify(spec)), 'm.json'))).toBe(
    JSON.stringify(spec),
  );
});

describe('a fault is named by its field', () => {
  test.each([
    [[], 'LOTR3501 m.json: it is not an object'],
    [{ ...GOOD, method: 1 }, 'LOTR3501 m.json: method is not text'],
    [{ ...GOOD, scale: Number.NaN }, 'LOTR3501 m.json: scale is not a finite number'],
    [{ ...GOOD, scaling: 'r' }, 'LOTR3501 m.json: scaling is not one of rank, sqrt-rank, none'],
    [{ ...GOOD, lr: 1 }, 'LOTR3501 m.json: lr is not a field of a description'],
    [
      { ...GOOD, factors: [A] },
      'LOTR3501 m.json: factors cannot be used: its einsum ir,ro->io has another number',
    ],
    [
      { ...GOOD, factors: [A, { ...B, share: 'all' }] },
      'LOTR3501 m.json: factors[1].share is not one of site, ',
    ],
    [
      { ...GOOD, factors: [A, { ...B, mode: 'off' }] },
      'LOTR3501 m.json: factors[1].mode is not one of trainable, ',
    ],
    [
      { ...GOOD, factors: [A, { ...B, init: {} }] },
      'LOTR3501 m.json: factors[1].init is not an initialisation',
    ],
    [{ ...GOOD, factors: [A, { ...B, slice: 1 }] }, 'LOTR3501 m.json: factors[1].slice is not one of true'],
    [
      { ...GOOD, factors: [A, { ...B, rank: 1 }] },
      'LOTR3501 m.json: factors[1].rank is not a field of a factor',
    ],
    [
      { ...GOOD, factors: [A, A] },
      'LOTR3501 m.json: factors[1].name cannot be used: factor "A" is in it twice',
    ],
    [
      { ...GOOD, extents: { q: 4 } },
      'LOTR3501 m.json: extents.q cannot be used: delta "ir,ro->io" has no letter q',
    ],
    [{ ...GOOD, extents: { r: 0 } }, 'LOTR3501 m.json: extents.r is not a whole number from 1'],
    [{ ...GOOD, delta: 'ir,ro' }, 'LOTR3501 m.json: delta cannot be used: delta "ir,ro" must have one "->"'],
    [{ ...GOOD, delta: 'iir,ro->io' }, 'has the letter i twice in "iir"'],
    [{ ...GOOD, delta: 'ir,ro->ii' }, 'has the letter i in both axes of its result'],
    [{ ...GOOD, delta: 'irk,ro->io' }, 'sums over the letter k of one factor only'],
    [
      { ...GOOD, factors: [{ name: 'A', init: { svd: 'in' }, mode: 'seeded' }, B] },
      'factors[0].mode cannot be used: parts of a weight do not follow from a seed',
    ],
  ])('%j', (value, message) => {
    expect(refusal(value)).toContain(message);
  });
});

const C = { name: 'C', init: { normal: 1 } };
const LENGTHS = { name: 'm', init: 'weightNorm' };
const KRONECKER = { ...GOOD, delta: 'ab,cr,rd->(ac)(bd)', factors: [C, A, B], extents: { a: 'sqrt', b: 4 } };
const DIRECTIONS = { ...GOOD, wrap: 'column-norm', factors: [A, B, LENGTHS] };

describe('wraps, split axes and repeated values', () => {
  test.each([
    [{ ...GOOD, wrap: 'add', detachNorm: false }],
    [{ ...GOOD, wrap: 'hadamard' }],
    [{ ...DIRECTIONS, detachNorm: true }],
    [{ ...GOOD, delta: 'o->io', factors: [B], wrap: 'hadamard', scaleBias: true }],
    [KRONECKER],
    [{ ...GOOD, delta: 'jir,jr,jro->io', factors: [A, B, C], extents: { j: 'cover' } }],
  ])('%j is taken', (value) => {
    expect(refusal(value)).toBe('taken');
  });

  test.each([
    [{ ...GOOD, wrap: 'rows' }, 'wrap is not one of add, hadamard, column-norm'],
    [
      { ...DIRECTIONS, factors: [A, B] },
      'another number of operands, and column-norm reads one more, than there are',
    ],
    [
      { ...DIRECTIONS, factors: [A, B, C] },
      'factors[2].init cannot be used: the factor that column-norm reads',
    ],
    [
      { ...GOOD, factors: [A, { ...LENGTHS, name: 'B' }] },
      'factors[1].init cannot be used: weightNorm is for',
    ],
    [
      { ...DIRECTIONS, factors: [A, B, { ...LENGTHS, mode: 'seeded' }] },
      'factors[2] cannot be used: norms belong',
    ],
    [{ ...GOOD, detachNorm: true }, 'detachNorm cannot be used: only column-norm has a norm'],
    [
      { ...GOOD, wrap: 'hadamard', scaleBias: true },
      'scaleBias cannot be used: it goes with hadamard and a delta',
    ],
    [
      { ...KRONECKER, extents: { a: 2 } },
      'extents cannot be used: of the letters of (bd) only one may be without',
    ],
    [
      { ...KRONECKER, extents: { a: 2, b: 'half' } },
      'extents.b is not a whole number from 1, or one of sqrt, cover',
    ],
    [
      { ...KRONECKER, extents: { a: 2, b: 2, r: 'sqrt' } },
      'extents.r cannot be used: sqrt is for the letters of an',
    ],
    [
      { ...KRONECKER, extents: { a: 'cover', b: 2 } },
      'extents.a cannot be used: cover is for letters that are not',
    ],
    [
      { ...KRONECKER, delta: 'c,c->(ab)c', factors: [A, B], extents: { a: 2 } },
      'delta cannot be used: of the letters of (ab) only one may be in no factor',
    ],
    [{ ...GOOD, extents: { i: 4 } }, 'extents.i cannot be used: i has the extent of the layer'],
  ])('%j', (value, message) => {
    expect(refusal(value)).toContain(
      `LOTR3501 m.json: ${message}`.replace(
        'another',
        'factors cannot be used: its einsum ir,ro->io has another',
      ),
    );
  });

  test('extents of a split axis are given, the divisor nearest to the root, or the quotient', () => {
    const spec = readDescription(KRONECKER, '');
    const shapes = (inn: number, out: number) =>
      [0, 1, 2].map((k) => shapeOfFactor(spec, k, { in: inn, out, rank: 3 }));
    expect(shapes(768, 12)).toEqual([
      [24, 4],
      [32, 3],
      [3, 3],
    ]);
    expect(shapes(11008, 32)[0]).toEqual([86, 4]);
    expect(splitProblem(spec, { in: 7, out: 12, rank: 3 })).toBeNull();
    expect(splitProblem(spec, { in: 7, out: 18, rank: 3 })).toBe(
      '18 cannot be split into (bd) with b = 4: its divisors are 1, 2, 3, 6, 9, 18',
    );
  });

  test('cover is as many matrices of the rank as the narrow side needs', () => {
    const value = { ...GOOD, delta: 'jir,jr,jro->io', factors: [A, B, C], extents: { j: 'cover' } };
    const spec = readDescription(value, '');
    expect(shapeOfFactor(spec, 1, { in: 10, out: 7, rank: 3 })).toEqual([3, 3]);
  });
});

test('the fan of a factor is what is on the in side, else what is summed away, else 1', () => {
  const spec = readDescription(
    { ...GOOD, delta: 'ir,rsk,k,so->io', factors: 'ABCD'.split('').map((name) => ({ ...B, name })) },
    '',
  );
  const shapes = [[7, 3], [3, 2, 5], [5], [2, 11]];
  expect(shapes.map((shape, k) => fanOf(spec, k, shape))).toEqual([7, 30, 5, 2]);
  const outer = readDescription({ ...GOOD, delta: 'i,o->io' }, '');
  expect(fanOf(outer, 1, [11])).toBe(1);
});

test('a plan has the oldest version that says everything in it', () => {
  const versionOf = (change: Partial<AdapterSpec>, lowering: PlanRow['lowering'] = 'fold') =>
    planVersion([{ spec: { ...readDescription(GOOD, ''), ...change }, lowering } as PlanRow], []);
  expect(versionOf({})).toBe(1);
  expect(versionOf({}, 'dense')).toBe(3);
  expect(versionOf({ extents: { r: 3 } })).toBe(3);
  expect(versionOf({ extents: { r: 'cover' } })).toBe(4);
  expect(versionOf({ wrap: 'hadamard' })).toBe(4);
  expect(versionOf({ delta: 'i->io' })).toBe(4);
  for (const more of [{ share: 'model' }, { mode: 'seeded' }, { slice: true }, { init: 'ones' }] as const) {
    const { factors } = readDescription(GOOD, '');
    expect(versionOf({ factors: [{ ...factors[0]!, ...more }, factors[1]!] })).toBe(3);
  }
});
