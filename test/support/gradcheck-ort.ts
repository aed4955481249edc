import type * as Ort from 'onnxruntime-node';
import type { Model } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { elementCount } from '../../src/ir/shape.js';
import { parseModel } from '../../src/ir/text/index.js';
import { differentiate } from '../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { noise, type Tensor } from './ort.js';

const STEP = 1e-5;

/** A float64 feed of that shape: noise, or given numbers. */
export function f64(shape: readonly number[], seed: number, data?: readonly number[]): Tensor {
  return { dtype: 'float64', shape, data: Float64Array.from(data ?? noise(elementCount(shape), seed)) };
}

/**
 * As `gradcheck` for a whole model, run by ONNX Runtime in float64: for ops with subgraphs and those without a reference.
 * The loss is a sum of noise times the outputs; gradients of the inputs `wrt` are held against central differences. A pass
 * `lower` runs before either. Returns the largest error relative to the size of the gradient.
 */
export async function ortGradcheck(
  text: string,
  feeds: Readonly<Record<string, Tensor>>,
  wrt: readonly string[],
  lower: (model: Model) => void = () => {},
): Promise<number> {
  const ort = await import('onnxruntime-node');
  const open = (model: Model) =>
    ort.InferenceSession.create(encodeModel(model), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const given = (all: Readonly<Record<string, Tensor>>): Record<string, Ort.Tensor> =>
    Object.fromEntries(
      Object.entries(all).map(([name, { dtype, shape, data }]) => [
        name,
        new ort.Tensor(dtype as 'float64', data as Float64Array, shape),
      ]),
    );
  const plain = parseModel(text);
  lower(plain);
  const forward = await open(plain);
  const outputs = await forward.run(given(feeds));
  const seeds = Object.fromEntries(
    Object.entries(outputs).map(([name, { dims }], k) => [`seed/${name}`, f64(dims, k + 41)]),
  );
  const loss = async (at: Readonly<Record<string, Tensor>>): Promise<number> => {
    let sum = 0;
    for (const [name, { data }] of Object.entries(await forward.run(given(at)))) {
      const weights = seeds[`seed/${name}`]!.data as Float64Array;
      sum += (data as Float64Array).reduce((total, value, i) => total + value * weights[i]!, 0);
    }
    return sum;
  };
  const lowered = parseModel(text);
  lower(lowered);
  const backward = await open(withGradients(lowered, wrt));
  const gradients = await backward.run(given({ ...feeds, ...seeds }));
  let worst = 0;
  for (const name of wrt) {
    const { shape, data } = feeds[name]!;
    const gradient = gradients[`grad/${name}`]!;
    if (gradient.dims.join() !== shape.join())
      throw new Error(`gradient [${gradient.dims}] of ${name} [${shape}]`);
    const slopes: number[] = [];
    for (let i = 0; i < data.length; i++) {
      const moved = (by: number) => {
        const copy = Float64Array.from(data as Float64Array);
        copy[i]! += by;
        return loss({ ...feeds, [name]: { ...feeds[name]!, data: copy } });
      };
      slopes.push(((await moved(STEP)) - (await moved(-STEP))) / (2 * STEP));
    }
    const size = Math.max(1e-3, ...slopes.map(Math.abs));
    for (const [i, slope] of slopes.entries()) {
      const error = Math.abs((gradient.data as Float64Array)[i]! - slope) / size;
      worst = Number.isNaN(error) ? Number.NaN : Math.max(worst, error);
    }
  }
  await forward.release();
  await backward.release();
  return worst;
}

/** A model whose outputs are the gradients `grad/NAME`, from those of its own outputs, the inputs `seed/NAME`. */
function withGradients(model: Model, wrt: readonly string[]): Model {
  const { graph } = model;
  const problems = inferShapes(model);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
  const seeds = new Map(
    graph.outputs.map((output) => [output, graph.addInput(`seed/${output.name}`, output.type)]),
  );
  const found = differentiate(graph, { seeds, wrt: wrt.map((name) => graph.own(name)!) });
  for (const output of [...graph.outputs]) graph.removeOutput(output);
  for (const name of wrt) {
    const gradient = found.get(graph.own(name)!);
    if (!gradient) throw new Error(`no gradient for ${name}`);
    const output = graph.append({ op: 'Identity', inputs: [gradient], outputs: [`grad/${name}`] })
      .outputs[0]!;
    output.setType(graph.own(name)!.type);
    graph.addOutput(output);
  }
  return model;
}
