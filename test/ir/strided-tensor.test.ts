import { expect, test } from 'vitest';
import { StridedTensor } from '../../src/ir/strided-tensor.js';
import { f32Tensor, MemoryTensor } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';

const base = f32Tensor(
  [5, 7, 11],
  Array.from({ length: 385 }, (_, i) => i),
);
const layouts = [
  { shape: [5, 7, 11], strides: [77, 11, 1], offset: 0 },
  { shape: [7, 5, 11], strides: [11, 77, 1], offset: 0 },
  { shape: [11, 7, 5], strides: [1, 11, 77], offset: 0 },
  { shape: [3, 4], strides: [-77, 2], offset: 4 * 77 + 3 },
  { shape: [2, 1, 11], strides: [77, 5, 1], offset: 88 },
];

/** Element by element, as the layout says. */
function elements({ shape, strides, offset }: (typeof layouts)[0]): number[] {
  const walk = (axis: number, at: number): number[] =>
    axis === shape.length
      ? [at]
      : Array.from({ length: shape[axis]! }, (_, i) => walk(axis + 1, at + i * strides[axis]!)).flat();
  return walk(0, offset);
}

test.each(layouts)('a view has the elements that its layout says: $shape by $strides', (layout) => {
  const view = new StridedTensor(base, layout);
  const wanted = elements(layout);
  expect([...toF32(view)]).toEqual(wanted);
  const chunks: Uint8Array[] = [];
  view.copyTo({ write: (chunk) => chunks.push(chunk.slice()) });
  expect(Buffer.concat(chunks)).toEqual(Buffer.from(view.bytes()));
  for (const [offset, length] of [
    [4, 8],
    [3, 6],
    [view.byteLength - 5, 5],
  ] as const) {
    expect([...view.slice(offset, length)]).toEqual([...view.bytes().subarray(offset, offset + length)]);
  }
});

test('a view stays inside its tensor, whose elements have whole bytes', () => {
  expect(() => new StridedTensor(base, { shape: [2], strides: [1], offset: 384 })).toThrow('leaves a tensor');
  expect(() => new StridedTensor(base, { shape: [2], strides: [-1], offset: 0 })).toThrow('leaves a tensor');
  const four = new MemoryTensor('u4', [4], new Uint8Array(2));
  expect(() => new StridedTensor(four, { shape: [2], strides: [1], offset: 0 })).toThrow('by bytes');
});
