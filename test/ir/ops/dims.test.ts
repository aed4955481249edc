import { describe, expect, test } from 'vitest';
import {
  addDim,
  atMost,
  broadcastDim,
  broadcastShapes,
  compareDims,
  divDim,
  divExact,
  floorDiv,
  maxDim,
  mulDim,
  sameExtent,
  subDim,
} from '../../../src/ir/ops/core/dims.js';

describe('sums and products of names', () => {
  test('are canonical: the order of making does not show', () => {
    expect(addDim('seq', 'past')).toBe('past + seq');
    expect(addDim(addDim(1, 'past'), 'seq')).toBe('past + seq + 1');
    expect(mulDim('b', mulDim(3, 'a'))).toBe('3*a*b');
    expect(mulDim('past + seq', 2)).toBe('2*past + 2*seq');
    expect(sameExtent('seq + past', 'past + seq')).toBe(true);
  });

  test('cancel', () => {
    expect(subDim('past + seq', 'past')).toBe('seq');
    expect(subDim('seq', 'seq')).toBe(0);
    expect(subDim(0, 'seq')).toBe('-seq');
    expect(addDim('-seq', 'seq')).toBe(0);
    expect(addDim('seq - 1', 1)).toBe('seq');
  });

  test('unknown spreads, except through zero', () => {
    expect(addDim(null, 3)).toBe(null);
    expect(mulDim(null, 0)).toBe(0);
  });

  test('a product of two names is not one name', () => {
    const product = mulDim('a', 'b');
    expect(product).toBe('a*b');
    expect(divExact(product, 'b')).toBe('a');
    expect(divExact(product, 'c')).toBe(null);
  });

  test('what the grammar does not cover is one name', () => {
    expect(addDim('two words', 0)).toBe('two words');
    expect(addDim('two words', 1)).toBe(null);
    expect(mulDim('s-1.x', 2)).toBe('2*s-1.x');
    expect(divExact('2*s-1.x', 2)).toBe('s-1.x');
    expect(addDim('(s0//2)', 1)).toBe('(s0//2) + 1');
    expect(subDim('(s0//2) + 1', '(s0//2)')).toBe(1);
  });
});

describe('quotients', () => {
  test('exact ones', () => {
    expect(divExact('6*a*b + 3*a', '3*a')).toBe('2*b + 1');
    expect(divExact('6*a*b + 3', '3*a')).toBe(null);
    expect(divExact('6*a*b + 3*a', 3)).toBe('a + 2*a*b');
    expect(divExact('6*a*b', '2*b')).toBe('3*a');
    expect(divExact(7, 2)).toBe(null);
    expect(divExact('a + b', 'b + a')).toBe(1);
  });

  test('rounded down: what divides is taken out', () => {
    expect(floorDiv('w - 1', 2)).toBe('((w + 1)//2) - 1');
    expect(floorDiv('4*w + 6', 4)).toBe('w + 1');
    expect(floorDiv('w', 2)).toBe('(w//2)');
    expect(floorDiv(-3, 2)).toBe(-2);
  });

  test('of a dividend that may be negative are unknown', () => {
    expect(divDim('w - 1', 2)).toBe(null);
    expect(divDim(-3, 2)).toBe(-1);
    expect(divDim('w + 1', 2)).toBe('((w + 1)//2)');
  });
});

describe('order', () => {
  test('follows from names being >= 0', () => {
    expect(compareDims('seq', -1)).toBe(1);
    expect(compareDims('seq', 1)).toBe(null);
    expect(compareDims('seq + 2', 'seq')).toBe(1);
    expect(atMost('past', 'past + seq')).toBe(true);
    expect(atMost('seq', 'past')).toBe(false);
    expect(maxDim('past', 'past + seq')).toBe('past + seq');
    expect(maxDim('past', 'seq')).toBe(null);
  });
});

describe('broadcasting', () => {
  test('of one dimension', () => {
    expect(broadcastDim(1, 'seq')).toBe('seq');
    expect(broadcastDim('seq', 5)).toBe(5);
    expect(broadcastDim(null, 5)).toBe(5);
    expect(broadcastDim('a', 'b')).toBe(null);
    expect(broadcastDim(3, 5)).toBe(undefined);
  });

  test('of shapes aligns at the end', () => {
    expect(broadcastShapes([['b', 1, 7], [5, 1], []])).toEqual(['b', 5, 7]);
    expect(
      broadcastShapes([
        [2, 3],
        [4, 1, 2],
      ]),
    ).toBe(undefined);
  });
});
