import { describe, expect, test } from 'vitest';
import { type AdapterSpec, fanOf } from '../../src/adapter/description.js';
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
      'factors[0].mode cannot be used: singular vectors do not follow from a seed',
    ],
  ])('%j', (value, message) => {
    expect(refusal(value)).toContain(message);
  });
});

describe('a part of the language that is not carried out is refused, whatever it would do', () => {
  test.each([
    [{ ...GOOD, wrap: 'hadamard' }, 'wrap of method "m" is "hadamard"'],
    [{ ...GOOD, wrap: 'column-norm', detachNorm: true }, 'wrap of method "m" is "column-norm"'],
    [{ ...GOOD, scaleBias: true }, 'scaleBias of method "m" is true'],
    [
      { ...GOOD, delta: 'ab,cr,rd->(ac)(bd)', factors: [A, A, B] },
      'delta of method "m" is "ab,cr,rd->(ac)(bd)"',
    ],
    [{ ...GOOD, delta: 'o->io', factors: [B] }, 'delta of method "m" is "o->io"'],
    [
      { ...GOOD, factors: [A, { ...B, init: 'weightNorm' }] },
      'factors[1].init of method "m" is "weightNorm"',
    ],
  ])('%j', (value, message) => {
    expect(refusal(value)).toContain(`LOTR3502 m.json: ${message}`);
  });

  test('what says the usual thing is taken', () => {
    expect(refusal({ ...GOOD, wrap: 'add', detachNorm: false })).toBe('taken');
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
  for (const more of [{ share: 'model' }, { mode: 'seeded' }, { slice: true }, { init: 'ones' }] as const) {
    const { factors } = readDescription(GOOD, '');
    expect(versionOf({ factors: [{ ...factors[0]!, ...more }, factors[1]!] })).toBe(3);
  }
});
