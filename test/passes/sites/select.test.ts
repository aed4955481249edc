import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { encodeFloats } from '../../../src/ir/values.js';
import { writePlan } from '../../../src/passes/plan/plan.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { outputHeads } from '../../../src/passes/sites/heads.js';
import {
  layerNumber,
  parseLayers,
  parsePattern,
  parsePatternValue,
} from '../../../src/passes/sites/patterns.js';
import { type SelectOptions, selectSites } from '../../../src/passes/sites/plan.js';
import { Net, weight } from './build.js';

const DIM = 16;

/** Three blocks of query, key, value, dense (16x16), up (16x24), down (24x16), and a head (16x5). */
function transformer(): Net {
  const net = new Net(DIM);
  let x = net.x;
  let seed = 1;
  for (let layer = 0; layer < 3; layer++) {
    const at = (name: string) => `bert.layer.${layer}.${name}`;
    const project = (name: string) => net.linear(x, at(`attention.self.${name}`), weight(seed++, DIM, DIM));
    const [q, k, v] = [project('query'), project('key'), project('value')];
    const mixed = net.op('MatMul', [net.op('Softmax', [net.op('MatMul', [q, net.transpose(k)])]), v]);
    const dense = net.linear(mixed, at('attention.dense'), weight(seed++, DIM, DIM));
    const up = net.linear(net.op('Add', [x, dense]), at('mlp.up'), weight(seed++, DIM, 24));
    x = net.op('Add', [x, net.linear(net.op('Relu', [up]), at('mlp.down'), weight(seed++, 24, DIM))]);
  }
  return net.output(net.linear(x, 'classifier', weight(seed, DIM, 5)));
}

const pick = (options: Partial<SelectOptions>, net = transformer()) =>
  selectSites(net.model, { rank: 2, ...options });
const ids = (options: Partial<SelectOptions>) => pick(options).sites.map(({ id }) => id);
const count = (options: Partial<SelectOptions>) => ids(options).length;

function refusal(run: () => unknown) {
  try {
    run();
  } catch (error) {
    if (error instanceof LotrcError) return error.diagnostics[0]!;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('patterns', () => {
  const path = 'bert.layer.1.attention.self.query';
  test.each([
    ['query', true],
    ['self.query', true],
    [path, true],
    ['uery', false],
    ['self', false],
    ['layer.1', false],
    ['glob:*.query', true],
    ['glob:bert.layer.?.*', true],
    ['glob:query', false],
    ['glob:*.q[u]ery', false],
    ['attention\\.self\\.(query|value)$', true],
    ['self\\.(key|value)$', false],
    ['^bert', true],
    ['^layer', false],
    ['(?i)QUERY$', true],
    ['QUERY$', false],
    ['.*', true],
  ])('%s', (pattern, expected) => expect(parsePattern(pattern, '--target').matches(path)).toBe(expected));

  test('what cannot be read', () => {
    expect(refusal(() => parsePattern('self.(query', '--target')).code).toBe('LOTR3004');
    expect(refusal(() => parsePattern('', '--exclude')).code).toBe('LOTR3004');
    for (const text of ['query', 'query=', '=4', 'query=four']) {
      expect(refusal(() => parsePatternValue(text, '--rank-pattern')).code).toBe('LOTR3004');
    }
    expect(parsePatternValue('a=b=4', '--rank-pattern')).toEqual(['a=b', 4]);
    for (const text of ['', '1-', '3-1', 'a', '1,,2', '-1']) {
      expect(refusal(() => parseLayers(text)).code).toBe('LOTR3004');
    }
  });

  test('layer numbers', () => {
    expect(parseLayers('0-2, 8')).toEqual([
      [0, 2],
      [8, 8],
    ]);
    expect(layerNumber('encoder.block.3.layer.0.q')).toBe(3);
    expect(layerNumber('model.layers.12.mlp.experts.7.up')).toBe(12);
    expect(layerNumber('encoder.layer_4.fc1')).toBe(4);
    expect(layerNumber('encoder.fc1.q8')).toBeNull();
  });
});

describe('selection', () => {
  test('all-linear is the default and leaves out the head', () => {
    expect(count({})).toBe(18);
    expect(ids({})).not.toContain('classifier');
    expect(ids({ targets: ['classifier'] })).toEqual(['classifier']);
  });

  test('targets add up, in the order of the model, each layer once', () => {
    expect(ids({ targets: ['value', 'attention.self.query', 'glob:*.query'], layers: '1' })).toEqual([
      'bert.layer.1.attention.self.query',
      'bert.layer.1.attention.self.value',
    ]);
  });

  test('exclude and layers', () => {
    expect(count({ exclude: ['mlp\\.'] })).toBe(12);
    expect(count({ layers: '0,2' })).toBe(12);
    expect(count({ targets: ['query'], exclude: ['glob:bert.layer.0.*'], layers: '0-1' })).toBe(1);
  });

  test('a key that is also a cache output is not a head', () => {
    const net = transformer();
    const linears = findLinears(net.model);
    const nodes = linears.candidates.map(({ node }) => node);
    for (const { node } of linears.candidates) if (node.name.includes('key')) net.output(node.outputs[0]!);
    expect([...outputHeads(nodes)].map(({ name }) => name)).toEqual(['/classifier/MatMul']);
  });

  test('a head inside a branch whose result is the output', () => {
    const net = new Net(4);
    const inner = new Graph('then');
    const w = net.init('head.weight', weight(1, 4, 3));
    const hidden = net.linear(net.x, 'fc', weight(2, 4, 4));
    inner.addOutput(inner.append({ op: 'MatMul', inputs: [hidden, w], outputs: ['y'] }).outputs[0]!);
    const cond = net.graph.addInput('cond', null);
    net.output(net.op('If', [cond], '', { then_branch: { kind: 'graph', value: inner } }));
    expect(pick({}, net).sites.map(({ id }) => id)).toEqual(['fc']);
  });

  /** Blocks whose last product is the output of the model, as in an encoder that was exported without a head. */
  function blocks(path: (index: number) => string, count = 3): Net {
    const net = new Net(4);
    let x = net.x;
    for (let index = 0; index < count; index++) x = net.linear(x, path(index), weight(index + 1, 4, 4));
    net.output(x);
    return net;
  }

  test('the last of several blocks is not a head, and a classifier at the end of a Sequential is one', () => {
    const encoder = pick(
      {},
      blocks((index) => `encoder.layer.${index}.output`),
    );
    expect(encoder.sites.map(({ id }) => id)).toContain('encoder.layer.2.output');
    expect(encoder.diagnostics).toEqual([]);
    const underscored = pick(
      {},
      blocks((index) => `enc.h_${index}.out`),
    );
    expect(underscored.sites).toHaveLength(3);
    const sequential = pick(
      {},
      blocks((index) => `net.${index}`),
    );
    expect(sequential.sites.map(({ id }) => id)).toEqual(['net.0', 'net.1']);
    expect(sequential.diagnostics[0]).toMatchObject({ code: 'LOTR3026', message: /net\.2$/ });
  });

  test('layers smaller than the rank are left out by default and named', () => {
    const net = transformer();
    net.output(
      net.linear(
        net.op('MatMul', [net.x, net.init('gate.weight', weight(71, 16, 2))]),
        'up',
        weight(72, 2, 16),
      ),
    );
    const { sites, diagnostics } = pick({ rank: 5 }, net);
    expect(sites.map(({ id }) => id)).not.toContain('gate');
    expect(diagnostics.find(({ code }) => code === 'LOTR3027')!.message).toBe(
      '1 layer is smaller than rank 5 and gets no adapter: gate (16 x 2)',
    );
    const own = pick({ rank: 5, rankPatterns: [['gate', 2]] }, net);
    expect(own.sites.find(({ id }) => id === 'gate')!.rank).toBe(2);
    expect(refusal(() => pick({ rank: 5, targets: ['gate', 'query'] }, net)).code).toBe('LOTR3006');
  });

  test('--layers and --exclude do not part layers of equal weights that are stored apart', () => {
    const net = new Net(4);
    const same = weight(1, 4, 4);
    let x = net.linear(net.x, 'h.0.up', weight(5, 4, 4));
    for (const index of [1, 2]) {
      x = net.op('MatMul', [x, net.init(`h.${index}.up.weight`, same)], `/h.${index}/up/MatMul`);
    }
    net.output(net.linear(x, 'head', weight(9, 4, 4)));
    for (const selection of [{ layers: '2' }, { layers: '0-1' }, { exclude: ['h.1.up'] }]) {
      const { code, hint } = refusal(() => pick(selection, net));
      expect([code, hint]).toEqual(['LOTR3007', expect.stringContaining('--tie initializer')]);
    }
    expect(pick({ layers: '1-2' }, net).sites).toHaveLength(1);
    const apart = pick({ layers: '2', tie: 'initializer' }, net);
    expect(apart.sites.map(({ id }) => id)).toEqual(['h.2.up']);
  });

  test('the wrapper segment may be written or left out', () => {
    const net = new Net(4);
    for (const name of ['m.bert.q', 'm.bert.k']) {
      net.output(
        net.op('MatMul', [net.x, net.init(`${name}.weight`, weight(name.length + name.charCodeAt(7), 4, 4))]),
      );
    }
    for (const target of ['bert.q', 'm.bert.q', '^m\\.bert\\.q', '^bert\\.q', 'glob:m.*.q']) {
      expect(pick({ targets: [target] }, net).sites.map(({ id }) => id)).toEqual(['bert.q']);
    }
  });

  test('a tied layer answers to each of its paths', () => {
    const net = new Net(4);
    const w = net.init('onnx::1', weight(1, 4, 4));
    const one = net.op('MatMul', [net.x, w], '/enc/0/q/MatMul');
    net.output(net.op('MatMul', [one, w], '/enc/1/q/MatMul'));
    expect(pick({ targets: ['enc.1.q'] }, net).sites.map(({ id }) => id)).toEqual(['enc.0.q']);
    expect(pick({ targets: ['q'], layers: '1' }, net).sites).toHaveLength(1);
  });
});

describe('what is refused', () => {
  test.each<[string, Partial<SelectOptions>, string]>([
    ['a target without a match', { targets: ['quary'] }, 'LOTR3002'],
    ['one of two targets without a match', { targets: ['query', 'qkv'] }, 'LOTR3002'],
    ['an exclude pattern without a match', { exclude: ['lm_head'] }, 'LOTR3002'],
    ['layers that do not exist', { layers: '7-9' }, 'LOTR3002'],
    ['a range that ends beyond the layers', { layers: '0-9' }, 'LOTR3002'],
    ['a rank pattern outside the selection', { targets: ['query'], rankPatterns: [['key', 4]] }, 'LOTR3002'],
    ['everything excluded', { targets: ['query'], exclude: ['query'] }, 'LOTR3003'],
    ['nothing in those layers', { targets: ['classifier'], layers: '0-2' }, 'LOTR3003'],
    ['not a regular expression', { targets: ['(query'] }, 'LOTR3004'],
    ['rank 0', { rank: 0 }, 'LOTR3005'],
    ['rank 1.5', { rank: 1.5 }, 'LOTR3005'],
    ['rank NaN', { rank: Number.NaN }, 'LOTR3005'],
    ['a rank pattern of -1', { rankPatterns: [['query', -1]] }, 'LOTR3005'],
    ['scale 0', { spec: { ...LOTR, scale: 0 } }, 'LOTR3005'],
    ['rank above min(in, out)', { rank: 17 }, 'LOTR3006'],
    ['a rank pattern above min(in, out)', { rankPatterns: [['down', 20]] }, 'LOTR3006'],
    ['all-linear and others', { targets: ['all-linear', 'classifier'] }, 'LOTR3007'],
    ['exclude all-linear', { exclude: ['all-linear'] }, 'LOTR3007'],
    [
      'two ranks for one pattern',
      {
        rankPatterns: [
          ['query', 3],
          ['query', 4],
        ],
      },
      'LOTR3007',
    ],
    ['blocks without numbers', { targets: ['classifier'], share: 'block=2' }, 'LOTR3007'],
  ])('%s', (_what, options, code) => expect(refusal(() => pick(options)).code).toBe(code));

  test('the hint names the closest paths', () => {
    expect(refusal(() => pick({ targets: ['self.quary'] })).hint).toContain(
      'bert.layer.0.attention.self.query',
    );
    expect(refusal(() => pick({ layers: '5' })).message).toContain('the layers are numbered 0 to 2');
  });

  test('the layer that is too small, and how many more', () => {
    const { message, hint } = refusal(() => pick({ targets: ['query', 'classifier'], rank: 6 }));
    expect(message).toBe('rank 6 is larger than min(in, out) of layer "classifier" (16 x 5)');
    expect(hint).toContain("--rank-pattern 'PATTERN=5'");
    expect(refusal(() => pick({ rank: 17 })).message).toMatch(/and of 17 more$/);
  });

  test('a model whose layers are refused but for the output head', () => {
    const net = new Net(4);
    const held = net.init('w', f32Tensor([4, 4], new Float32Array(16).fill(1)));
    const made = net.op('MatMul', [net.x, net.op('Abs', [held])]);
    const head = net.init('head.weight', f32Tensor([4, 4], new Float32Array(16).fill(2)));
    net.output(net.op('MatMul', [net.op('Relu', [made]), head]));
    const { code, message, notes } = refusal(() => pick({}, net));
    expect(code).toBe('LOTR3002');
    expect(message).toMatch(
      /: 1 linear layer cannot carry an adapter, and the others are output heads, which must be named$/,
    );
    expect(notes![0]!.message).toContain('LOTR3104');
  });

  test('a model without linear layers, and one whose layers all are refused', () => {
    const none = new Net(4);
    none.output(none.op('Relu', [none.x]));
    expect(refusal(() => pick({}, none))).toMatchObject({
      code: 'LOTR3001',
      message: 'the model has no matrix products (MatMul, Gemm)',
    });
    const scores = new Net(4);
    scores.output(scores.op('MatMul', [scores.x, scores.op('Relu', [scores.x])]));
    expect(refusal(() => pick({}, scores)).message).toBe(
      'the model has 1 matrix product, but none multiplies by a stored matrix',
    );
    const outside = new Net(4);
    const given = outside.graph.addInput('primals_1', tensorType('f32', [4, 4]));
    outside.output(outside.op('MatMul', [outside.x, given]));
    expect(refusal(() => pick({}, outside)).message).toBe(
      'the model has 1 matrix product, but none multiplies by a stored matrix; matrices are inputs of the graph (primals_1)',
    );
    const packed = new MemoryTensor('i8', [4, 4], new Uint8Array(16));
    const net = new Net(4);
    const scale = net.op('Abs', [net.init('s', f32Tensor([], [1]))]);
    const w = net.op('DequantizeLinear', [net.init('q', packed), scale]);
    net.output(net.op('MatMul', [net.x, w]));
    expect(refusal(() => pick({}, net)).notes![0]!.message).toContain('LOTR3104');
  });

  test('only heads', () => {
    const net = new Net(4);
    net.output(net.linear(net.x, 'head', weight(1, 4, 4)));
    expect(refusal(() => pick({}, net)).message).toContain('every linear layer is an output head');
    expect(pick({ targets: ['head'] }, net).sites).toHaveLength(1);
  });

  test('a target that matches only refused layers gives their reasons; with others, a warning', () => {
    const net = transformer();
    const scaled = net.op('Mul', [net.init('a', weight(90, 16, 4)), net.init('b', weight(91, 16, 4))]);
    net.output(net.op('MatMul', [net.x, scaled], '/pool/query/MatMul'));
    expect(refusal(() => pick({ targets: ['pool.query'] }, net)).code).toBe('LOTR3104');
    const [warning] = pick({ targets: ['query'] }, net).diagnostics;
    expect(warning).toMatchObject({ code: 'LOTR3022', severity: 'warning' });
    expect(warning!.notes![0]!.message).toContain('pool.query');
    expect(pick({ targets: ['query'], exclude: ['pool' + '\\.'] }, net).diagnostics).toEqual([]);
    expect(pick({}, net).diagnostics.map(({ code }) => code)).toEqual(['LOTR3026']);
  });

  test('a model that carries adapters', () => {
    const net = transformer();
    writePlan(net.model, pick({}, net).plan);
    expect(refusal(() => pick({}, net)).code).toBe('LOTR3302');
  });
});

describe('groups', () => {
  const groups = (options: Partial<SelectOptions>) =>
    pick(options).plan.plans.flatMap((row) =>
      row.groups.map((group) => [group.id, row.sites.filter((site) => site.group === group.id).length]),
    );
  const qv = { targets: ['query', 'value'] };
  const block = (k: number) => groups({ ...qv, share: `block=${k}` as const });

  test('by shape', () => {
    expect(groups({})).toEqual([
      ['16x16', 12],
      ['16x24', 3],
      ['24x16', 3],
    ]);
  });
  test('by target: the first that matches; patterns become names', () => {
    const targets = ['self\\.(query|value)$', 'glob:*.key', 'self\\.query|value$', 'mlp.up'];
    expect(groups({ targets, share: 'target' })).toEqual([
      ['self.query-value/16x16', 6],
      ['key/16x16', 3],
      ['mlp.up/16x24', 3],
    ]);
    expect(groups({ targets: ['(query)', 'query|key'], share: 'target' }).map(([id]) => id)).toEqual([
      'query/16x16',
      'query-key/16x16',
    ]);
    expect(groups({ targets: ['query$', '^.*key$', 'key'], share: 'target' }).map(([id]) => id)).toEqual([
      'query/16x16',
      'key/16x16',
    ]);
  });
  test('by type, by block, by site', () => {
    expect(groups({ ...qv, share: 'type' })).toEqual([
      ['query/16x16', 3],
      ['value/16x16', 3],
    ]);
    expect(block(2)).toEqual([
      ['block0/16x16', 4],
      ['block1/16x16', 2],
    ]);
    expect(block(1)).toHaveLength(3);
    expect(groups({ targets: ['query'], share: 'site' }).map(([id]) => id)).toEqual([
      'bert.layer.0.attention.self.query',
      'bert.layer.1.attention.self.query',
      'bert.layer.2.attention.self.query',
    ]);
  });
  test('a rank of its own splits the group', () => {
    expect(
      groups({
        ...qv,
        rankPatterns: [
          ['layer\\.1\\..*query', 4],
          ['query', 3],
        ],
      }),
    ).toEqual([
      ['16x16/r3', 2],
      ['16x16', 3],
      ['16x16/r4', 1],
    ]);
  });
  test('a scale of its own makes a plan of its own', () => {
    const { plan, sites } = pick({ ...qv, scalePatterns: [['value', 3]] });
    expect(plan.plans.map(({ spec, groups }) => [spec.scale, groups.map(({ id }) => id)])).toEqual([
      [1, ['16x16']],
      [3, ['16x16/s3']],
    ]);
    expect(sites.map(({ group }) => group)).toEqual([
      ...Array(3).fill('16x16'),
      ...Array(3).fill('16x16/s3'),
    ]);
  });
});

describe('the plan', () => {
  test('names, uses, digests', () => {
    const net = transformer();
    net.init('lotr/16x16/R', weight(99, 2, 2)); // a name that is taken
    const { plan } = pick({ targets: ['query'], seed: 7, carry: 'inputs', lowering: 'token' }, net);
    expect(plan.plans).toHaveLength(1);
    expect(plan.plans[0]).toMatchObject({
      share: 'shape',
      carry: 'inputs',
      lowering: 'token',
      seed: 7,
      groups: [
        { id: '16x16', in: 16, out: 16, rank: 2, factors: { R: 'lotr/16x16/R_1', L: 'lotr/16x16/L' } },
      ],
    });
    const [site] = plan.plans[0]!.sites;
    expect(site).toMatchObject({
      id: 'bert.layer.0.attention.self.query',
      nameFrom: 'node',
      group: '16x16',
      factors: { M: 'lotr/bert.layer.0.attention.self.query/M' },
      uses: [
        { node: '/bert/layer.0/attention/self/query/MatMul', op: 'MatMul', layout: 'io', transposed: false },
      ],
    });
    expect(site!.uses[0]!.digest).toMatch(/^sampled-sha256:[0-9a-f]{32}$/);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test('LoRA shares nothing', () => {
    const [row] = pick({ targets: ['query'], spec: LORA }).plan.plans;
    expect(row!.groups[0]!.factors).toEqual({});
    expect(Object.keys(row!.sites[0]!.factors)).toEqual(['A', 'B']);
  });

  test('a weight that is stored transposed', () => {
    const net = new Net(3);
    net.output(net.op('MatMul', [net.x, net.transpose(net.init('q.weight', weight(1, 5, 3)))]));
    expect(pick({ targets: ['q'] }, net).plan.plans[0]!.sites[0]!.uses[0]).toMatchObject({
      weight: 'q.weight',
      layout: 'io',
      transposed: true,
    });
  });
});

describe('remarks', () => {
  const codes = (options: Partial<SelectOptions>, net?: Net) =>
    pick(options, net).diagnostics.map(({ code }) => code);

  test('a lonely group, and none for LoRA', () => {
    expect(codes({ targets: ['classifier'] })).toEqual(['LOTR3021']);
    expect(codes({ targets: ['classifier'], spec: LORA })).toEqual([]);
    expect(codes({ targets: ['query'], share: 'site' })).toEqual(['LOTR3021', 'LOTR3021', 'LOTR3021']);
    expect(pick({ targets: ['classifier'] }).diagnostics[0]!.message).toContain(
      'lotr needs 46 parameters there, LoRA needs 42',
    );
  });
  test('tied layers', () => {
    const net = new Net(4);
    const w = net.init('w', weight(1, 4, 4));
    net.output(net.op('MatMul', [net.op('MatMul', [net.x, w], '/a/MatMul'), w], '/b/MatMul'));
    const [remark] = pick({ targets: ['a'] }, net).diagnostics;
    expect(remark).toMatchObject({ code: 'LOTR3020', severity: 'remark' });
    expect(remark!.message).toBe('2 layers read one weight and share one core as "a": /a/MatMul, /b/MatMul');
  });
  test('an overridable weight', () => {
    const net = new Net(4);
    const w = net.graph.addInput('w', { kind: 'tensor', dtype: 'f32', shape: [4, 4] });
    net.graph.makeOverridable(w, weight(1, 4, 4));
    net.output(net.linear(net.op('MatMul', [net.x, w], '/q/MatMul'), 'head', weight(2, 4, 4)));
    expect(codes({ targets: ['q', 'head'] }, net)).toEqual(['LOTR3023']);
  });
  test('half-precision weights select as others do', () => {
    const net = new Net(4);
    const values = Array.from({ length: 16 }, (_, i) => i / 3);
    net.output(net.linear(net.x, 'q', new MemoryTensor('f16', [4, 4], encodeFloats('f16', values))));
    expect(pick({ targets: ['q'] }, net).sites[0]).toMatchObject({ dtype: 'f16' });
  });
});
