import { describe, expect, test } from 'vitest';
import { fromBf16, fromF16, toBf16, toF16 } from '../../src/ir/half.js';
import { MemoryTensor } from '../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../src/ir/values.js';

describe.each([
  ['f16', fromF16, toF16, 0x7c00],
  ['bf16', fromBf16, toBf16, 0x7f80],
] as const)('%s', (_name, from, to, infinity) => {
  test('every bit pattern comes back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = from(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(from(to(value)))).toBe(true);
      else expect(to(value)).toBe(bits);
    }
  });
  test('a number between two neighbours goes to the nearer, a tie to the even one', () => {
    for (let bits = 1; bits < infinity - 1; bits += 7) {
      const low = from(bits);
      const high = from(bits + 1);
      const middle = (low + high) / 2;
      expect(to(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(to(middle - (high - low) / 1024)).toBe(bits);
      expect(to(middle + (high - low) / 1024)).toBe(bits + 1);
    }
  });
  test('overflow becomes infinity with its sign', () => {
    expect(to(1e300)).toBe(infinity);
    expect(to(-1e300)).toBe(infinity | 0x8000);
  });
});

test('the largest finite half and the first value that rounds to infinity', () => {
  expect(toF16(65519.99)).toBe(0x7bff);
  expect(toF16(65520)).toBe(0x7c00);
});

test('elements are read from bytes that start anywhere', () => {
  for (const dtype of ['f64', 'f32', 'f16', 'bf16'] as const) {
    const bytes = encodeFloats(dtype, [1.5, -2.25, 0.375]);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect([...toF64(new MemoryTensor(dtype, [3], shifted.subarray(1)))]).toEqual([1.5, -2.25, 0.375]);
  }
});
