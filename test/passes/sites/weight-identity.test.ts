import { describe, expect, test } from 'vitest';
import { BaseTensor, f32Tensor, type TensorOrigin } from '../../../src/ir/tensor.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { element, Net, weight, weightT } from './build.js';

const usesOf = (net: Net, tie?: 'content' | 'initializer') =>
  findLinears(net.model, { tie }).sites.map(({ uses }) => uses.length);

describe('one weight, one site', () => {
  test('one initializer, read directly and through Identity', () => {
    const net = new Net(4);
    const w = net.init('w', weight(1, 4, 4));
    const one = net.op('MatMul', [net.x, w], '/a/MatMul');
    const two = net.op('MatMul', [one, net.op('Identity', [w])], '/b/MatMul');
    net.output(net.op('MatMul', [two, w], '/c/MatMul'));
    for (const tie of ['content', 'initializer'] as const) expect(usesOf(net, tie)).toEqual([3]);
    expect(findLinears(net.model).sites[0]).toMatchObject({ modulePath: 'a', aliases: ['b', 'c'] });
    expect(findLinears(net.model).tiedByContent.size).toBe(0);
  });

  test('equal content in two initializers, the second transposed', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.x, net.init('a', weight(1, 3, 5))]));
    net.output(net.gemm(net.x, net.init('b', weightT(1, 3, 5)), { transB: 1 }));
    net.output(net.op('MatMul', [net.x, net.transpose(net.init('c', weightT(1, 3, 5)))]));
    net.output(net.op('MatMul', [net.x, net.constant(weight(1, 3, 5))]));
    expect(usesOf(net)).toEqual([4]);
    expect(usesOf(net, 'initializer')).toEqual([1, 1, 1, 1]);
    expect(findLinears(net.model).tiedByContent.size).toBe(1);
  });

  test('large and equal but for one element that no sample meets', () => {
    const net = new Net(90);
    const values = Array.from({ length: 90 * 70 }, (_, i) => element(4, i));
    net.output(net.op('MatMul', [net.x, net.init('a', f32Tensor([90, 70], values))]));
    net.output(net.op('MatMul', [net.x, net.init('b', f32Tensor([90, 70], values))]));
    values[4321] = 9;
    net.output(net.op('MatMul', [net.x, net.init('c', f32Tensor([90, 70], values))]));
    expect(usesOf(net)).toEqual([2, 1]);
  });

  test('transposed copies that differ in one element', () => {
    const net = new Net(90);
    net.output(net.op('MatMul', [net.x, net.init('a', weight(1, 90, 70))]));
    const other = new Float32Array(Uint8Array.from(weightT(1, 90, 70).bytes()).buffer);
    other[4321]! += 1;
    net.output(net.gemm(net.x, net.init('b', f32Tensor([70, 90], other)), { transB: 1 }));
    expect(usesOf(net)).toEqual([1, 1]);
  });

  test('weights of one repeated number are never tied by content', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.x, net.init('a', f32Tensor([3, 5], Array(15).fill(2)))]));
    net.output(net.op('MatMul', [net.x, net.init('b', f32Tensor([3, 5], Array(15).fill(2)))]));
    expect(usesOf(net)).toEqual([1, 1]);
  });

  test('x W and x W^T are two sites, though they read one tensor', () => {
    const net = new Net(4);
    const w = net.init('w', weight(1, 4, 4));
    net.output(net.op('MatMul', [net.op('MatMul', [net.x, w]), net.transpose(w)]));
    expect(usesOf(net)).toEqual([1, 1]);
  });

  test('the same numbers in another shape are another weight', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.x, net.init('a', weight(1, 3, 5))]));
    net.output(net.op('MatMul', [net.graph.addInput('z', null), net.init('b', weight(1, 5, 3))]));
    expect(usesOf(net)).toEqual([1, 1]);
  });
});

/** A tensor "in a file" that counts what is read of it. */
class CountedTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  read = 0;
  constructor(
    readonly seed: number,
    readonly side: number,
  ) {
    super('f32', [side, side], side * side * 4);
    this.origin = { kind: 'file', path: `w${seed}`, offset: 0, ofModel: true };
  }
  bytes(): Uint8Array {
    throw new Error('a whole weight was read');
  }
  override slice(offset: number, length: number): Uint8Array {
    this.read += length;
    const values = Float32Array.from({ length: length / 4 + 1 }, (_, i) =>
      element(this.seed, offset / 4 + i),
    );
    return new Uint8Array(values.buffer).subarray(0, length);
  }
}

test('different weights of one shape cost a few elements each', () => {
  const net = new Net(3000);
  const tensors = [1, 2, 3, 4].map((seed) => new CountedTensor(seed, 3000));
  for (const data of tensors) net.output(net.op('MatMul', [net.x, net.init(`w${data.seed}`, data)]));
  expect(usesOf(net)).toEqual([1, 1, 1, 1]);
  for (const { read } of tensors) expect(read).toBeLessThan(64 * 4);
});

test('a weight alone in its shape is not read at all', () => {
  const net = new Net(3000);
  const data = new CountedTensor(1, 3000);
  net.output(net.op('MatMul', [net.x, net.init('w', data)]));
  findLinears(net.model);
  expect(data.read).toBe(0);
});
