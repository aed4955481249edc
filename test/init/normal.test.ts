import { describe, expect, test } from 'vitest';
import { ln, normalQuantile } from '../../src/init/normal.js';
import { toF32, toF64 } from '../../src/ir/values.js';
import { normalTensor } from '../support/normal.js';

// reference values: CPython 3 statistics.NormalDist().inv_cdf, and decimal logarithms rounded once to float64
const QUANTILES: readonly (readonly [number, number])[] = [
  [1.1102230246251565e-16, -8.209536151601386],
  [1e-15, -7.941345326170995],
  [1e-9, -5.9978070150076865],
  [1.5e-7, -5.123447000016431],
  [0.001, -3.090232306167813],
  [0.0749999, -1.4395321773759004],
  [0.0750001, -1.4395307645017297],
  [0.31, -0.4958503473474532],
  [0.4999, -0.0002506628300880075],
  [0.5, 0],
  [0.50001, 2.506628274882087e-5],
  [0.77, 0.7388468491852137],
  [0.9251, 1.4402382675279632],
  [0.99999, 4.26489079392384],
  [0.9999999999999998, 8.125890664701906],
];
const LOGARITHMS: readonly (readonly [number, number])[] = [
  [1.1102230246251565e-16, -36.7368005696771],
  [1.3e-9, -20.46090157247892],
  [0.0749, -2.5916013884589635],
  [0.5, -Math.LN2],
  [0.7071067811865475, -0.34657359027997275],
  [0.7071067811865477, -0.3465735902799724],
  [0.9999999999, -1.000000082790371e-10],
  [1, 0],
  [1.0000001, 9.999999505838704e-8],
  [Math.SQRT2, 0.3465735902799727],
  [1.5, 0.4054651081081644],
  [3, 1.0986122886681098],
  [1e10, 23.025850929940457],
  [1.7e308, 709.7268368932282],
];

/** Difference in units of the last place of the larger number. */
function ulps(a: number, b: number): number {
  if (a === b) return 0;
  return Math.abs(a - b) / 2 ** (Math.floor(Math.log2(Math.max(Math.abs(a), Math.abs(b)))) - 52);
}

describe('ln', () => {
  test.each(LOGARITHMS)('ln %d', (x, y) => expect(ulps(ln(x), y)).toBeLessThanOrEqual(1));

  test('within two units in the last place of Math.log over the whole range', () => {
    let worst = 0;
    for (let i = 1; i < 20_000; i++) {
      const x = 2 ** ((i % 601) - 300) * (1 + i / 20_000);
      worst = Math.max(worst, ulps(ln(x), Math.log(x)));
    }
    expect(worst).toBeLessThanOrEqual(2);
  });
});

describe('normalQuantile', () => {
  test.each(QUANTILES)('of %d', (p, x) => {
    expect(Math.abs(normalQuantile(p) - x)).toBeLessThanOrEqual(4e-16 * Math.max(1, Math.abs(x)));
  });

  test('is odd about one half, bit for bit', () => {
    for (const p of [0.25, 0.0625, 2 ** -30, 0.4375]) expect(normalQuantile(1 - p)).toBe(-normalQuantile(p));
  });
});

describe('DrawnTensor', () => {
  test('its first values are fixed for good', () => {
    const tensor = normalTensor('f32', [5, 3], 1, 0, 'lotr/128x128/R');
    expect(Array.from(toF32(tensor).subarray(0, 6))).toMatchInlineSnapshot(`
      [
        -0.8033967614173889,
        -1.1187758445739746,
        -0.16472439467906952,
        -1.47782301902771,
        -0.565647542476654,
        -0.19635947048664093,
      ]
    `);
    expect(tensor.digest()).toMatchInlineSnapshot(`"sha256:ec942dcf8d24b856403fc96da4aab0dd"`);
    expect(tensor.origin).toEqual({ kind: 'computed', by: 'init:normal(1,seed=0)' });
  });

  test('the element type only changes the rounding', () => {
    const wide = toF64(normalTensor('f64', [7], 0.5, 2, 'w'));
    expect(Array.from(toF32(normalTensor('f32', [7], 0.5, 2, 'w')))).toEqual(Array.from(wide, Math.fround));
    for (const [i, value] of toF64(normalTensor('bf16', [7], 0.5, 2, 'w')).entries()) {
      expect(Math.abs(value - wide[i]!)).toBeLessThan(2 ** -8 * Math.abs(wide[i]!));
    }
  });

  test('slices and chunks are parts of the whole', () => {
    const tensor = normalTensor('f32', [233, 317], 2, 5, 'big');
    const whole = Buffer.from(tensor.bytes());
    expect(Buffer.from(tensor.slice(1001, 5003)).equals(whole.subarray(1001, 6004))).toBe(true);
    expect(Buffer.from(tensor.slice(whole.length - 3, 100)).equals(whole.subarray(-3))).toBe(true);
    const chunks: Buffer[] = [];
    tensor.copyTo({ write: (chunk) => chunks.push(Buffer.from(chunk)) });
    expect(chunks.length).toBeGreaterThan(1);
    expect(Buffer.concat(chunks).equals(whole)).toBe(true);
  });

  test('is normal: moments, Kolmogorov-Smirnov, no correlation of neighbours', () => {
    const n = 100_000;
    const values = toF64(normalTensor('f64', [n], 1, 11, 'statistics')).slice();
    const moment = (k: number) => values.reduce((sum, v) => sum + v ** k, 0) / n;
    // four standard errors of each estimate
    expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(4 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / n));
    for (const lag of [1, 2, 7]) {
      let product = 0;
      for (let i = lag; i < n; i++) product += values[i]! * values[i - lag]!;
      expect(Math.abs(product / n)).toBeLessThan(4 / Math.sqrt(n));
    }
    const sorted = values.sort();
    let distance = 0;
    for (let i = 0; i < n; i++) {
      const below = phi(sorted[i]!);
      distance = Math.max(distance, Math.abs(below - i / n), Math.abs(below - (i + 1) / n));
    }
    // the 0.1 % point of the Kolmogorov distribution
    expect(distance * Math.sqrt(n)).toBeLessThan(1.95);
  });
});

/** The normal distribution function by its power series (|x| below 6 here). */
function phi(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
