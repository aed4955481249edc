import { describe, expect, test, vi } from 'vitest';
import type { Node } from '../../../src/ir/model.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import type { Use } from '../../../src/ir/value.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { fromNodeName } from '../../../src/passes/sites/names/node-name.js';
import { parsePythonList } from '../../../src/passes/sites/names/scopes.js';
import { Net, weight } from './build.js';

const named = (net: Net) =>
  findLinears(net.model).sites.map(({ modulePath, nameFrom }) => [modulePath, nameFrom]);

/** One MatMul of x whose node and weight are then marked. */
function single(weightName: string, nodeName: string, mark: (node: Node) => void = () => {}): Net {
  const net = new Net(3);
  const node = net.node('MatMul', [net.x, net.init(weightName, weight(1, 3, 5))], nodeName);
  mark(node);
  net.output(node.outputs[0]!);
  return net;
}

const withMetadata = (entries: Record<string, string>) => (node: Node) =>
  node.setMetadata(new Map(Object.entries(entries)));

describe('each source, and the order of trust', () => {
  const all = {
    'pkg.torch.onnx.name_scopes': "['', 'net', 'net.a', 'linear']",
    'pkg.onnxscript.name_scopes': "['', 'net', 'net.b', 'linear_3']",
    namespace:
      ': __main__.Root/net: __main__.Net/net.c: torch.nn.modules.linear.Linear/linear: aten.linear.default',
  };
  test('scopes in metadata', () => {
    expect(named(single('f.weight', '/n/MatMul', withMetadata(all)))).toEqual([['net.a', 'name_scopes']]);
    const { 'pkg.torch.onnx.name_scopes': _first, ...rest } = all;
    expect(named(single('f.weight', '/n/MatMul', withMetadata(rest)))).toEqual([
      ['net.b', 'onnxscript_scopes'],
    ]);
    expect(named(single('f.weight', '/n/MatMul', withMetadata({ namespace: all.namespace })))).toEqual([
      ['net.c', 'namespace'],
    ]);
  });

  test('a second call of a module, and an operation of the root', () => {
    const again = { 'pkg.torch.onnx.name_scopes': "['', 'layers.0@1', 'layers.0@1.fc', 'linear_7']" };
    expect(named(single('w', 'n', withMetadata(again)))).toEqual([['layers.0.fc', 'name_scopes']]);
    const root = { 'pkg.torch.onnx.name_scopes': "['', 'matmul']" };
    expect(named(single('w', 'n', withMetadata(root)))).toEqual([[null, 'ordinal']]);
  });

  test('what the value was folded from', () => {
    const net = single('val_92', 'node_MatMul_91');
    const value = net.graph.initializers.get('val_92')!;
    value.metadata = new Map([['pkg.onnxscript.optimizer.folded_from', "['val_3', 'net.d.weight']"]]);
    expect(named(net)).toEqual([['net.d', 'folded_from']]);
  });

  test('a weight that several parameters were joined to belongs to the module around them', () => {
    const joined = "['enc.k_proj.weight', 'enc.q_proj.weight', 'cat']";
    const mark = (net: Net) => {
      const key = 'pkg.onnxscript.optimizer.folded_from';
      net.graph.initializers.get('val_92')!.metadata = new Map([[key, joined]]);
      return named(net);
    };
    expect(mark(single('val_92', 'node_MatMul_91'))).toEqual([['enc', 'folded_from']]);
    const scope = { 'pkg.torch.onnx.name_scopes': "['', 'enc', 'linear']" };
    expect(mark(single('val_92', 'n', withMetadata(scope)))).toEqual([['enc', 'name_scopes']]);
  });

  test('modules that are not called are put into the scopes, as the layers with parameters show', () => {
    const net = new Net(4);
    const add = (name: string, scope: string) =>
      net.output(net.op('MatMul', [net.x, net.init(name, weight(name.length, 4, 4))], `${scope}/MatMul`));
    add('m.model.decoder.layers.0.fc1.weight', '/m/decoder/layers.0/fc1');
    add('onnx::MatMul_1', '/m/decoder/project_in');
    add('onnx::MatMul_12', '/m/lm_head');
    expect(named(net)).toEqual([
      ['model.decoder.layers.0.fc1', 'weight'],
      ['model.decoder.project_in', 'node'],
      ['lm_head', 'node'],
    ]);
  });

  test('layers that disagree about the missing module complete nothing', () => {
    const net = new Net(4);
    for (const [name, scope] of [
      ['a.net.fc.weight', '/net/fc'],
      ['b.net.up.weight', '/net/up'],
      ['onnx::MatMul_1', '/net/down'],
    ] as const) {
      net.output(net.op('MatMul', [net.x, net.init(name, weight(name.length, 4, 4))], `${scope}/MatMul`));
    }
    expect(named(net).at(-1)).toEqual(['net.down', 'node']);
  });

  test.each([
    ['enc.q.weight', 'enc.q'],
    ['model.layers.0.attn.q_proj.MatMul.weight', 'model.layers.0.attn.q_proj'],
    ['enc.q.weight_transposed', 'enc.q'],
    ['linear_7.w_0', 'linear_7'],
  ])('the weight %s', (name, path) => expect(named(single(name, 'n'))).toEqual([[path, 'weight']]));

  test('names that say nothing', () => {
    for (const node of ['/node_MatMul_174/MatMul', 'node_Linear_3/MatMul_2']) {
      expect(named(single('val_92', node))).toEqual([[null, 'ordinal']]);
    }
    expect(named(single('node_MatMul_174.weight', 'n'))).toEqual([[null, 'ordinal']]);
    for (const name of ['onnx::MatMul_91', 'val_92', 'weight', '219', 'a b.weight']) {
      expect(named(single(name, 'MatMul_16'))).toEqual([[null, 'ordinal']]);
    }
  });

  test('a packed projection is finer than its scope', () => {
    const scope = { 'pkg.torch.onnx.name_scopes': "['', 'enc', 'enc.self_attn', 'linear']" };
    expect(named(single('enc.self_attn.out_proj.weight', 'n', withMetadata(scope)))).toEqual([
      ['enc.self_attn.out_proj', 'weight'],
    ]);
  });
});

describe('the bias', () => {
  function biased(names: readonly [string, string], flip: boolean, shared = false): Net {
    const net = new Net(3);
    const first = net.init(names[0], f32Tensor([4], [1, 2, 3, 4]));
    const second = shared ? first : net.init(names[1], f32Tensor([4], [2, 2, 3, 4]));
    for (const [index, bias] of [first, second].entries()) {
      const product = net.op(
        'MatMul',
        [net.x, net.init(`onnx::MatMul_${index}`, weight(index, 3, 4))],
        `/n${index}/MatMul`,
      );
      net.output(net.op('Add', flip ? [bias, product] : [product, bias]));
    }
    return net;
  }
  test.each([false, true])('in the Add after the product, either operand (%s)', (flip) => {
    expect(named(biased(['h.q.bias', 'h.in_proj_bias'], flip))).toEqual([
      ['h.q', 'bias'],
      ['h', 'bias'],
    ]);
  });
  test('of the module around the layer, whose scope says which one', () => {
    const net = new Net(3);
    const bias = net.init('cls.predictions.bias', f32Tensor([4], [1, 2, 3, 4]));
    const product = net.op(
      'MatMul',
      [net.x, net.init('onnx::1', weight(1, 3, 4))],
      '/cls/predictions/decoder/MatMul',
    );
    net.output(net.op('Add', [product, bias]));
    expect(named(net)).toEqual([['cls.predictions.decoder', 'node']]);
  });
  test('one bias for different weights says nothing: exporters store equal vectors once', () => {
    expect(named(biased(['h.q.bias', ''], false, true))).toEqual([
      ['n0', 'node'],
      ['n1', 'node'],
    ]);
  });
  test('of a Gemm whose weight has no name', () => {
    const net = new Net(3);
    const bias = net.init('cls.bias', f32Tensor([4], [1, 2, 3, 4]));
    net.output(net.gemm(net.x, net.init('w9', weight(1, 3, 4)), {}, '', bias));
    expect(named(net)).toEqual([['cls', 'bias']]);
  });
});

test('a weight that is an embedding too is not named after the embedding', () => {
  const tied = (node: string) => {
    const net = new Net(3);
    const table = net.init('wte.weight', weight(1, 7, 3));
    net.op('Gather', [table, net.graph.addInput('ids', null)]);
    return net.output(net.op('MatMul', [net.x, net.transpose(table)], node));
  };
  expect(named(tied('/lm_head/MatMul'))).toEqual([['lm_head', 'node']]);
  expect(named(tied(''))).toEqual([['wte', 'weight']]);
});

test.each([
  ['/encoder/layer.0/attention/self/query/MatMul', 'encoder.layer.0.attention.self.query'],
  ['/layer1/layer1.0/conv1/Conv', 'layer1.0.conv1'],
  ['/features/features.1/conv/conv.0/conv.0.0/MatMul_2', 'features.1.conv.0.0'],
  ['transformer/h.0/q_proj/MatMul_node_13', 'transformer.h.0.q_proj'],
  ['/MatMul', null],
  ['MatMul_12', null],
])('node name %s', (name, path) => expect(fromNodeName(name)).toBe(path));

test('Python lists as their repr has them', () => {
  expect(parsePythonList(`['', 'a.b', "it's", 'q\\'s', 'x, y']`)).toEqual(['', 'a.b', "it's", "q's", 'x, y']);
  expect(parsePythonList(undefined)).toEqual([]);
});

describe('a wrapper module around the model', () => {
  const wrapped = (prefix: string, ...paths: string[]) => {
    const net = new Net(3);
    for (const [i, path] of paths.entries()) {
      net.output(net.op('MatMul', [net.x, net.init(`${prefix}.${path}.weight`, weight(i, 3, 4 + i))]));
    }
    return findLinears(net.model);
  };
  test('goes, when every path and parameter has it', () => {
    const found = wrapped('m', 'bert.fc', 'cls');
    expect([found.wrapper, ...found.sites.map(({ modulePath }) => modulePath)]).toEqual([
      'm',
      'bert.fc',
      'cls',
    ]);
  });
  test('stays, when it is a list, or a name that models use themselves', () => {
    expect(wrapped('m', '0', '1').sites.map(({ id }) => id)).toEqual(['m.0', 'm.1']);
    expect(wrapped('decoder', 'q', 'k').sites.map(({ id }) => id)).toEqual(['decoder.q', 'decoder.k']);
  });
});

test('readers of a bias are looked at once, however many layers share it and the weight', () => {
  const net = new Net(3);
  const w = net.init('onnx::MatMul_1', weight(1, 3, 3));
  const bias = net.init('fc.bias', f32Tensor([3], [1, 2, 3]));
  let x = net.x;
  for (let k = 0; k < 200; k++) x = net.op('Tanh', [net.op('Add', [net.op('MatMul', [x, w]), bias])]);
  net.output(x);
  const walks = vi.spyOn(bias.uses as Set<Use>, Symbol.iterator);
  expect(named(net)).toEqual([['fc', 'bias']]);
  expect(walks.mock.calls.length).toBeGreaterThan(0);
  expect(walks.mock.calls.length).toBeLessThan(5);
});
