import { expect, test } from 'vitest';
import { addGram, addProduct, addProductTransposed } from '../../src/init/dense.js';
import { RandomStream } from '../../src/init/rng.js';

// every remainder of the blocks of two and four rows
const SIZES = [1, 2, 3, 4, 5, 6, 7].flatMap((p) => [1, 2, 3, 4, 5, 7].map((m) => [p, m, 3] as const));

test.each(SIZES)('products of (%i x %i) and (%i columns) add what a plain loop adds', (p, m, n) => {
  const stream = new RandomStream(1, `${p}/${m}`);
  const numbers = (count: number, from: number) =>
    Float64Array.from({ length: count }, (_, k) => stream.uniform(from + k) - 0.5);
  const [q, w, t] = [numbers(p * m, 0), numbers(m * n, 100), numbers(p * n, 200)];
  const [forward, back, gram] = [numbers(p * n, 300), numbers(p * m, 400), numbers(m * m, 500)];
  const expected = {
    forward: forward.map((value, k) => value + sum(m, (i) => q[row(k, n) * m + i]! * w[i * n + (k % n)]!)),
    back: back.map((value, k) => value + sum(n, (j) => t[row(k, m) * n + j]! * w[(k % m) * n + j]!)),
    gram: sum(n, (j) => w[j]! * w[j]!) + gram[0]!,
  };
  addProduct(forward, q, w, p, m, n);
  addProductTransposed(back, t, w, p, m, n);
  addGram(gram, w, m, n);
  for (const [k, value] of forward.entries()) expect(value).toBeCloseTo(expected.forward[k]!, 14);
  for (const [k, value] of back.entries()) expect(value).toBeCloseTo(expected.back[k]!, 14);
  expect(gram[0]).toBeCloseTo(expected.gram, 14);
});

const row = (at: number, columns: number): number => Math.floor(at / columns);

function sum(count: number, term: (index: number) => number): number {
  let total = 0;
  for (let k = 0; k < count; k++) total += term(k);
  return total;
}
