import { describe, expect, test } from 'vitest';
import { philox4x32 } from '../../src/init/philox.js';
import { RandomStream } from '../../src/init/rng.js';

describe('Philox4x32-10', () => {
  // the known-answer vectors published with the generator (Random123, kat_vectors, rows "philox4x32 10")
  const vectors: readonly (readonly [string, string, string])[] = [
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ];
  const words = (text: string) => Uint32Array.from(text.split(' '), (word) => Number.parseInt(word, 16));

  test.each(vectors)('counter %s, key %s', (counter, key, answer) => {
    const block = words(counter);
    const [k0, k1] = words(key);
    philox4x32(block, k0!, k1!);
    expect(Array.from(block, (word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(answer);
  });
});

describe('a stream', () => {
  test('its first values are fixed for good', () => {
    const stream = new RandomStream(0, 'lotr/128x128/R');
    expect([0, 1, 2, 3, 4].map((i) => stream.uniform(i))).toMatchInlineSnapshot(`
      [
        0.21087271600759794,
        0.1316178900599384,
        0.43458045563709613,
        0.0697275826914977,
        0.2858167084608526,
      ]
    `);
  });

  test('a number depends on its index, not on what was asked before', () => {
    const forward = new RandomStream(7, 'w');
    const a = Array.from({ length: 9 }, (_, i) => forward.uniform(i));
    const backward = new RandomStream(7, 'w');
    const b = Array.from({ length: 9 }, (_, i) => backward.uniform(8 - i)).reverse();
    expect(b).toEqual(a);
    expect(new RandomStream(7, 'w').uniform(2 ** 40 + 1)).not.toBe(a[1]);
  });

  test('seed and name both matter, and names do not run into seeds', () => {
    const first = (seed: number, name: string) => new RandomStream(seed, name).uniform(0);
    const all = [
      first(1, 'a'),
      first(2, 'a'),
      first(1, 'b'),
      first(1, '1\na'),
      first(11, 'a'),
      first(-1, 'a'),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(() => new RandomStream(0.5, 'a')).toThrow('integer');
    expect(() => new RandomStream(2 ** 53, 'a')).toThrow('integer');
  });

  test('lies strictly between 0 and 1 and fills 64 cells evenly', () => {
    const stream = new RandomStream(3, 'uniform');
    const count = 64_000;
    const cells = new Array<number>(64).fill(0);
    for (let i = 0; i < count; i++) {
      const u = stream.uniform(i);
      expect(u > 0 && u < 1).toBe(true);
      cells[Math.floor(u * 64)]! += 1;
    }
    const expected = count / 64;
    const chiSquare = cells.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 63 degrees of freedom: 99.9 % of even generators lie between these
    expect(chiSquare).toBeGreaterThan(32);
    expect(chiSquare).toBeLessThan(104);
  });
});
