import { describe, expect, test } from 'vitest';
import { attrFloat } from '../../../src/ir/attr.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { addTo, checkAdapted, factorGradientError } from '../../support/adapted.js';
import { f32 } from '../../support/ort.js';
import { Net, weight } from './build.js';

const file = (name: string) => (): Model => readModel(`test/data/cases/sites/${name}.onnx`);
const found = (model: Model) => {
  const { sites, refused } = findLinears(model);
  return [
    ...sites.map(({ id, uses }) => `${id} ${uses.map(({ node }) => node.label).join(' ')}`),
    ...refused.map(({ id, diagnostic }) => `${id} ${diagnostic.code}`),
  ];
};

describe('a layer whose input is stored in the model', () => {
  test('is another use of a weight that a layer reads, and what it gives is not a weight', async () => {
    const make = file('const_left_tied');
    expect(found(make())).toEqual([
      'attn.query_proj /attn/query_proj/MatMul /attn/query_proj_1/MatMul',
      'attn.dense /attn/dense/MatMul',
    ]);
    const feeds = { x: f32([3, 8], 5) };
    await checkAdapted(make, feeds, (base, deltas) => {
      addTo(base, 'A', deltas.get('attn.query_proj')!);
      addTo(base, 'Wo', deltas.get('attn.dense')!);
    });
    expect(factorGradientError(make, feeds)).toBeLessThan(1e-6);
  });

  test('is a layer of its own', async () => {
    const make = file('learned_queries');
    const names = ['q_proj', 'k_proj', 'v_proj', 'out_proj'];
    expect(found(make())).toEqual(names.map((name) => `attn.${name} /attn/${name}/MatMul`));
    const feeds = { x: f32([1, 5, 8], 5) };
    await checkAdapted(make, feeds, (base, deltas) => {
      for (const name of names) addTo(base, name, deltas.get(`attn.${name}`)!);
    });
    expect(factorGradientError(make, feeds)).toBeLessThan(1e-6);
  });

  test.each([
    ['tied_lm_head', ['transformer.h.0.fc 1', 'lm_head 1']],
    ['gpt2tied.ts', ['lm_head 1']],
  ])('changes nothing in %s, where a head reads the table of an embedding', (name, wanted) => {
    const { sites, refused } = findLinears(file(name)());
    expect(refused).toEqual([]);
    expect(sites.map(({ id, uses }) => `${id} ${uses.length}`)).toEqual(expect.arrayContaining(wanted));
  });

  test('may be computed from stored tensors, with a bias and a table after it', () => {
    const net = new Net(3);
    const table = net.op('Tanh', [net.init('table', weight(1, 4, 3))]);
    const [w, b] = [net.init('w', weight(2, 3, 3)), net.init('b', f32Tensor([3], [1, 2, 3]))];
    const rows = net.op('Add', [net.op('Add', [net.op('MatMul', [table, w], '/k/MatMul'), b]), table]);
    net.output(net.op('MatMul', [net.x, net.transpose(rows)], '/scores/MatMul'));
    expect(found(net.model)).toEqual(['k /k/MatMul']);
  });

  test('is none where numbers are multiplied that no matrix projects', () => {
    const net = new Net(3);
    const positions = net.op('Abs', [net.init('p', f32Tensor([4, 1], [0, 1, 2, 3]))]);
    const angles = net.op('MatMul', [positions, net.init('f', f32Tensor([1, 3], [1, 0.1, 0.01]))]);
    net.output(net.op('Add', [net.x, net.op('Cos', [angles])]));
    expect(found(net.model)).toEqual([]);
  });
});

describe('a weight that is kept in parts, W + s B A', () => {
  const parts = (tied: boolean): Net => {
    const net = new Net(3);
    const [w, a, b] = [weight(1, 3, 5), weight(2, 2, 5), weight(3, 3, 2)];
    const right = net.init('a', a);
    const product = net.op('MatMul', [net.init('b', b), right], '/merge/MatMul');
    const scaled = net.op('Mul', [product, net.init('s', f32Tensor([], [0.5]))]);
    const sum = net.op('Add', [net.init('w', w), scaled]);
    net.output(net.op('MatMul', [net.x, sum], '/fc/MatMul'));
    const two = net.op('MatMul', [net.x, net.init('two', weight(4, 3, 2))], '/two/MatMul');
    if (tied) net.output(net.op('MatMul', [two, right], '/tied/MatMul'));
    else net.output(two);
    return net;
  };

  test('is one weight, and computed', () => {
    expect(found(parts(false).model)).toEqual(['two /two/MatMul', 'fc LOTR3104']);
  });

  test('keeps a layer from being adapted that reads a part of it', () => {
    expect(found(parts(true).model)).toEqual([
      'two /two/MatMul',
      'merge LOTR3111',
      'fc LOTR3104',
      'tied LOTR3112',
    ]);
  });
});

describe('a layer is refused when another use of its weight is', () => {
  test('of one tensor, on the left', () => {
    const net = new Net(4);
    const w = net.init('w', weight(1, 4, 4));
    net.output(net.op('MatMul', [net.x, w], '/fc/MatMul'));
    net.output(net.op('MatMul', [w, net.transpose(net.x)], '/left/MatMul'));
    expect(found(net.model)).toEqual(['fc LOTR3112', 'left LOTR3101']);
    const { diagnostic } = findLinears(net.model).refused[0]!;
    expect(diagnostic.message).toContain('another use of its weight, "/left/MatMul"');
  });

  test('of equal contents, unless only one tensor counts', () => {
    const net = new Net(4);
    net.output(net.op('MatMul', [net.x, net.init('w', weight(1, 4, 5))], '/fc/MatMul'));
    net.output(
      net.op('Gemm', [net.x, net.init('v', weight(1, 4, 5))], '/zero/Gemm', { alpha: attrFloat(0) }),
    );
    expect(found(net.model)).toEqual(['fc LOTR3112', 'zero LOTR3109']);
    const { sites } = findLinears(net.model, { tie: 'initializer' });
    expect(sites.map(({ id }) => id)).toEqual(['fc']);
  });
});
