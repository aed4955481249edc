import { expect, test } from 'vitest';
import { readDescription } from '../../src/adapter/description-check.js';
import { initialValues } from '../../src/init/index.js';
import { placeOf } from '../../src/init/normal.js';
import { toF32 } from '../../src/ir/values.js';

const spec = (init: unknown, mode = 'seeded') =>
  readDescription(
    {
      method: 'm',
      delta: 'ir,ro->io',
      factors: [
        { name: 'A', init, mode },
        { name: 'B', init: 'zeros' },
      ],
    },
    'm',
  );

const values = (init: unknown, shape: readonly number[], mode?: string): number[][] => {
  const data = toF32(initialValues(spec(init, mode), 0, shape, 7, 'm/model/A'));
  return Array.from({ length: shape[0]! }, (_, i) => [...data.slice(i * shape[1]!, (i + 1) * shape[1]!)]);
};

test('a leading part of a seeded factor does not depend on the extents of the whole', () => {
  const part = (rows: readonly number[][]) => rows.slice(0, 3).map((row) => row.slice(0, 2));
  expect(part(values({ uniform: 2 }, [5, 4]))).toEqual(values({ uniform: 2 }, [3, 2]));
  // those of other factors are drawn in row-major order, as they always were
  expect(part(values({ uniform: 2 }, [5, 4], 'frozen'))).not.toEqual(
    values({ uniform: 2 }, [3, 2], 'frozen'),
  );
});

test('its first values are fixed for good', () => {
  expect(values({ uniform: 1 }, [2, 2])).toEqual([
    [-0.4168469309806824, 0.2699269652366638],
    [0.726311445236206, 0.7297816872596741],
  ]);
});

test('the distributions have their bounds, means and deviations', () => {
  const all = values({ kaimingUniform: 0 }, [600, 20]).flat();
  const bound = Math.sqrt(6 / 600);
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length);
  expect(Math.max(...all.map(Math.abs))).toBeLessThanOrEqual(bound);
  expect(Math.abs(mean)).toBeLessThan(0.002);
  expect(Math.abs(deviation / (bound / Math.sqrt(3)) - 1)).toBeLessThan(0.02);
  expect(values({ constant: 0.25 }, [2, 3]).flat()).toEqual(Array(6).fill(0.25));
  expect(values('ones', [2, 3]).flat()).toEqual(Array(6).fill(1));
});

test.each([
  [7, 3],
  [3, 7],
] as const)('orthogonal %i x %i: the shorter side is orthonormal', (rows, columns) => {
  const made = values('orthogonal', [rows, columns], 'frozen');
  const lines = rows < columns ? made : made[0]!.map((_, j) => made.map((row) => row[j]!));
  for (const [a, left] of lines.entries()) {
    for (const [b, right] of lines.entries()) {
      const product = left.reduce((sum, v, k) => sum + v * right[k]!, 0);
      expect(Math.abs(product - Number(a === b))).toBeLessThan(1e-6);
    }
  }
});

test('places of elements are told apart, and a factor that is too large is refused', () => {
  expect(placeOf(5, [2, 3])).toBe(2 ** 26 + 2);
  expect(placeOf(4, [5])).toBe(4);
  expect(() => placeOf(2 ** 17, [1, 1, 2 ** 17 + 1])).toThrow('too large');
});
