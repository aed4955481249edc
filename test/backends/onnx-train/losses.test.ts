import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { attrInt, attrString } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../../src/ir/tensor.js';
import { toF32 } from '../../../src/ir/values.js';
import { rewrite } from '../../../src/rewrite.js';
import { ctcLoss } from '../../../src/train/losses/ctc.js';
import { TrainingRun } from '../../../src/train/run.js';
import type { Batch } from '../../../src/train/training-steps.js';
import { runLoss } from '../../support/loss-graph.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-losses-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('CTC, what PyTorch leaves undefined:', () => {
  const ctc = (labels: readonly number[], frames: readonly number[]) => {
    const [rows, time, classes] = [2, 4, 5];
    return runLoss(
      {
        output: { shape: [rows, time, classes], data: [...noise(rows * time * classes, 7)] },
        labels: { shape: [rows, labels.length / rows], data: labels, dtype: 'i32' },
        frames,
      },
      (b, z, y, n) => ctcLoss(b, z, y, n, { blank: 0, ignoreIndex: -100, classes }),
    );
  };
  test('no label counts: loss and gradient are 0', async () => {
    const found = await ctc([-100, -100, -100, -100], [4, 4]);
    expect([found.loss, found.count, ...new Set(found.gradient)]).toEqual([0, 0, 0]);
  });
  test('labels that do not fit into the frames: infinite, with NaN as the gradient of that row alone', async () => {
    const found = await ctc([1, 1, 2, 3], [2, 4]);
    expect(found.loss).toBe(Number.POSITIVE_INFINITY);
    expect(found.gradient.slice(0, 10).every(Number.isNaN)).toBe(true);
    expect(found.gradient.slice(20).every(Number.isFinite)).toBe(true);
  });
  test.each([5, -1, 0])('label %i is not a class or the blank: NaN', async (label) => {
    const found = await ctc([1, 2, label, 3], [4, 4]);
    expect(found.loss).toBeNaN();
    expect(found.gradient.slice(20).every(Number.isNaN)).toBe(true);
    expect(found.gradient.slice(0, 20).every(Number.isFinite)).toBe(true);
  });
});

const [BATCH, IN, HIDDEN] = [5, 7, 11] as const;

interface Net {
  readonly folder: string;
  readonly run: TrainingRun;
  readonly notes: readonly string[];
}

/** x [batch, 7] -> layer -> what `heads` makes of h [batch, 11] -> outputs */
function emitted(
  heads: (graph: Graph, h: Value, x: Value) => readonly Value[],
  options: Partial<TrainOptions>,
): Net {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', IN]));
  const w = graph.addInitializer('w', f32Tensor([IN, HIDDEN], noise(IN * HIDDEN, 3)));
  const h = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['h'], name: '/body/MatMul' }).outputs[0]!;
  const t = graph.append({ op: 'Tanh', inputs: [h], outputs: ['t'], name: '/Tanh' }).outputs[0]!;
  for (const output of heads(graph, t, x)) graph.addOutput(output);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: 2, targets: ['body'] });
  const folder = mkdtempSync(join(scratch, 'net-'));
  const path = join(folder, 'net.onnx');
  writeModel(model, path);
  const { notes } = emitTraining({
    open: () => readModel(path),
    folder,
    options: { ...TRAIN_DEFAULTS, alsoTrain: ['^w$'], maxNorm: null, ...options },
  });
  return {
    folder,
    run: TrainingRun.open(folder, { inProcess: true, threads: 1 }),
    notes: notes.map(({ code }) => code),
  };
}

function head(graph: Graph, h: Value, name: string, out: number, seed: number): Value {
  const w = graph.addInitializer(`${name}.weight`, f32Tensor([HIDDEN, out], noise(HIDDEN * out, seed)));
  const y = graph.append({ op: 'MatMul', inputs: [h, w], outputs: [name], name: `/${name}/MatMul` })
    .outputs[0]!;
  y.setType(tensorType('f32', ['batch', out]));
  return y;
}

const x = (rows: number, seed: number): Tensor => ({
  dtype: 'float32',
  shape: [rows, IN],
  data: noise(rows * IN, seed),
});
const ortOf = ({ dtype: type, shape: dims, data }: Tensor) => ({ type, dims, data: data as Float32Array });

/** The gradient of w and the loss from grad.onnx. */
async function gradOf(net: Net, feeds: Readonly<Record<string, Tensor>>) {
  const { grad } = net.run.signature.graphs;
  const held = await net.run.save();
  const all: Record<string, Tensor> = { ...feeds };
  for (const { name, role, shape, param } of grad!.inputs)
    if (role === 'param')
      all[name] = { dtype: 'float32', shape: shape as number[], data: toF32(held.get(param!)!) };
  const results = await runOrt(join(net.folder, grad!.file), all);
  const of = (name: string) => Array.from(results[name]!.data, Number);
  return { loss: of('loss')[0]!, w: of('w/grad'), results };
}

const SEVERAL = {
  terms: [
    { kind: 'cross-entropy', output: 'kind', weight: 0.75 },
    { kind: 'mse', output: 'size', weight: 2 },
    { kind: 'cross-entropy', output: 'tone', weight: 1, classWeights: [0.5, 1, 3] },
  ],
} as const satisfies Partial<TrainOptions>;
const three = (graph: Graph, h: Value) => [
  head(graph, h, 'kind', 5, 21),
  head(graph, h, 'size', 2, 22),
  head(graph, h, 'tone', 3, 23),
];
const LABELS = {
  kind: (rows: number) => Int32Array.from({ length: rows }, (_, i) => (i % 4 === 1 ? -100 : (i * 3) % 5)),
  size: (rows: number) => noise(rows * 2, 31),
  tone: (rows: number) => Int32Array.from({ length: rows }, (_, i) => (i === 0 ? -100 : i % 3)),
};

/** The three losses and the gradient of w in float64. */
function reference(rows: number, w: ArrayLike<number>): number {
  const data = noise(rows * IN, 41);
  const hidden = Array.from({ length: rows }, (_, r) =>
    Array.from({ length: HIDDEN }, (_, k) => {
      let sum = 0;
      for (let i = 0; i < IN; i++) sum += data[r * IN + i]! * w[i * HIDDEN + k]!;
      return Math.tanh(sum);
    }),
  );
  const outputs = (out: number, seed: number) => {
    const weight = noise(HIDDEN * out, seed);
    return hidden.map((h) =>
      Array.from({ length: out }, (_, o) => h.reduce((sum, v, k) => sum + v * weight[k * out + o]!, 0)),
    );
  };
  const classes = (scores: number[][], labels: Int32Array, weights: readonly number[] | null) => {
    let [sum, all] = [0, 0];
    for (const [r, z] of scores.entries()) {
      const label = labels[r]!;
      if (label === -100) continue;
      const weight = weights?.[label] ?? 1;
      sum += weight * (Math.log(z.reduce((a, v) => a + Math.exp(v), 0)) - z[label]!);
      all += weight;
    }
    return sum / all;
  };
  const size = outputs(2, 22).flat();
  const target = LABELS.size(rows);
  const mse = size.reduce((sum, v, i) => sum + (v - target[i]!) ** 2, 0) / size.length;
  const [first, , third] = SEVERAL.terms;
  return (
    first.weight * classes(outputs(5, 21), LABELS.kind(rows), null) +
    2 * mse +
    classes(outputs(3, 23), LABELS.tone(rows), third.classWeights)
  );
}

/** Central differences in float64. */
function differences(f: (w: ArrayLike<number>) => number, w: Float32Array): number[] {
  return Array.from(w, (_, i) => {
    const at = (delta: number) => f(Array.from(w, (v, j) => (j === i ? v + delta : v)));
    return (at(1e-5) - at(-1e-5)) / 2e-5;
  });
}

const W = noise(IN * HIDDEN, 3);

/** Labels and inputs of rows `from` to `to` of a batch of `rows`. */
function part(rows: number, from: number, to: number): { feeds: Record<string, Tensor>; batch: Batch } {
  const cut = (data: Float32Array | Int32Array, width: number) => data.slice(from * width, to * width);
  const n = to - from;
  const feeds: Record<string, Tensor> = {
    x: { dtype: 'float32', shape: [n, IN], data: cut(noise(rows * IN, 41), IN) },
    'labels/kind': { dtype: 'int32', shape: [n], data: cut(LABELS.kind(rows), 1) },
    'labels/size': { dtype: 'float32', shape: [n, 2], data: cut(LABELS.size(rows), 2) },
    'labels/tone': { dtype: 'int32', shape: [n], data: cut(LABELS.tone(rows), 1) },
  };
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, ortOf(tensor)]));
  return { feeds, batch: { inputs, labels: inputs['labels/kind']! } };
}

describe('a weighted sum of losses', () => {
  test('ports and signature name output, kind and weight of each', () => {
    const { run } = emitted(three, SEVERAL);
    const { loss, graphs } = run.signature;
    expect(loss).toMatchObject({
      kind: 'sum',
      terms: [
        { kind: 'cross-entropy', output: 'kind', weight: 0.75, ignoreIndex: -100 },
        { kind: 'mse', output: 'size', weight: 2, ignoreIndex: null },
        { kind: 'cross-entropy', output: 'tone', weight: 1, classWeights: [0.5, 1, 3] },
      ],
    });
    const ports = (name: 'step' | 'grad' | 'eval', role: string) => [
      ...graphs[name]!.inputs.concat(graphs[name]!.outputs).filter((port) => port.role === role),
    ];
    expect(ports('step', 'label').map(({ name, term }) => [name, term])).toEqual([
      ['labels/kind', 0],
      ['labels/size', 1],
      ['labels/tone', 2],
    ]);
    expect(ports('eval', 'loss').map(({ name, term }) => [name, term])).toEqual([
      ['loss', undefined],
      ['loss/kind', 0],
      ['loss/size', 1],
      ['loss/tone', 2],
    ]);
    expect(ports('eval', 'logits').map(({ name }) => name)).toEqual(['kind', 'size', 'tone']);
    expect(ports('grad', 'scalar').map(({ scalar, term }) => [scalar, term])).toEqual([
      ['divisor', 0],
      ['divisor', 1],
      ['divisor', 2],
    ]);
    expect(ports('step', 'scalar').some(({ scalar }) => scalar === 'divisor')).toBe(false);
  });
  test('loss and gradient are the formula in float64 and its finite differences', async () => {
    const net = emitted(three, SEVERAL);
    const { feeds } = part(BATCH, 0, BATCH);
    const divisors = Object.fromEntries(
      [
        ['kind', LABELS.kind(BATCH).filter((y) => y !== -100).length],
        ['size', 2 * BATCH],
        ['tone', [...LABELS.tone(BATCH)].reduce((sum, y) => sum + ([0.5, 1, 3][y] ?? 0), 0)],
      ].map(([name, value]): [string, Tensor] => [
        `divisor/${name}`,
        { dtype: 'float32', shape: [], data: Float32Array.of(value as number) },
      ]),
    );
    const { loss, w } = await gradOf(net, { ...feeds, ...divisors });
    expect(Math.abs(loss / reference(BATCH, W) - 1)).toBeLessThan(1e-6);
    expect(
      relativeError(
        w,
        differences((v) => reference(BATCH, v), W),
      ),
    ).toBeLessThan(3e-6);
    await net.run.close();
  });
  test('accumulated over unequal batches it is the step of one large batch, and evaluation is exact', async () => {
    const [whole, parts] = [emitted(three, SEVERAL), emitted(three, SEVERAL)];
    const rows = 9;
    const cuts = [part(rows, 0, 2), part(rows, 2, 3), part(rows, 3, 9)].map(({ batch }) => batch);
    for (let t = 0; t < 3; t++) {
      const one = await whole.run.step(part(rows, 0, rows).batch, 0.05);
      const many = await parts.run.accumulate(cuts, 0.05);
      expect(Math.abs(many.loss / one.loss - 1)).toBeLessThan(1e-6);
      if (t === 0) expect(Math.abs(one.loss / reference(rows, W) - 1)).toBeLessThan(1e-6);
    }
    const parameters = await parts.run.parameters();
    for (const [name, tensor] of await whole.run.parameters()) {
      const [a, b] = [toF32(tensor), toF32(parameters.get(name)!)];
      expect(relativeError(b, Array.from(a))).toBeLessThan(2e-5);
    }
    await whole.run.close();
    await parts.run.close();
  });
});

describe('an output of the model as the loss', () => {
  /** Scores and SoftmaxCrossEntropyLoss in the model, with labels as an input. */
  const withLoss =
    (reduction: string, rank1 = false) =>
    (graph: Graph, h: Value) => {
      const scores = head(graph, h, 'scores', 5, 21);
      const labels = graph.addInput('labels', tensorType('i64', ['batch']));
      const node = graph.append({
        op: 'SoftmaxCrossEntropyLoss',
        inputs: [scores, labels],
        outputs: [rank1 ? 'flat' : 'loss'],
        attrs: [
          ['reduction', attrString(reduction)],
          ['ignore_index', attrInt(-100)],
        ],
        name: '/loss',
      });
      let loss = node.outputs[0]!;
      if (rank1) {
        const shape = graph.addInitializer('one', i64Tensor([1], [1]));
        loss = graph.append({ op: 'Reshape', inputs: [loss, shape], outputs: ['loss'], name: '/reshape' })
          .outputs[0]!;
      }
      loss.setType(tensorType('f32', rank1 ? [1] : []));
      return [loss, scores];
    };
  const plain = (graph: Graph, h: Value) => [head(graph, h, 'scores', 5, 21)];
  const labels = Int32Array.of(4, -100, 0, 2, 2);
  test.each([
    ['mean', false],
    ['sum', false],
    ['mean', true],
  ])(
    'reduction %s, [1]: %s: loss and gradient are those of --loss cross-entropy on the scores',
    async (reduction, rank1) => {
      const own = emitted(withLoss(reduction, rank1), { loss: 'output', logits: 'loss' });
      const known = emitted(plain, { loss: 'cross-entropy' });
      const feeds = { x: x(BATCH, 41) };
      const a = await gradOf(own, {
        ...feeds,
        labels: { dtype: 'int64', shape: [BATCH], data: BigInt64Array.from(labels, BigInt) },
      });
      const b = await gradOf(known, { ...feeds, labels: { dtype: 'int32', shape: [BATCH], data: labels } });
      const times = reduction === 'sum' ? 4 : 1;
      expect(Math.abs(a.loss / (times * b.loss) - 1)).toBeLessThan(1e-6);
      expect(
        relativeError(
          a.w,
          b.w.map((v) => v * times),
        ),
      ).toBeLessThan(3e-6);
      expect(Number(a.results.count!.data[0])).toBe(4);
      const { signature } = own.run;
      expect(signature.loss).toMatchObject({ kind: 'output', reduction, ignoreIndex: -100 });
      expect(signature.graphs.step!.inputs.find(({ name }) => name === 'labels')!.role).toBe('label');
      expect(signature.graphs.eval!.outputs.map(({ role }) => role)).toEqual(['loss', 'count']);
      await own.run.close();
      await known.run.close();
    },
  );
  test('a loss that is made in another way is a mean over the rows of the batch', async () => {
    const squares = (graph: Graph, h: Value) => {
      const y = head(graph, h, 'y', 3, 22);
      const square = graph.append({ op: 'Mul', inputs: [y, y], outputs: ['square'], name: '/square' })
        .outputs[0]!;
      const loss = graph.append({
        op: 'ReduceMean',
        inputs: [square],
        outputs: ['mean'],
        attrs: [['keepdims', attrInt(0)]],
        name: '/mean',
      }).outputs[0]!;
      loss.setType(tensorType('f32', []));
      return [y, loss];
    };
    // the only float output of one element is taken
    const net = emitted(squares, { loss: 'output' });
    const { loss, w, results } = await gradOf(net, { x: x(BATCH, 41) });
    const value = (weights: ArrayLike<number>) => {
      const [data, last] = [noise(BATCH * IN, 41), noise(HIDDEN * 3, 22)];
      let sum = 0;
      for (let r = 0; r < BATCH; r++)
        for (let o = 0; o < 3; o++) {
          let y = 0;
          for (let k = 0; k < HIDDEN; k++) {
            let a = 0;
            for (let i = 0; i < IN; i++) a += data[r * IN + i]! * weights[i * HIDDEN + k]!;
            y += Math.tanh(a) * last[k * 3 + o]!;
          }
          sum += y * y;
        }
      return sum / (BATCH * 3);
    };
    expect(Math.abs(loss / value(W) - 1)).toBeLessThan(1e-6);
    expect(relativeError(w, differences(value, W))).toBeLessThan(3e-6);
    expect(Number(results.count!.data[0])).toBe(BATCH);
    await net.run.close();
  });
});

describe('refused:', () => {
  const code = (heads: Parameters<typeof emitted>[0], options: Partial<TrainOptions>): string => {
    try {
      emitted(heads, options);
    } catch (error) {
      if (error instanceof LotrcError)
        return `${error.diagnostics[0]!.code}: ${error.diagnostics[0]!.message}`;
      throw error;
    }
    return 'nothing';
  };
  const one = (graph: Graph, h: Value) => [head(graph, h, 'kind', 5, 21)];
  const term = (output: string | undefined, kind: 'mse' | 'cosine' | 'cross-entropy', weight = 1) => ({
    output,
    kind,
    weight,
  });
  test.each<[string, RegExp, Partial<TrainOptions>]>([
    [
      'an output with many elements as the loss',
      /^LOTR5002: .*a loss has one element/,
      { loss: 'output', logits: 'kind' },
    ],
    ['CTC over two axes', /^LOTR5002: .*\[batch, time, classes\]/, { loss: 'ctc' }],
    [
      'weights of other classes',
      /^LOTR5002: .*5 classes, and --class-weights gives 2/,
      { classWeights: [1, 2] },
    ],
    [
      'class weights for mse',
      /^LOTR5008: --class-weights: mse has no use/,
      { loss: 'mse', classWeights: [1, 2] },
    ],
    [
      'class weights below 0',
      /^LOTR5008: --class-weights: the value is out of range/,
      { classWeights: [1, 1, 1, 1, -1] },
    ],
    ['--blank', /^LOTR5008: --blank: cross-entropy has no use/, { blank: 2 }],
    ['--frames', /^LOTR5008: --frames: cross-entropy has no use/, { frames: 'n' }],
    [
      'a term without an output',
      /^LOTR5008: .*names of their outputs/,
      { terms: [term('kind', 'mse'), term(undefined, 'mse')] },
    ],
    [
      'one output twice',
      /^LOTR5008: .*"kind" has two losses/,
      { terms: [term('kind', 'mse'), term('kind', 'cross-entropy')] },
    ],
    ['a weight of 0', /^LOTR5008: --loss/, { terms: [term('kind', 'mse', 0)] }],
    [
      'pairs beside others',
      /^LOTR5008: .*cosine takes batches of pairs/,
      { terms: [term('kind', 'mse'), term('b', 'cosine')] },
    ],
    ['an output that is not there', /^LOTR5001: .*"b"/, { terms: [term('kind', 'mse'), term('b', 'mse')] }],
  ])('%s', (_, message, options) => {
    expect(code(one, options)).toMatch(message);
  });
});
