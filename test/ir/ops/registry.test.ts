import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Attr, attrFloat, attrInt, attrString } from '../../../src/ir/attr.js';
import { Graph, Model, type Node } from '../../../src/ir/model.js';
import type { DimExpr, NdArray } from '../../../src/ir/ops/core/define.js';
import { matmul, swapLast } from '../../../src/ir/ops/core/nd.js';
import { OP_VERSIONS } from '../../../src/ir/ops/generated/attr-defaults.js';
import { allOpDefs, opDef } from '../../../src/ir/ops/index.js';
import { tensorType } from '../../../src/ir/shape.js';
import { DECLARED_CASES, nodeCase } from '../../support/declared-cases.js';
import { buildCase } from '../../support/op-case.js';

/** The operators of the exported transformers that the project is measured on. */
const NEEDED =
  'Abs Add And Cast Concat Constant ConstantOfShape Conv Cos CumSum Div Equal Erf Expand Flatten Gather GatherElements ' +
  'GatherND Gelu Gemm Greater GreaterOrEqual Identity LayerNormalization Less LessOrEqual Log MatMul Max Min Mul Neg Not ' +
  'Pow Range Reciprocal ReduceMean Relu Reshape Shape Sigmoid Sin Slice Softmax Split Sqrt Squeeze Sub Tanh Transpose ' +
  'Unsqueeze Where';

describe('the registry', () => {
  test('knows every operator that exported transformers use', () => {
    expect(NEEDED.split(' ').filter((op) => !opDef('', op, 20))).toEqual([]);
  });

  test('has schema rows for all it defines, and versions do not overlap', () => {
    const ranges = new Map<string, [number, number][]>();
    for (const { name, since, until = Number.POSITIVE_INFINITY } of allOpDefs()) {
      expect(OP_VERSIONS[name], name).toBeDefined();
      for (const [from, to] of ranges.get(name) ?? [])
        expect(since > to || until < from, `${name} ${since}`).toBe(true);
      ranges.set(name, [...(ranges.get(name) ?? []), [since, until]]);
    }
    expect(ranges.size).toBeGreaterThan(150);
  });

  test('finds by domain and version', () => {
    expect(opDef('', 'Softmax', 12)?.until).toBe(12);
    expect(opDef('', 'Softmax', 13)?.since).toBe(13);
    expect(opDef('ai.onnx', 'Relu', 1)?.name).toBe('Relu');
    expect(opDef('com.microsoft', 'Gelu', 1)).not.toBe(opDef('', 'Gelu', 20));
    expect(opDef('', 'Gelu', 19)).toBe(undefined);
    expect(opDef('my.domain', 'Relu', 1)).toBe(undefined);
  });

  test('lists every family, and finds every operator that a family declares', () => {
    const index = readFileSync('src/ir/ops/index.ts', 'utf8');
    const files = readdirSync('src/ir/ops').filter((file) => file.endsWith('.ts') && file !== 'index.ts');
    expect(files.filter((file) => !index.includes(`'./${file.slice(0, -3)}.js'`))).toEqual([]);
    // a declaration that is not exported would be lost
    const hidden = files.filter((file) =>
      /^const \w+(: [\w[\]<>']+)? = (\[\s*\.\.\.)?op\(/m.test(readFileSync(`src/ir/ops/${file}`, 'utf8')),
    );
    expect(hidden).toEqual([]);
  });
});

describe('ops that hand on elements', () => {
  const CASES = DECLARED_CASES.filter(({ key, def }) => def.elements && !/^Cast/.test(key));
  test.each(CASES)('$name', ({ key, def, given }) => {
    const { model, inputs } = buildCase(...nodeCase({ key, given }));
    const from = [...inputs[0]!.data];
    for (const { data } of def.value!(model.graph.nodes.first!, inputs)) {
      if (def.elements === 'kept') expect([...data]).toEqual(from);
      else if (def.elements === 'reordered') expect([...data].sort()).toEqual(from.sort());
      else expect(from).toEqual(expect.arrayContaining([...data]));
      if (def.elements === 'repeated') expect(data.length % from.length).toBe(0);
    }
  });
  test('are of every kind', () =>
    expect(new Set(CASES.map(({ def }) => def.elements))).toEqual(
      new Set(['kept', 'reordered', 'repeated', 'part']),
    ));
});

test('cost of a matrix product: two operations for each product, every element moved once', () => {
  const value = (e: DimExpr, names: Record<string, number>): number => {
    if (e.op === 'const') return e.value;
    if (e.op === 'dim') return names[e.name]!;
    const parts = e.args.map((arg) => value(arg, names));
    return parts.reduce((a, b) => (e.op === 'add' ? a + b : a * b));
  };
  const graph = new Graph('g');
  new Model(graph).setOpset('', 17);
  const x = graph.addInput('x', tensorType('f32', ['b', 's', 6]));
  const w = graph.addInput('w', tensorType('f32', [6, 5]));
  const node = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['y'] }) as Node;
  const { flops, bytes } = opDef('', 'MatMul', 17)!.cost!(node);
  expect(value(flops, { b: 2, s: 7 })).toBe(2 * 2 * 7 * 6 * 5);
  expect(value(bytes, { b: 2, s: 7 })).toBe(4 * (2 * 7 * 6 + 6 * 5 + 2 * 7 * 5));
});

describe('the reference of LoTRLinear', () => {
  const run = (attrs: Record<string, Attr>, args: Parameters<typeof buildCase>[1]) => {
    const { model, inputs } = buildCase('LoTRLinear', args, { domain: 'lotrc' });
    const node = model.graph.nodes.first!;
    for (const [name, attr] of Object.entries(attrs)) node.setAttr(name, attr);
    return { y: opDef('lotrc', 'LoTRLinear', 1)!.value!(node, inputs)[0]!, inputs: inputs as NdArray[] };
  };

  test('LoTR on a Gemm: alpha x W^T + beta b + scale ((x R) M) L', () => {
    const { y, inputs } = run(
      {
        delta: attrString('ir,rs,so->io'),
        scale: attrFloat(0.375),
        base: attrString('Gemm'),
        alpha: attrFloat(0.5),
        beta: attrFloat(2),
        transB: attrInt(1),
      },
      [[3, 6], [5, 6], [6, 2], [2, 2], [2, 5], [5]],
    );
    const [x, w, r, m, l, b] = inputs as [NdArray, NdArray, NdArray, NdArray, NdArray, NdArray];
    const base = matmul(x, swapLast(w));
    const adapter = matmul(matmul(matmul(x, r), m), l);
    const expected = base.data.map((v, i) => 0.5 * v + 2 * b.data[i % 5]! + 0.375 * adapter.data[i]!);
    expect(y.shape).toEqual([3, 5]);
    for (const [i, v] of expected.entries()) expect(y.data[i]).toBeCloseTo(v, 12);
  });

  test('LoRA on a MatMul of rank 3, without bias', () => {
    const { y, inputs } = run({ delta: attrString('ir,ro->io'), scale: attrFloat(2) }, [
      [2, 3, 4],
      [4, 7],
      [4, 2],
      [2, 7],
    ]);
    const [x, w, a, b] = inputs as [NdArray, NdArray, NdArray, NdArray];
    const [base, adapter] = [matmul(x, w), matmul(matmul(x, a), b)];
    expect(y.shape).toEqual([2, 3, 7]);
    for (const [i, v] of base.data.entries()) expect(y.data[i]).toBeCloseTo(v + 2 * adapter.data[i]!, 12);
  });
});
