import { expect, test } from 'vitest';
import { memoryUse, wantsLowMemory } from '../../src/train/memory.js';
import type { Signature } from '../../src/train/signature.js';

const MiB = 2 ** 20;
const GiB = 2 ** 30;

test('small bases are packed on any machine, large ones where three copies take at most a quarter of it', () => {
  expect(wantsLowMemory(63 * MiB, 128 * MiB)).toBe(false);
  expect(wantsLowMemory(499 * MiB, 8 * GiB)).toBe(false);
  expect(wantsLowMemory(499 * MiB, 4 * GiB)).toBe(true);
  expect(wantsLowMemory(4 * GiB, 24 * GiB)).toBe(true);
  expect(wantsLowMemory(4 * GiB, 64 * GiB)).toBe(false);
});

test('the machine has memory, and a user decides before it', () => {
  expect(wantsLowMemory(1e15)).toBe(true);
  const large = signature(499 * MiB);
  expect(memoryUse(large, true)).toEqual({ lowMemory: true, memoryPattern: false });
  expect(memoryUse(large, false)).toEqual({ lowMemory: false, memoryPattern: false });
  expect(memoryUse(signature(5 * MiB))).toEqual({ lowMemory: false, memoryPattern: true });
});

test('matrices in 8 bits are packed whatever the user says', () => {
  const int8 = { ...signature(1e15), baseProducts: 'int8' } as unknown as Signature;
  expect(memoryUse(int8, true).lowMemory).toBe(false);
});

/** What is read of it. */
function signature(bytes: number): Signature {
  return { base: [{ byteLength: bytes - 7 }, { byteLength: 7 }] } as unknown as Signature;
}
