import type { Value } from '../../src/ir/model.js';
import { Graph, Model } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { TrainBuilder } from '../../src/train/losses/builder.js';
import type { Loss } from '../../src/train/losses/define.js';
import { runOrt } from './ort.js';

/** A tensor of a loss: extents and elements. */
interface LossTensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface LossCase {
  readonly output: LossTensor;
  readonly labels: LossTensor & { readonly dtype: 'i32' | 'f32' };
  /** how many frames of each row count */
  readonly frames?: readonly number[];
  /** extents of the graph are names, and not numbers */
  readonly named?: boolean;
  readonly opset?: number;
}

/** Loss, count and gradient of one loss alone, by ONNX Runtime. */
export async function runLoss(
  { output, labels, frames = [], named = true, opset = 17 }: LossCase,
  build: (b: TrainBuilder, z: Value, y: Value, frames: Value) => Loss,
) {
  const graph = new Graph('loss');
  const dims = named ? output.shape.map((_, i) => `d${i}`) : output.shape;
  const z = graph.addInput('z', tensorType('f32', dims));
  const extents = named ? labels.shape.map((_, i) => `l${i}`) : labels.shape;
  const y = graph.addInput('y', tensorType(labels.dtype, extents));
  const n = graph.addInput('n', tensorType('i32', [frames.length]));
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', opset);
  const { loss, count, gradient } = build(new TrainBuilder(graph, 'loss'), z, y, n);
  for (const [name, value] of [
    ['loss', loss],
    ['count', count],
    ['gradient', gradient(null)],
  ] as const) {
    value.rename(graph.own(name) ? graph.names.freshValue(name) : name);
    if (!value.type) value.setType(tensorType('f32', name === 'gradient' ? dims : []));
    graph.addOutput(value);
  }
  const results = await runOrt(encodeModel(model), {
    z: { dtype: 'float32', shape: output.shape, data: Float32Array.from(output.data) },
    y:
      labels.dtype === 'i32'
        ? { dtype: 'int32', shape: labels.shape, data: Int32Array.from(labels.data) }
        : { dtype: 'float32', shape: labels.shape, data: Float32Array.from(labels.data) },
    n: { dtype: 'int32', shape: [frames.length], data: Int32Array.from(frames) },
  });
  return {
    loss: Number(results.loss!.data[0]),
    count: Number(results.count!.data[0]),
    gradient: Array.from(results.gradient!.data, Number),
  };
}
