import { expect, test } from 'vitest';
import { Graph, Model } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { noise, runOrt } from '../../support/ort.js';

/** Dropout is y = x k with a k for each element that the run draws: dx = dy k, and k = y / x is seen from outside. */
test.each([12, 13, 21])(
  'Dropout in training mode, opset %i: the gradient has the mask of its run',
  async (opset) => {
    const size = 700;
    const graph = new Graph('dropout');
    const model = new Model(graph);
    model.irVersion = 8;
    model.setOpset('', opset);
    const x = graph.addInput('x', tensorType('f32', [size]));
    const ratio = graph.addInitializer('ratio', f32Tensor([], [0.3]));
    const training = graph.addInitializer('training', new MemoryTensor('bool', [], Uint8Array.of(1)));
    const [y] = graph.append({
      op: 'Dropout',
      inputs: [x, ratio, training],
      outputs: ['y'],
      name: 'drop',
    }).outputs;
    graph.addOutput(y!);
    inferShapes(model);
    const weights = noise(size, 5);
    const seeds = new Map([[y!, graph.addInitializer('dy', f32Tensor([size], weights))]]);
    const dx = differentiate(graph, { seeds, wrt: [x] }).get(x)!;
    dx.setType(tensorType('f32', [size]));
    graph.addOutput(dx);

    const values = noise(size, 3);
    const results = await runOrt(encodeModel(model), {
      x: { dtype: 'float32', shape: [size], data: values },
    });
    const [out, gradient] = [results.y!.data, results[dx.name]!.data];
    let kept = 0;
    for (let i = 0; i < size; i++) {
      const k = Number(out[i]) / values[i]!;
      if (k !== 0) kept++;
      expect(Math.abs(Number(gradient[i]) - weights[i]! * k)).toBeLessThan(1e-6);
    }
    // 490 of 700 on average, standard deviation 12: both kinds are there
    expect(kept).toBeGreaterThan(400);
    expect(kept).toBeLessThan(580);
  },
);
