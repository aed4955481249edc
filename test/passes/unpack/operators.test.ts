import { describe, expect, test } from 'vitest';
import { type Attr, attrFloat, attrInt, attrInts, attrString, attrTensor } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel, readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { staticShape, tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { asProducts } from '../../../src/passes/unpack/einsum.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { addTo, checkAdapted, type Deltas, factorGradientError } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32 } from '../../support/ort.js';

function model(
  op: string,
  domain: string,
  shapes: { readonly x: readonly number[]; readonly w: readonly number[]; readonly b?: number },
  attrs: Readonly<Record<string, Attr>>,
  weightFirst = false,
): Model {
  const graph = new Graph('main');
  const made = new Model(graph);
  made.setOpset('', 17);
  made.setOpset('com.microsoft', 1);
  made.setIrVersion(8);
  const x = graph.addInput('x', tensorType('f32', shapes.x));
  const w = graph.addInitializer('fc.weight', floats('f32', shapes.w, 3));
  const b = shapes.b ? [graph.addInitializer('fc.bias', floats('f32', [shapes.b], 4))] : [];
  const inputs = weightFirst ? [w, x] : [x, w, ...b];
  const node = graph.append({ op, domain, name: 'fc', inputs, outputs: ['y'], attrs: Object.entries(attrs) });
  graph.addOutput(node.outputs[0]!);
  return made;
}

describe('com.microsoft FusedGemm', () => {
  const act = (name: string, alpha?: number): Record<string, Attr> => ({
    activation: attrString(name),
    ...(alpha === undefined ? {} : { activation_alpha: attrFloat(alpha) }),
  });
  const cases: readonly (readonly [string, Record<string, Attr>])[] = [
    ['Relu', act('Relu')],
    ['Tanh', { ...act('Tanh'), alpha: attrFloat(0.5), beta: attrFloat(2) }],
    ['LeakyRelu', act('LeakyRelu', 0.2)],
    ['Sigmoid, transB', { ...act('Sigmoid'), transB: attrInt(1) }],
  ];

  test.each(cases)('%s: the adapter comes before the activation', async (_name, attrs) => {
    const transposed = 'transB' in attrs;
    const alpha = attrs.alpha?.kind === 'float' ? attrs.alpha.value : 1;
    const sites = await checkAdapted(
      () => model('FusedGemm', 'com.microsoft', { x: [4, 5], w: transposed ? [3, 5] : [5, 3], b: 3 }, attrs),
      { x: f32([4, 5], 8) },
      (base, deltas) =>
        addTo(
          base,
          'fc.weight',
          deltas.get('fc')!.map((v) => v / alpha),
          { transposed },
        ),
    );
    expect(sites).toEqual(['fc']);
  });

  test('an activation that lotrc does not know stays', () => {
    const made = model('FusedGemm', 'com.microsoft', { x: [4, 5], w: [5, 3] }, act('Selu'));
    expect(unpackLayers(made).nodes.size).toBe(0);
  });
});

describe('Einsum', () => {
  const cases: readonly (readonly [string, boolean, boolean])[] = [
    ['bsi,io->bso', false, false],
    ['bsi,oi->bso', true, false],
    ['...i, i o -> ...o', false, false],
    ['oi,bsi->bso', true, true],
    ['io,...i->...o', false, true],
  ];

  test.each(cases)('%s is a linear layer', async (equation, transposed, first) => {
    const sites = await checkAdapted(
      () =>
        model(
          'Einsum',
          '',
          { x: [2, 4, 5], w: transposed ? [3, 5] : [5, 3] },
          { equation: attrString(equation) },
          first,
        ),
      { x: f32([2, 4, 5], 8) },
      (base, deltas) => addTo(base, 'fc.weight', deltas.get('fc')!, { transposed }),
    );
    expect(sites).toEqual(['fc']);
  });

  /** equation, extents of its letters, letters of the rows and the columns of the matrix, the weight is the first operand */
  const kernels: readonly (readonly [string, Readonly<Record<string, number>>, string, string, boolean])[] = [
    ['abc,cde->abde', { a: 2, b: 3, c: 5, d: 2, e: 4 }, 'c', 'de', false],
    ['abcd,cde->abe', { a: 2, b: 3, c: 2, d: 4, e: 5 }, 'cd', 'e', false],
    ['ibnd,hnd->ibh', { i: 3, b: 2, n: 2, d: 4, h: 5 }, 'nd', 'h', false],
    ['btd,ndh->btnh', { b: 2, t: 3, d: 5, n: 2, h: 4 }, 'd', 'nh', false],
    ['btd,ndh->bnth', { b: 2, t: 3, d: 5, n: 2, h: 4 }, 'd', 'nh', false],
    ['bis,io->bos', { b: 2, i: 5, s: 3, o: 4 }, 'i', 'o', false],
    ['...nd,ndo->...o', { b: 2, s: 3, n: 2, d: 4, o: 5 }, 'nd', 'o', false],
    ['oi,bis->sob', { b: 2, i: 5, s: 3, o: 4 }, 'i', 'o', true],
    ['bsi,io', { b: 2, s: 3, i: 5, o: 4 }, 'i', 'o', false],
  ];

  test.each(kernels)(
    '%s is a linear layer, and so are its gradients',
    async (equation, extents, rows, columns, first) => {
      const operands = equation.split('->')[0]!.split(',');
      const letters = operands[first ? 0 : 1]!;
      const x = operands[first ? 1 : 0]!.replace('...', 'bs');
      const shapeOf = (axes: string) => [...axes].map((axis) => extents[axis]!);
      const make = () =>
        model(
          'Einsum',
          '',
          { x: shapeOf(x), w: shapeOf(letters) },
          { equation: attrString(equation) },
          first,
        );
      const feeds = { x: f32(shapeOf(x), 8) };
      await checkAdapted(make, feeds, (base, deltas) => {
        const held = base.graph.own('fc.weight')!;
        const values = [...toF64(held.constant!)];
        const [height, width] = [rows, columns].map((axes) => shapeOf(axes).reduce((a, b) => a * b, 1));
        const delta = deltas.get('fc')!;
        expect(delta).toHaveLength(height! * width!);
        for (const at of values.keys()) {
          const place = new Map<string, number>();
          let rest = at;
          for (const axis of [...letters].reverse()) {
            place.set(axis, rest % extents[axis]!);
            rest = Math.floor(rest / extents[axis]!);
          }
          const flat = [...rows, ...columns].reduce(
            (sum, axis) => sum * extents[axis]! + place.get(axis)!,
            0,
          );
          values[at]! += delta[flat]!;
        }
        held.setConstant(f32Tensor(held.constant!.shape, values));
      });
      expect(factorGradientError(make, feeds)).toBeLessThan(1e-6);
    },
  );

  test.each([
    'bsi,io->bsio', // nothing is summed
    'bsi,ii->bsi', // the diagonal
    'bsi,ib->bs', // the matrix follows the rows
    'bbi,io->bbo', // a diagonal of x
    'bsi,io->so', // rows are summed
    'ebi,eio->ebo', // several matrices
  ])('%s is not', (equation) => {
    expect(asProducts(equation)).toEqual([]);
  });
});

describe('a weight that is stored in another form', () => {
  /** y = x V for what `make` makes of a stored tensor; the tensor is called `fc.weight`. */
  const net = (
    w: readonly number[],
    x: readonly number[],
    make: (op: (op: string, inputs: Value[], attrs?: Record<string, Attr>) => Value, w: Value) => Value,
  ): Model => {
    const graph = new Graph('main');
    const made = new Model(graph);
    made.setOpset('', 17);
    made.setIrVersion(8);
    const op = (name: string, inputs: Value[], attrs: Record<string, Attr> = {}) =>
      graph.append({
        op: name,
        inputs,
        outputs: [`${name}.${graph.nodes.size}`],
        attrs: Object.entries(attrs),
      }).outputs[0]!;
    const input = graph.addInput('x', tensorType('f32', x));
    const weight = make(op, graph.addInitializer('fc.weight', floats('f32', w, 3)));
    const node = graph.append({ op: 'MatMul', name: 'fc', inputs: [input, weight], outputs: ['y'] });
    graph.addOutput(node.outputs[0]!);
    return made;
  };
  const ints = (values: readonly number[], op: Parameters<Parameters<typeof net>[2]>[0]): Value =>
    op('Constant', [], { value: attrTensor(i64Tensor([values.length], values)) });
  const add =
    (rows: number, columns: number, at: (i: number, o: number) => number) =>
    (base: Model, deltas: Deltas) => {
      const held = base.graph.own('fc.weight')!;
      const values = [...toF64(held.constant!)];
      const [delta] = [...deltas.values()];
      expect(delta).toHaveLength(rows * columns);
      for (const [k, v] of delta!.entries()) values[at(Math.floor(k / columns), k % columns)]! += v;
      held.setConstant(f32Tensor(held.constant!.shape, values));
    };

  test.each([
    [
      'Reshape',
      net([5, 2, 3], [2, 4, 5], (op, w) => op('Reshape', [w, ints([5, 6], op)])),
      6,
      (i: number, o: number) => 6 * i + o,
    ],
    [
      'Slice of rows, transposed',
      net([9, 5], [2, 4, 5], (op, w) =>
        op('Transpose', [op('Slice', [w, ints([3], op), ints([7], op), ints([0], op)])]),
      ),
      4,
      (i: number, o: number) => 5 * (o + 3) + i,
    ],
    [
      'Slice of rows, multiplied by a vector',
      net([9, 4], [5], (op, w) => op('Slice', [w, ints([3], op), ints([8], op), ints([0], op)])),
      4,
      (i: number, o: number) => 4 * (i + 3) + o,
    ],
    [
      'Slice of columns with a step',
      net([5, 9], [2, 4, 5], (op, w) =>
        op('Slice', [w, ints([8], op), ints([0], op), ints([-1], op), ints([-2], op)]),
      ),
      4,
      (i: number, o: number) => 9 * i + 8 - 2 * o,
    ],
    [
      'one of several, transposed',
      net([3, 4, 5], [2, 6, 5], (op, w) => {
        const index = op('Constant', [], { value: attrTensor(i64Tensor([], [-1])) });
        return op('Transpose', [op('Gather', [w, index])]);
      }),
      4,
      (i: number, o: number) => 2 * 20 + 5 * o + i,
    ],
    ['leading 1', net([1, 5, 4], [2, 3, 5], (_, w) => w), 4, (i: number, o: number) => 4 * i + o],
    [
      'leading 1s before a matrix of rows',
      net([1, 1, 5, 4], [3, 5], (_, w) => w),
      4,
      (i: number, o: number) => 4 * i + o,
    ],
    [
      'heads put together',
      net([2, 5, 3], [2, 4, 5], (op, w) =>
        op('Reshape', [op('Transpose', [w], { perm: attrInts([1, 0, 2]) }), ints([5, 6], op)]),
      ),
      6,
      (i: number, o: number) => 15 * Math.floor(o / 3) + 3 * i + (o % 3),
    ],
  ] as const)('%s', async (_name, first, columns, at) => {
    const bytes = encodeModel(first);
    const make = () => readModelBytes(bytes);
    const { type } = first.graph.inputs[0]!;
    const shape = (type?.kind === 'tensor' && staticShape(type.shape)) || [];
    await checkAdapted(make, { x: f32(shape, 8) }, add(5, columns, at));
    expect(factorGradientError(make, { x: f32(shape, 8) })).toBeLessThan(1e-6);
  });

  test('a part of a weight that another layer reads whole keeps both from being adapted', () => {
    const made = net([5, 9], [2, 4, 5], (op, w) => {
      const x = w.graph!.inputs[0]!;
      w.graph!.addOutput(op('MatMul', [x, w]));
      return op('Slice', [w, ints([2], op), ints([6], op), ints([1], op)]);
    });
    expect(unpackLayers(made).nodes.size).toBe(0);
    expect(findLinears(made).refused.map(({ diagnostic }) => diagnostic.code)).toEqual([
      'LOTR3112',
      'LOTR3104',
    ]);
  });

  test.each([
    ['tdec.ts', 15, 'dec.layers.0.multihead_attn 32x32', 'dec.layers.0.multihead_attn:2 32x64'],
    ['xlnet.ts', 14, 'layer.0.rel_attn.q 32x32', 'layer.1.rel_attn.o 32x32'],
    ['keras.kts', 7, 'linear0_16x16 16x16'],
    ['reshaped_weight', 1, 'query 8x6'],
    ['lead1', 1, 'fc 8x6'],
    ['einsum_keras', 2, 'mha.query 8x8', 'mha.attention_output 8x8'],
  ])('every matrix of %s is a layer', (name, count, ...some) => {
    const made = readModel(`test/data/cases/sites/${name}.onnx`);
    unpackLayers(made);
    const { sites, refused } = findLinears(made);
    expect(refused).toEqual([]);
    expect(sites).toHaveLength(count);
    const unread = [...made.graph.initializers.values()].filter(({ uses }) => uses.size === 0);
    expect(unread.filter(({ constant }) => constant!.shape.length > 1)).toEqual([]);
    expect(sites.map(({ id, in: inn, out }) => `${id} ${inn}x${out}`)).toEqual(expect.arrayContaining(some));
  });
});
