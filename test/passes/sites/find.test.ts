import { describe, expect, test } from 'vitest';
import { attrFloat, attrInt, attrString } from '../../../src/ir/attr.js';
import { Graph, GraphFunction } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { f32Tensor, i64Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { encodeFloats } from '../../../src/ir/values.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { element, Net, weight } from './build.js';

/** The (in, out) matrix of a site's first use, element by element, from what the site says about it. */
function effective(net: Net): number[] {
  const [site] = findLinears(net.model).sites;
  const { weight: stored, layout, via } = site!.uses[0]!;
  const data = stored.constant ?? stored.producer!.attrs.get('value')!;
  const bytes = 'kind' in data ? (data as unknown as { value: MemoryTensor }).value.bytes() : data.bytes();
  const values = new Float32Array(Uint8Array.from(bytes).buffer);
  const swaps = via.filter(({ op }) => op === 'Transpose').length % 2 === 1;
  const rowsAreIn = (layout === 'io') !== swaps;
  const result: number[] = [];
  for (let i = 0; i < site!.in; i++) {
    for (let o = 0; o < site!.out; o++) {
      result.push(values[rowsAreIn ? i * site!.out + o : o * site!.in + i]!);
    }
  }
  return result;
}

describe('layouts: the matrix by which x is multiplied', () => {
  // 3 inputs, 5 outputs
  const asStored = Array.from({ length: 15 }, (_, i) => element(1, i));
  const transposed = Array.from({ length: 15 }, (_, i) => element(1, (i % 5) * 3 + Math.floor(i / 5)));

  test('MatMul with an initializer', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.x, net.init('w', weight(1, 3, 5))]));
    expect(findLinears(net.model).sites[0]).toMatchObject({ in: 3, out: 5, dtype: 'f32' });
    expect(effective(net)).toEqual(asStored);
  });

  test('Gemm with transB', () => {
    const net = new Net(3);
    net.output(net.gemm(net.x, net.init('w', weight(1, 5, 3)), { transB: 1 }));
    expect(findLinears(net.model).sites[0]).toMatchObject({ in: 3, out: 5, uses: [{ layout: 'oi' }] });
    expect(effective(net)).toEqual(transposed);
  });

  test('MatMul after Constant, Identity, Transpose and Cast', () => {
    const net = new Net(3);
    const stored = net.constant(weight(1, 5, 3));
    const read = net.op('Cast', [net.transpose(net.op('Identity', [stored]), 1, 0)], '', { to: attrInt(1) });
    net.output(net.op('MatMul', [net.x, read]));
    const [site] = findLinears(net.model).sites;
    expect(site).toMatchObject({ in: 3, out: 5, uses: [{ layout: 'io' }] });
    expect(site!.uses[0]!.via.map(({ op }) => op)).toEqual(['Identity', 'Transpose', 'Cast']);
    expect(effective(net)).toEqual(transposed);
  });

  test('two Transposes cancel; perm [0,1] does nothing', () => {
    const net = new Net(3);
    const w = net.init('w', weight(1, 5, 3));
    const read = net.transpose(net.transpose(net.transpose(w), 0, 1));
    net.output(net.gemm(net.x, read, { transB: 1 }));
    expect(findLinears(net.model).sites[0]).toMatchObject({ in: 3, out: 5 });
  });

  test('the type is that after the cast', () => {
    const net = new Net(3);
    const half = new MemoryTensor('f16', [3, 5], encodeFloats('f16', Array(15).fill(0.5)));
    net.output(net.op('MatMul', [net.x, net.op('Cast', [net.init('w', half)], '', { to: attrInt(1) })]));
    expect(findLinears(net.model).sites[0]).toMatchObject({ dtype: 'f32' });
  });
});

describe('refused, with the reason', () => {
  const codes = (net: Net) => findLinears(net.model).refused.map(({ diagnostic }) => diagnostic.code);

  test('a product of two activations is not a layer', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.transpose(net.x), net.x]));
    expect(findLinears(net.model)).toMatchObject({ sites: [], refused: [] });
  });

  test('stored matrix on the left', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.init('w', weight(1, 5, 7)), net.x]));
    const [refused] = findLinears(net.model).refused;
    expect(refused!.diagnostic).toMatchObject({ code: 'LOTR3101', at: { kind: 'node', input: 0 } });
    expect(refused!.candidate).toMatchObject({ in: 7, out: 5 });
  });

  test('weight of rank 3, of rank 1, without elements', () => {
    const net = new Net(3);
    net.op('MatMul', [net.x, net.init('w', f32Tensor([2, 3, 5], Array(30).fill(1)))]);
    net.op('MatMul', [net.x, net.init('v', f32Tensor([3], [1, 2, 3]))]);
    net.op('MatMul', [net.x, net.init('e', f32Tensor([3, 0], []))]);
    expect(codes(net)).toEqual(['LOTR3103', 'LOTR3103', 'LOTR3103']);
  });

  test('computed weight: the note names what computes it', () => {
    const net = new Net(3);
    const sum = net.op('Mul', [net.init('a', weight(1, 3, 5)), net.init('b', weight(2, 3, 5))], 'scaled');
    net.output(net.op('MatMul', [net.x, sum], '/q/MatMul'));
    const [refused] = findLinears(net.model).refused;
    expect(refused!.modulePath).toBe('q');
    expect(refused!.diagnostic.code).toBe('LOTR3104');
    expect(refused!.diagnostic.notes![0]!.message).toBe(
      'the weight comes from Mul "scaled" <- "a" (f32[3,5])',
    );
  });

  test('weight dequantized with a computed scale keeps its extents', () => {
    const net = new Net(3);
    const packed = new MemoryTensor('i8', [3, 5], new Uint8Array(15).fill(3));
    const scale = net.op('Abs', [net.init('s', f32Tensor([], [0.1]))]);
    const w = net.op('DequantizeLinear', [net.init('q', packed), scale]);
    net.output(net.op('MatMul', [net.x, w]));
    expect(codes(net)).toEqual(['LOTR3104']);
    expect(findLinears(net.model).refused[0]!.candidate).toMatchObject({ in: 3, out: 5 });
  });

  test('integer weight, also through a Cast', () => {
    const net = new Net(3);
    const w = net.init('w', i64Tensor([3, 1], [1, 2, 3]));
    net.op('MatMul', [net.x, w]);
    net.op('MatMul', [net.x, net.op('Cast', [w], '', { to: attrInt(1) })]);
    expect(codes(net)).toEqual(['LOTR3105', 'LOTR3105']);
  });

  test('Gemm with transA, Gemm with alpha 0', () => {
    const net = new Net(3);
    net.gemm(net.x, net.init('w', weight(1, 4, 5)), { transA: 1 });
    net.op('Gemm', [net.x, net.init('v', weight(2, 3, 5))], '', { alpha: attrFloat(0) });
    expect(codes(net)).toEqual(['LOTR3106', 'LOTR3109']);
  });

  test('operators that multiply integers or do more than the product', () => {
    const net = new Net(32);
    const codesOf8 = net.init('p', new MemoryTensor('u8', [32, 7], new Uint8Array(224)));
    net.node('MatMulInteger', [net.x, codesOf8], '/q/MatMul', {});
    net.node('FusedMatMul', [net.x, net.x], '', {}, 'com.microsoft');
    expect(codes(net)).toEqual(['LOTR3107']);
    expect(findLinears(net.model).refused[0]!.candidate).toMatchObject({ in: 32, out: 7 });
  });

  test('a packed weight that is computed', () => {
    const net = new Net(32);
    const packed = net.init('p', new MemoryTensor('u8', [7, 1, 16], new Uint8Array(112)));
    const turned = net.node('Reshape', [packed, net.init('s', i64Tensor([3], [7, 1, 16]))], '', {})
      .outputs[0]!;
    const attrs = { K: attrInt(32), N: attrInt(7) };
    net.node('MatMulNBits', [net.x, turned], '/q/MatMul', attrs, 'com.microsoft');
    expect(codes(net)).toEqual(['LOTR3104']);
  });

  test('in a function: its weight an argument that every call feeds with a constant', () => {
    const body = new Graph('');
    const [a, w] = [body.addInput('a', null), body.addInput('w', null)];
    body.addOutput(body.append({ op: 'MatMul', inputs: [a, w], outputs: ['y'] }).outputs[0]!);
    const net = new Net(3);
    net.model.addFunction(new GraphFunction('local', 'Linear', '', body));
    const first = net.node('Linear', [net.x, net.init('w1', weight(1, 3, 3))], '', {}, 'local');
    net.node('Linear', [first.outputs[0]!, net.init('w2', weight(2, 3, 3))], '', {}, 'local');
    const [refused] = findLinears(net.model).refused;
    expect(refused!.diagnostic).toMatchObject({ code: 'LOTR3108' });
    expect(refused!.diagnostic.message).toContain(
      'local::Linear, which is called 2 times, and its weight is an argument',
    );
    // one call with an activation: then the product is of activations too
    net.node('Linear', [net.x, net.transpose(net.x)], '', {}, 'local');
    expect(findLinears(net.model).refused).toEqual([]);
  });
});

test('a linear layer inside a subgraph reads the weight of the outer graph', () => {
  const net = new Net(3);
  const w = net.init('fc.weight', weight(1, 3, 5));
  const inner = new Graph('then');
  inner.addOutput(inner.append({ op: 'MatMul', inputs: [net.x, w], outputs: ['inner_y'] }).outputs[0]!);
  const cond = net.graph.addInput('cond', { kind: 'tensor', dtype: 'bool', shape: [] });
  net.output(net.op('If', [cond], '', { then_branch: { kind: 'graph', value: inner } }));
  const { sites } = findLinears(net.model);
  expect(sites).toMatchObject([{ id: 'fc', in: 3, out: 5, nameFrom: 'weight' }]);
  expect(sites[0]!.uses[0]!.node.graph).toBe(inner);
});

test('ids are unique where names are not', () => {
  const net = new Net(3);
  const one = net.linear(net.x, 'fc', weight(1, 3, 3));
  const two = net.linear(one, 'fc', weight(2, 3, 3));
  net.output(net.op('MatMul', [two, net.init('w', weight(3, 3, 4))]));
  expect(findLinears(net.model).sites.map(({ id, modulePath }) => [id, modulePath])).toEqual([
    ['fc', 'fc'],
    ['fc:2', 'fc'],
    ['linear2_3x4', null],
  ]);
});

describe('operators that multiply by stored numbers in another way are listed', () => {
  const listed = (path: string) => {
    const model = readModel(`test/data/cases/${path}.onnx`);
    return findLinears(model).refused.map(
      ({ id, diagnostic, weight }) => `${id} ${diagnostic.code} ${weight.name}`,
    );
  };

  test('experts inside an operator', () => {
    expect(listed('sites/contrib_moe')).toEqual([
      'model.layers.0.moe LOTR3107 fc1',
      'model.layers.0.moe:2 LOTR3107 fc2',
    ]);
  });

  test('an Einsum over several matrices, and the layer that shares its weight', () => {
    const net = new Net(3);
    const kernel = net.init(
      'seg',
      f32Tensor(
        [2, 4, 3],
        Array.from({ length: 24 }, (_, i) => element(5, i)),
      ),
    );
    const x = net.graph.addInput('q', { kind: 'tensor', dtype: 'f32', shape: [1, 5, 4, 3] });
    net.op('Einsum', [x, kernel], '/seg/Einsum', { equation: attrString('bind,snd->bnis') });
    const w = net.init('w', weight(1, 3, 2));
    net.op('MatMul', [net.x, w], '/fc/MatMul');
    net.output(net.op('Einsum', [net.x, w], '/dots/Einsum', { equation: attrString('bi,ib->b') }));
    expect(findLinears(net.model).refused.map(({ id, diagnostic }) => `${id} ${diagnostic.code}`)).toEqual([
      'seg LOTR3107',
      'fc LOTR3112',
      'dots LOTR3107',
    ]);
  });

  test('recurrent layers', () => {
    expect(listed('ops/op_lstm.ts')).toEqual([
      'f.r LOTR3110 onnx::LSTM_117',
      'f.r:2 LOTR3110 onnx::LSTM_118',
    ]);
  });

  test('filters of groups of channels, and transposed ones', () => {
    const net = new Net(3);
    const filters = net.init('dw.weight', f32Tensor([4, 1, 3], Array(12).fill(1)));
    const image = net.graph.addInput('image', { kind: 'tensor', dtype: 'f32', shape: [1, 4, 8] });
    const y = net.op('Conv', [image, filters], '', { group: attrInt(4) });
    net.output(net.op('ConvTranspose', [y, net.init('up.weight', f32Tensor([4, 2, 2], Array(16).fill(1)))]));
    expect(findLinears(net.model).refused.map(({ id, diagnostic }) => `${id} ${diagnostic.code}`)).toEqual([
      'dw LOTR3110',
      'up LOTR3110',
    ]);
  });
});
