import { describe, expect, test } from 'vitest';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import { type Attr, attrInt, attrInts, attrString } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { findStacks, stacksNamed } from '../../../src/passes/unpack/stacks.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { merge, rewrite } from '../../../src/rewrite.js';
import { checkAdapted, factorGradientError } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32 } from '../../support/ort.js';

const PATH = 'mlp.experts.up_proj';
const [EXPERTS, IN, OUT] = [3, 5, 4];
const PICKS = [2, 0, 2, 1];

interface Form {
  /** the matrices are (out, in) */
  readonly transposed?: boolean;
  readonly make: (
    op: (op: string, inputs: Value[], attrs?: Record<string, Attr>) => Value,
    x: Value,
    w: Value,
    picks: Value,
  ) => Value;
  readonly x: readonly number[];
}

function model({ transposed, make, x }: Form): Model {
  const graph = new Graph('main');
  const made = new Model(graph);
  made.setOpset('', 17);
  made.setIrVersion(8);
  const input = graph.addInput('x', tensorType('f32', x));
  const w = graph.addInitializer(
    PATH,
    floats('f32', transposed ? [EXPERTS, OUT, IN] : [EXPERTS, IN, OUT], 3),
  );
  const picks = graph.addInitializer('picks', i64Tensor([PICKS.length], PICKS));
  const op = (name: string, inputs: Value[], attrs: Record<string, Attr> = {}) =>
    graph.append({
      op: name,
      inputs,
      outputs: [`${name}.${graph.nodes.size}`],
      attrs: Object.entries(attrs),
    }).outputs[0]!;
  graph.addOutput(make(op, input, w, picks));
  return made;
}

const forms: readonly (readonly [string, Form])[] = [
  ['Gather, x W', { x: [4, 1, IN], make: (op, x, w, picks) => op('MatMul', [x, op('Gather', [w, picks])]) }],
  [
    'GatherND, W x',
    {
      transposed: true,
      x: [4, IN, 1],
      make: (op, x, w, picks) => {
        const shape = op('Constant', [], { value: { kind: 'tensor', value: i64Tensor([2], [4, 1]) } });
        return op('MatMul', [op('GatherND', [w, op('Reshape', [picks, shape])]), x]);
      },
    },
  ],
  ['all experts at once', { x: [EXPERTS, 2, IN], make: (op, x, w) => op('MatMul', [x, w]) }],
  [
    'all at once, transposed',
    {
      transposed: true,
      x: [EXPERTS, 2, IN],
      make: (op, x, w) => op('MatMul', [x, op('Transpose', [w], { perm: attrInts([0, 2, 1]) })]),
    },
  ],
  [
    'Einsum',
    {
      transposed: true,
      x: [2, EXPERTS, IN],
      make: (op, x, w) => op('Einsum', [x, w], { equation: attrString('teh,eoh->teo') }),
    },
  ],
];

describe('stacked experts: an adapter for each matrix, added to it', () => {
  test.each(forms)('%s', async (_name, form) => {
    const make = () => model(form);
    const feeds = { x: f32(form.x, 8) };
    const sites = await checkAdapted(make, feeds, (base, deltas) => {
      const held = base.graph.own(PATH)!;
      const values = [...toF64(held.constant!)];
      for (let e = 0; e < EXPERTS; e++) {
        for (const [k, v] of deltas.get(`${PATH}.${e}`)!.entries()) {
          const [i, o] = [Math.floor(k / OUT), k % OUT];
          values[e * IN * OUT + (form.transposed ? o * IN + i : i * OUT + o)]! += v;
        }
      }
      held.setConstant(f32Tensor(held.constant!.shape, values));
    });
    expect(sites).toEqual([0, 1, 2].map((e) => `${PATH}.${e}`));
    expect(factorGradientError(make, feeds)).toBeLessThan(1e-6);
  });

  test.each(['up_proj', 'experts.up_proj', `${PATH}.1`, '.*'])('--target %s', (target) => {
    const made = model(forms[0]![1]);
    const { plan } = rewrite(made, { rank: 2, targets: [target] });
    expect(plan.plans[0]!.sites).toHaveLength(target.endsWith('.1') ? 1 : EXPERTS);
    expect(plan.plans[0]!.groups).toMatchObject([{ in: IN, out: OUT }]);
    // the factors that all share occur once, a core for each expert
    merge(made);
    expect([...made.graph.initializers.keys()].filter((name) => name.startsWith(PATH))).toHaveLength(EXPERTS);
  });
});

describe('stacked experts that nobody named', () => {
  const two = (): Model => {
    const made = model(forms[0]![1]);
    const { graph } = made;
    const [y] = graph.outputs;
    const w = graph.addInitializer('fc.weight', floats('f32', [OUT, 6], 4));
    const z = graph.append({ op: 'MatMul', name: 'fc', inputs: [y!, w], outputs: ['z'] }).outputs[0]!;
    const v = graph.addInitializer('head.weight', floats('f32', [6, 3], 5));
    graph.addOutput(graph.append({ op: 'MatMul', name: 'head', inputs: [z, v], outputs: ['u'] }).outputs[0]!);
    return made;
  };

  test('are left out with a remark, and the stack stays', () => {
    const made = two();
    expect(stacksNamed(made, ['all-linear', 'fc'])).toEqual([]);
    const { plan, diagnostics } = rewrite(made, { rank: 2 });
    expect(plan.plans[0]!.sites.map(({ id }) => id)).toEqual(['fc']);
    expect(diagnostics).toContainEqual(
      expect.objectContaining({
        code: 'LOTR3029',
        message: `stacked weights are not adapted: ${PATH} (${EXPERTS} experts)`,
      }),
    );
    expect(findStacks(made).map(({ path }) => path)).toEqual([PATH]);
  });

  test('are layers in what inspect lists, with their extents', () => {
    const made = two();
    unpackLayers(made, () => true);
    const { sites } = findLinears(made);
    expect(sites.map(({ id, in: inn, out }) => `${id} ${inn}x${out}`)).toEqual([
      ...[0, 1, 2].map((e) => `${PATH}.${e} ${IN}x${OUT}`),
      'fc 4x6',
      'head 6x3',
    ]);
    expect(sites[0]!.aliases).toEqual([PATH]);
  });

  test('have no kernels, and the plan says so', () => {
    const made = two();
    rewrite(made, { rank: 2, targets: ['fc', 'up_proj'] });
    const { regions, skipped } = contract(made);
    expect(regions.flatMap(({ layers }) => layers.map(({ id }) => id))).toEqual(['fc']);
    expect(skipped).toHaveLength(EXPERTS);
  });
});

test('tensors of three axes that no product reads as matrices are not stacks', () => {
  const made = model({
    x: [4, 1, IN],
    make: (op, x, w) => op('Add', [x, op('ReduceSum', [w], { keepdims: attrInt(0) })]),
  });
  expect(findStacks(made)).toEqual([]);
});
