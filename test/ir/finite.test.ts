import { expect, test } from 'vitest';
import { countNotFinite } from '../../src/ir/count-not-finite.js';
import type { ByteSink } from '../../src/ir/tensor.js';
import { BaseTensor, MemoryTensor } from '../../src/ir/tensor.js';
import { encodeFloats } from '../../src/ir/values.js';

test.each(['f64', 'f32', 'f16', 'bf16'] as const)(
  '%s: NaN and infinities are told apart and counted',
  (dtype) => {
    const values = [1, -2.5, Number.NaN, 0, Infinity, -Infinity, -0, Number.NaN, 3];
    const data = new MemoryTensor(dtype, [3, 3], encodeFloats(dtype, values));
    expect(countNotFinite(data)).toEqual({ nan: 2, infinite: 2, first: 2 });
    const finite = values.map((v) => (Number.isFinite(v) ? v : 60000));
    expect(countNotFinite(new MemoryTensor(dtype, [3, 3], encodeFloats(dtype, finite)))).toBeNull();
  },
);

test('a double whose only fraction bits are the low ones is NaN', () => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, 0x7ff0000000000001n, true);
  expect(countNotFinite(new MemoryTensor('f64', [1], bytes))).toEqual({ nan: 1, infinite: 0, first: 0 });
});

test('elements may be split between chunks', () => {
  const all = encodeFloats('f32', [1, 2, Number.NaN, 4, Infinity]);
  class Chunks extends BaseTensor {
    readonly origin = { kind: 'memory' } as const;
    bytes(): Uint8Array {
      return all;
    }
    override copyTo(sink: ByteSink): void {
      for (let at = 0; at < all.length; at += 3) sink.write(all.subarray(at, at + 3));
    }
  }
  expect(countNotFinite(new Chunks('f32', [5], all.length))).toEqual({ nan: 1, infinite: 1, first: 2 });
});

test('integers have no such values', () => {
  expect(countNotFinite(new MemoryTensor('i32', [1], new Uint8Array(4).fill(255)))).toBeNull();
});
