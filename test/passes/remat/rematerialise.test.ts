import { describe, expect, test } from 'vitest';
import type { Model, Node, Value } from '../../../src/ir/model.js';
import type { NdArray } from '../../../src/ir/ops/core/define.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { recomputeBlocks } from '../../../src/passes/remat/blocks.js';
import { rematerialise } from '../../../src/passes/remat/rematerialise.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { isValid } from '../../support/is-valid.js';

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  x: [2, 3, 80],
  r: [80, 4],
  q: [4, 130],
  c: [80],
  m: [2, 1, 3],
};

/** Attention over x, whose adapter r trains; then a norm that feeds a second product with r. */
const ATTENTION = `h = MatMul (x, r) k = Transpose <perm=[0,2,1]> (h) s = MatMul (h, k) n = Mul (s, half) a = Add (n, m)
  p = Softmax <axis=-1> (a) o = MatMul (p, x) z = Add (o, x) l = LayerNormalization <axis=-1> (z, c, c) g = MatMul (l, r) y = Tanh (g)`;

function build(body: string, batch = 'B', seq = 'S'): { model: Model; forward: Set<Node>; seeds: Value[] } {
  const model = parseModel(`<ir_version: 8, opset_import: ["": 17]>
    g (float[${batch},${seq},80] x, float[80,4] r, float[4,130] q, float[80] c, float[${batch},1,${seq}] m) => (y)
    <float half = {0.5}> { ${body} }`);
  inferShapes(model);
  const { graph } = model;
  const y = graph.outputs[0]!;
  const seed = graph.addInitializer('seed', f32Tensor([], [1]));
  const forward = new Set(graph.nodes);
  // d y^2 / 2: a gradient that differs from element to element
  const cotangent = graph.append({ op: 'Mul', name: 'seed', inputs: [y, seed], outputs: ['dy'] }).outputs[0]!;
  cotangent.setType(y.type);
  const found = differentiate(graph, { seeds: new Map([[y, cotangent]]), wrt: [graph.own('r')!] });
  graph.addOutput(found.get(graph.own('r')!)!);
  inferShapes(model);
  return { model, forward, seeds: [cotangent] };
}

function results(model: Model): readonly Float64Array[] {
  inferShapes(model);
  const feeds = new Map<string, NdArray>();
  for (const [k, [name, shape]] of Object.entries(SHAPES).entries()) {
    const count = shape.reduce((a, b) => a * b, 1);
    feeds.set(name, {
      shape,
      data: Float64Array.from({ length: count }, (_, i) => Math.sin(1.3 * k + 0.7 * i)),
    });
  }
  const values = evaluateGraph(model.graph, feeds);
  return model.graph.outputs.map((output) => values.get(output)!.data);
}

/** Forward values that the backward pass reads. */
function kept(forward: ReadonlySet<Node>): string[] {
  const read = (value: Value) => [...value.uses].some(({ node }) => !forward.has(node));
  return [...forward].flatMap(({ outputs }) => outputs.filter(read).map(({ name }) => name)).sort();
}

describe('rematerialise', () => {
  test('softmax and normalisation are computed again; results are the same bits', () => {
    const [plain, made] = [build(ATTENTION), build(ATTENTION)];
    const before = kept(plain.forward);
    expect(before).toEqual(expect.arrayContaining(['p', 'l', 'z', 'h']));
    const dropped = rematerialise(made.model.graph, made.forward, made.seeds).map(({ name }) => name);
    expect(dropped).toEqual(['p', 'l']);
    expect(isValid(made.model)).toBe(true);
    expect(kept(made.forward)).toEqual(before.filter((name) => name !== 'p' && name !== 'l'));
    const [a, b] = [results(plain.model), results(made.model)];
    expect(Math.max(...a[1]!.map(Math.abs))).toBeGreaterThan(0.01);
    expect(b).toEqual(a);
  });
  test('elements in another order stay so, unless they are read in several orders', () => {
    // o and n cost too much to compute again; p is computed again from heads of them
    const dropped = (right: string) => {
      const body = `h = MatMul (x, r) k = Transpose <perm=[0,2,1]> (h) s = MatMul (h, k) w = Softmax <axis=-1> (s)
        o = MatMul (w, x) n = MatMul (w, x) parts = Constant <value_ints = [0, 0, 2, 40]> ()
        a = Reshape (o, parts) b = Transpose <perm = [0,2,1,3]> (a)
        d = Reshape (${right}, parts) e = Transpose <perm = [0,2,3,1]> (d)
        t = MatMul (b, e) p = Softmax <axis=-1> (t) y = MatMul (p, b)`;
      const [plain, made] = [build(body), build(body)];
      const names = rematerialise(made.model.graph, made.forward, made.seeds).map(({ name }) => name);
      expect(results(made.model)).toEqual(results(plain.model));
      return names;
    };
    expect(dropped('o')).toEqual(expect.arrayContaining(['b', 'e', 'p']));
    const apart = dropped('n');
    expect(apart).toContain('p');
    expect(apart).not.toContain('b');
    expect(apart).not.toContain('e');
  });
  test('a copy reads its operands through a shape that a gradient gives', () => {
    const { model, forward, seeds } = build(ATTENTION);
    rematerialise(model.graph, forward, seeds);
    const copies = [...model.graph.nodes].filter(
      ({ origin, op }) => origin.pass === 'rematerialise' && op === 'Reshape',
    );
    expect(copies.length).toBeGreaterThan(0);
    for (const { inputs } of copies) {
      if (!forward.has(inputs[0]!.producer!)) continue;
      const sources = new Set<Node>();
      for (const stack = [inputs[1]!]; stack.length > 0; ) {
        const node = stack.pop()!.producer;
        if (node && !sources.has(node)) stack.push(...node.inputs.filter((input) => input !== null));
        if (node) sources.add(node);
      }
      expect(
        [...sources].some((node) => node.name.startsWith('grad/') || node.origin.pass === 'autodiff'),
      ).toBe(true);
    }
  });
  test('a node of several outputs is made again with all of them', () => {
    // the second part is of another width: what a Split gives depends on how many outputs it has
    const body = `h = MatMul (x, r) w = MatMul (h, q) sizes = Constant <value_ints = [70, 60]> ()
      u = Tanh (w) a, rest = Split <axis=-1> (u, sizes) e = Exp (a) y = Mul (e, a)`;
    const [plain, made] = [build(body), build(body)];
    const dropped = rematerialise(made.model.graph, made.forward, made.seeds).map(({ name }) => name);
    expect(dropped).toContain('a');
    expect(isValid(made.model)).toBe(true);
    const copy = [...made.model.graph.nodes].find(
      ({ origin, op }) => origin.pass === 'rematerialise' && op === 'Split',
    );
    expect(copy!.outputs).toHaveLength(2);
    expect(results(made.model)).toEqual(results(plain.model));
  });
  test.each([
    [
      'a product over many terms is not done twice',
      ATTENTION.replace('MatMul (h, k)', 'MatMul (w, k2)').replace(
        'k =',
        'w = MatMul (h, q) k2 = Transpose <perm=[0,2,1]> (w) k =',
      ),
      'B',
      'S',
      ['w', 'k2', 'l'],
    ],
    ['fixed extents: nothing to anchor to', ATTENTION, '2', '3', []],
    ['what the caller reads stays', ATTENTION.replaceAll('y = Tanh (g)', 'y = Mul (l, x)'), 'B', 'S', ['p']],
  ] as const)('%s', (_name, body, batch, seq, names) => {
    const { model, forward, seeds } = build(body, batch, seq);
    expect(rematerialise(model.graph, forward, seeds).map(({ name }) => name)).toEqual(names);
  });
});

describe('recomputeBlocks', () => {
  /** Two residual layers with one factor r and its own weights each. */
  const layer = (
    n: number,
    x: string,
  ) => `a${n} = MatMul (${x}, r) b${n} = Tanh (a${n}) c${n} = MatMul (b${n}, w${n})
    d${n} = Relu (c${n}) z${n} = Add (d${n}, ${x}) l${n} = LayerNormalization <axis=-1> (z${n}, c, c)`;
  const two = () =>
    build(
      `w1 = Transpose (r) w2 = Neg (w1) ${layer(1, 'x')} ${layer(2, 'l1')} ${layer(3, 'l2').replaceAll('w3', 'w1')} y = Tanh (l3)`,
    );
  test('of each block only what goes in is kept; results are the same bits', () => {
    const [plain, made] = [two(), two()];
    const before = kept(plain.forward);
    const r = made.model.graph.own('r')!;
    const dropped = recomputeBlocks(made.model.graph, made.forward, made.seeds, [r]).map(({ name }) => name);
    expect(isValid(made.model)).toBe(true);
    expect(dropped.length).toBeGreaterThan(2);
    const after = kept(made.forward);
    for (const name of dropped) {
      expect(before).toContain(name);
      expect(after).not.toContain(name);
    }
    // wide values that stay: where the first block begins, between the layers, and what is left of the forward pass
    expect(after).toEqual(expect.arrayContaining(['c1', 'z2']));
    expect(dropped).toEqual(expect.arrayContaining(['z1', 'l1', 'c2', 'l2']));
    const [a, b] = [results(plain.model), results(made.model)];
    expect(Math.max(...a[1]!.map(Math.abs))).toBeGreaterThan(0.01);
    expect(b).toEqual(a);
  });
});
