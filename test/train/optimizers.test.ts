import { describe, expect, test } from 'vitest';
import { guard, update } from '../../src/backends/onnx-train/optimizer.js';
import { Graph, Model } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { inRange } from '../../src/options/range.js';
import { TrainBuilder } from '../../src/train/losses/builder.js';
import { hyperOf, OPTIMIZER_KINDS, optimizerDef, optimizerOf } from '../../src/train/optimizers/index.js';
import { type F64, FLOAT64 } from '../support/float64.js';
import { correctionsOf, OPTIMIZER_ROWS, type OptimizerRow } from '../support/optimizer-rows.js';
import { relativeError, runOrt, type Tensor } from '../support/ort.js';

const optimizerIn = ({ kind, hyper }: OptimizerRow) => optimizerOf(kind, hyper as never);

// what has a projection steps as the optimizer that it is made of; see projected.test.ts
const STEPPED = OPTIMIZER_KINDS.filter((kind) => optimizerDef(kind).arithmetic !== 'projected');

test.each(STEPPED)('%s has rows, with its own numbers and with defaults', (kind) => {
  const rows = OPTIMIZER_ROWS.filter((row) => row.kind === kind);
  const defaults = hyperOf(optimizerOf(kind));
  expect(new Set(rows.map(({ hyper }) => JSON.stringify(hyper))).size).toBeGreaterThan(1);
  for (const { hyper } of rows) expect(Object.keys(hyper)).toEqual(Object.keys(defaults));
});

test('a number that several optimizers have is read in one range, and defaults are in range', () => {
  const ranges = new Map<string, string>();
  for (const kind of OPTIMIZER_KINDS) {
    for (const [name, number] of Object.entries(optimizerDef(kind).hyper)) {
      expect(inRange(number.default, number)).toBe(true);
      const { least, above, below } = number;
      const range = JSON.stringify({ least, above, below });
      expect(ranges.get(name) ?? range, name).toBe(range);
      ranges.set(name, range);
    }
  }
});

describe.each(
  OPTIMIZER_ROWS.map((row) => [`${row.kind} ${JSON.stringify(row.hyper)} [${row.shape}]`, row] as const),
)('%s', (_, row) => {
  const def = optimizerDef(row.kind);
  const { shape } = row;

  test('in float64', () => {
    const tensor = (data: readonly number[]): F64 => ({ shape, data });
    const numbers = Object.entries(row.hyper).map(([name, value]) => [name, FLOAT64.number(value)]);
    let param = tensor(row.param);
    let slots: Readonly<Record<string, F64>> = Object.fromEntries(
      def.slots.map((slot) => [slot, tensor(row.param.map(() => 0))]),
    );
    for (const [t, grad] of row.grads.entries()) {
      const given = {
        param,
        grad: tensor(grad),
        lr: FLOAT64.number(row.rates[t]!),
        hyper: Object.fromEntries(numbers),
        slots,
        corrections: Object.fromEntries(
          correctionsOf(row, t + 1).map(([name, value]) => [name, FLOAT64.number(value)]),
        ),
      };
      ({ param, slots } =
        def.arithmetic === 'matrices' ? def.update(FLOAT64, given, shape) : def.update<F64>(FLOAT64, given));
      expect(relativeError(param.data, row.after[t]!)).toBeLessThan(1e-11);
    }
  });

  test('as a graph in ONNX Runtime; a step that is not finite changes nothing', async () => {
    const bytes = stepOf(row);
    const f32 = (data: readonly number[], dims: readonly number[] = shape): Tensor => ({
      dtype: 'float32',
      shape: dims,
      data: Float32Array.from(data),
    });
    let state: Record<string, Tensor> = Object.fromEntries([
      ['p', f32(row.param)],
      ...def.slots.map((slot) => [slot, f32(row.param.map(() => 0))]),
    ]);
    const feeds = (t: number, grad: readonly number[]) => ({
      ...state,
      grad: f32(grad),
      lr: f32([row.rates[t]!], []),
      ...Object.fromEntries(correctionsOf(row, t + 1).map(([name, value]) => [name, f32([value], [])])),
    });
    for (const [t, grad] of row.grads.entries()) {
      const broken = await runOrt(bytes, feeds(t, [Number.NaN, ...grad.slice(1)]));
      const results = await runOrt(bytes, feeds(t, grad));
      for (const name of Object.keys(state)) expect(broken[`${name}/next`]!.data).toEqual(state[name]!.data);
      state = Object.fromEntries(
        Object.keys(state).map((name) => [name, f32([...(results[`${name}/next`]!.data as Float32Array)])]),
      );
      expect(relativeError(state.p!.data as Float32Array, row.after[t]!)).toBeLessThan(2e-6);
    }
  });
});

/** (p, grad, state, lr, corrections) -> (p/next, state/next) */
function stepOf(row: OptimizerRow): Uint8Array {
  const { slots, corrections } = optimizerDef(row.kind);
  const graph = new Graph('step');
  const input = (name: string, dims: readonly number[]) => graph.addInput(name, tensorType('f32', dims));
  const [param, grad] = [input('p', row.shape), input('grad', row.shape)];
  const held = slots.map((slot) => input(slot, row.shape));
  const scalars = Object.fromEntries(
    ['lr', ...Object.keys(corrections)].map((name) => [name, input(name, [])]),
  );
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  const b = new TrainBuilder(graph, 'step');
  const names = { param: 'p/next', slots: slots.map((slot) => `${slot}/next`) };
  const next = update(
    b,
    optimizerIn(row),
    scalars,
    guard(b, [grad], null),
    { param, grad, slots: held, lrMultiplier: 1 },
    names,
  );
  for (const value of [next.param, ...next.slots]) {
    value.setType(tensorType('f32', row.shape));
    graph.addOutput(value);
  }
  return encodeModel(model);
}
