import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { rewrite } from '../../src/rewrite.js';
import { TrainingRun } from '../../src/train/run.js';
import type { Signature } from '../../src/train/signature.js';
import { done } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';
import { noise } from '../support/ort.js';
import { stackBatches } from '../support/stack-batches.js';

/** Models that were exported in training mode. */
const root = mkdtempSync(join(tmpdir(), 'lotrc-drop-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const CASES = join(import.meta.dirname, '../data/cases/train');
const model = join(root, 'drop.lotr.onnx');
const folder = join(root, 'train');
let said = '';

beforeAll(async () => {
  await done(
    'rewrite',
    join(CASES, 'drop.onnx'),
    '-o',
    model,
    '--rank',
    '2',
    '--init',
    'fan-in',
    '--scale',
    '4',
  );
  said = await done('emit', 'onnx-train', model, '-o', folder);
}, 60_000);

describe('a text classifier with Dropout in training mode', () => {
  let serial = 0;
  const train = async (...words: readonly string[]) => {
    const output = join(root, `run${serial++}`);
    const data = join(CASES, 'drop.safetensors');
    const fixed = ['--batch-size', '8', '--max-steps', '2', '--lr', '0.05'];
    return { output, ...(await lotrc('train', folder, '--data', data, '-o', output, ...fixed, ...words)) };
  };
  const adapter = (output: string) => readFileSync(join(output, 'checkpoint.safetensors')).toString('hex');

  test('emit says so (LOTR5020); no graph holds a Dropout that ONNX Runtime would draw', () => {
    expect(said).toMatch(/remark LOTR5020: 8 Dropout nodes are in training mode/);
    for (const name of ['step', 'grad', 'eval', 'infer']) {
      const nodes = [...readModel(join(folder, `${name}.onnx`)).everyNode()];
      expect(
        nodes.some(({ op }) => op === 'Dropout'),
        name,
      ).toBe(false);
    }
    const { graphs, draws } = JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature;
    const drawn = (name: 'step' | 'grad' | 'eval' | 'infer') =>
      graphs[name]!.inputs.some(({ scalar }) => scalar === 'draw');
    expect([drawn('step'), drawn('grad'), drawn('eval'), drawn('infer'), draws]).toEqual([
      true,
      true,
      false,
      false,
      2039 ** 2,
    ]);
  });
  test.skipIf(!EVERYTHING)(
    'two runs with one seed have the same bits; another seed has others',
    async () => {
      const first = await train('--seed', '5');
      expect(first.code, first.err).toBe(0);
      const [again, other] = [await train('--seed', '5'), await train('--seed', '6')];
      expect(adapter(again.output)).toBe(adapter(first.output));
      expect(adapter(other.output)).not.toBe(adapter(first.output));
    },
    60_000,
  );
});

const ROWS = 6;

/** x [rows, 7] -> layer -> what `between` makes of it -> layer -> y [rows, 5], opset 17 */
function emitted(between: (graph: Graph, h: ReturnType<Graph['addInput']>) => typeof h, words = {}) {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['rows', 7]));
  const w1 = graph.addInitializer('w1', f32Tensor([7, 11], noise(77, 3)));
  const w2 = graph.addInitializer('w2', f32Tensor([11, 5], noise(55, 4)));
  const h = graph.append({ op: 'MatMul', inputs: [x, w1], outputs: ['h'], name: '/one/MatMul' }).outputs[0]!;
  const d = between(graph, h);
  const y = graph.append({ op: 'MatMul', inputs: [d, w2], outputs: ['y'], name: '/two/MatMul' }).outputs[0]!;
  y.setType(tensorType('f32', ['rows', 5]));
  graph.addOutput(y);
  const net = new Model(graph);
  net.irVersion = 8;
  net.setOpset('', 17);
  rewrite(net, { rank: 2, targets: ['one', 'two'] });
  const at = mkdtempSync(join(root, 'net-'));
  const path = join(at, 'net.onnx');
  writeModel(net, path);
  const options = { ...TRAIN_DEFAULTS, loss: 'mse' as const, alsoTrain: ['^w2$'], ...words };
  return { at, ...emitTraining({ open: () => readModel(path), folder: at, options }) };
}

const drop = (graph: Graph, h: ReturnType<Graph['addInput']>) => {
  const ratio = graph.addInitializer('ratio', f32Tensor([], [0.25]));
  const on = graph.addInitializer('on', new MemoryTensor('bool', [], Uint8Array.of(1)));
  return graph.append({ op: 'Dropout', inputs: [h, ratio, on], outputs: ['d'], name: '/drop' }).outputs[0]!;
};

/** Loss and the gradient of w2 from a graph, for parameters as they start. */
async function gradOf(net: ReturnType<typeof emitted>, draws: readonly number[]) {
  const { grad } = net.signature.graphs;
  const held = new Map(net.params.map(({ row, data }) => [row.name, data]));
  const ort = await import('onnxruntime-node');
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session = await ort.InferenceSession.create(join(net.at, grad!.file), options);
  const found: { readonly loss: number; readonly w2: readonly number[] }[] = [];
  for (const draw of draws) {
    const feeds = grad!.inputs.map(({ name, role, param, shape }) => {
      const tensor = (dims: readonly number[], data: Float32Array) => [
        name,
        new ort.Tensor('float32', data, dims),
      ];
      if (role === 'batch') return tensor([ROWS, 7], noise(ROWS * 7, 9));
      if (role === 'label') return tensor([ROWS, 5], noise(ROWS * 5, 10));
      if (role === 'scalar') return tensor([], Float32Array.of(draw));
      return tensor(shape as readonly number[], toF32(held.get(param!)!));
    });
    const results = await session.run(Object.fromEntries(feeds) as Record<string, Ort.Tensor>);
    const numbers = (name: string) => Array.from(results[name]!.data as Float32Array);
    found.push({ loss: numbers('loss')[0]!, w2: numbers('w2/grad') });
  }
  await session.release();
  return found;
}

describe('gradients', () => {
  test('in mean over draws they are those that dropout on h has: E[d loss / d w2] in float64', async () => {
    const net = emitted(drop);
    const DRAWN = 300;
    const sums = { w2: new Float64Array(55), squares: new Float64Array(55) };
    for (const { w2 } of await gradOf(net, [...Array(DRAWN).keys()])) {
      for (const [i, v] of w2.entries()) {
        sums.w2[i] = sums.w2[i]! + v;
        sums.squares[i] = sums.squares[i]! + v * v;
      }
    }
    // h = x w1; y_ro = sum_k m_rk h_rk w_ko / 0.75; E of products of masks: 1 for k != l, 1 / 0.75 for k = l
    const [x, t, a, w] = [noise(ROWS * 7, 9), noise(ROWS * 5, 10), noise(77, 3), noise(55, 4)];
    const h = (r: number, k: number) => {
      let sum = 0;
      for (let i = 0; i < 7; i++) sum += x[r * 7 + i]! * a[i * 11 + k]!;
      return sum;
    };
    const expected = new Float64Array(55);
    for (let k = 0; k < 11; k++)
      for (let o = 0; o < 5; o++)
        for (let r = 0; r < ROWS; r++) {
          let y = 0;
          for (let l = 0; l < 11; l++) y += h(r, l) * w[l * 5 + o]! * (l === k ? 1 / 0.75 : 1);
          expected[k * 5 + o]! += (2 * h(r, k) * (y - t[r * 5 + o]!)) / (ROWS * 5);
        }
    for (let i = 0; i < 55; i++) {
      const mean = sums.w2[i]! / DRAWN;
      const deviation = Math.sqrt((sums.squares[i]! / DRAWN - mean * mean) / DRAWN);
      expect(Math.abs(mean - expected[i]!)).toBeLessThan(4.5 * deviation);
    }
  }, 60_000);
  test('step-loop.onnx draws a mask for each of its steps: as many runs of step.onnx', async () => {
    const net = emitted(drop, { loop: 3 });
    const [one, many] = [
      TrainingRun.open(net.at, { inProcess: true, threads: 1 }),
      TrainingRun.open(net.at, { inProcess: true, threads: 1 }),
    ];
    const batches = [9, 19, 29].map((seed) => ({
      inputs: { x: { type: 'float32', dims: [ROWS, 7], data: noise(ROWS * 7, seed) } },
      labels: { type: 'float32', dims: [ROWS, 5], data: noise(ROWS * 5, seed + 1) },
    }));
    const losses = [];
    for (const batch of batches) losses.push((await one.step(batch, 0.01)).loss);
    const found = await many.stepLoop(stackBatches(batches), [0.01, 0.01, 0.01]);
    for (const [i, { loss }] of found.entries()) expect(Math.abs(loss / losses[i]! - 1)).toBeLessThan(1e-6);
    expect([one.draw, many.draw]).toEqual([3, 3]);
    const parameters = await many.parameters();
    for (const [name, tensor] of await one.parameters()) {
      const [a, b] = [toF32(tensor), toF32(parameters.get(name)!)];
      for (const [i, value] of a.entries()) expect(b[i]!).toBeCloseTo(value, 5);
    }
    await many.accumulate(batches, 0.01);
    expect(many.draw).toBe(6);
    await one.close();
    await many.close();
  });
  test('--dropout off: no input for draws', async () => {
    const net = emitted(drop, { dropout: 'off' });
    expect(net.signature.draws).toBeUndefined();
    expect(net.notes.map(({ message }) => message)).toContain(
      '1 Dropout nodes in training mode are left out of all graphs',
    );
    const [first, second] = await gradOf(net, [1, 2]);
    expect(first).toEqual(second);
  });
});

test('Dropout in a loop is refused with its path (LOTR5021); off it is taken', () => {
  const looped = (graph: Graph, h: ReturnType<Graph['addInput']>) => {
    const body = new Graph('body');
    const i = body.addInput('i', tensorType('i64', []));
    const c = body.addInput('c', tensorType('bool', []));
    const s = body.addInput('s', tensorType('f32', ['rows', 7]));
    void i;
    body.addOutput(body.append({ op: 'Identity', inputs: [c], outputs: ['c2'], name: 'go' }).outputs[0]!);
    const inner = (name: string, data: MemoryTensor) => body.addInitializer(name, data);
    const on = inner('on', new MemoryTensor('bool', [], Uint8Array.of(1)));
    const d = body.append({ op: 'Dropout', inputs: [s, null, on], outputs: ['s2'], name: 'drop' })
      .outputs[0]!;
    d.setType(tensorType('f32', ['rows', 7]));
    body.addOutput(d);
    const x = graph.own('x')!;
    const twice = graph.addInitializer(
      'twice',
      new MemoryTensor('i64', [], new Uint8Array(BigInt64Array.of(2n).buffer)),
    );
    const loop = graph.append({
      op: 'Loop',
      inputs: [twice, null, x],
      outputs: ['z'],
      attrs: [['body', { kind: 'graph', value: body }]],
      name: '/loop',
    });
    const w = graph.addInitializer('w3', f32Tensor([7, 11], noise(77, 6)));
    const p = graph.append({
      op: 'MatMul',
      inputs: [loop.outputs[0]!, w],
      outputs: ['p'],
      name: '/side/MatMul',
    });
    return graph.append({ op: 'Add', inputs: [h, p.outputs[0]!], outputs: ['d'], name: '/add' }).outputs[0]!;
  };
  expect(() => emitted(looped)).toThrow(/LOTR5021: 1 Dropout nodes in training mode are in loops/);
  expect(emitted(looped, { dropout: 'off' }).signature.draws).toBeUndefined();
});

test('other random numbers are reported: no seed repeats them (LOTR5022)', () => {
  const { notes } = emitted((graph, h) => {
    const r = graph.append({ op: 'RandomNormalLike', inputs: [h], outputs: ['r'], name: '/noise' });
    return graph.append({ op: 'Add', inputs: [h, r.outputs[0]!], outputs: ['d'], name: '/add' }).outputs[0]!;
  });
  expect(notes.map(({ code }) => code)).toContain('LOTR5022');
});
