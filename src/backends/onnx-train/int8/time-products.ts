import { join } from 'node:path';
import { writeAtomically } from '../../../ir/files/atomic.js';
import { Graph, Model } from '../../../ir/model.js';
import { planModel } from '../../../ir/onnx/writer.js';
import { tensorType } from '../../../ir/shape.js';
import { f32Tensor } from '../../../ir/tensor.js';
import { inferShapes } from '../../../passes/infer-shapes.js';
import { OrtSession } from '../../ort/session.js';
import { CodesFile } from './codes-file.js';
import { roundProducts } from './products.js';

export type MatrixShape = readonly [inner: number, outer: number];

/** Seconds of a product in both forms, the least of several runs. */
export interface ProductTimes {
  readonly rows: number;
  /** that was run: a larger matrix is cut */
  readonly shape: MatrixShape;
  readonly float32: number;
  readonly int8: number;
}

/** Rows of what is multiplied: a batch of a few texts. */
const ROWS = 256;
/** The largest number of elements: longer matrices are cut, and take no longer for each element. */
const LARGEST = 2 ** 22;
/** Turns of each form: at least these, more until the seconds are over. */
const TURNS = { least: 2, most: 8, seconds: 1 };
/** Runs of a turn. The first is not counted: the threads of the other session still wait for work, which takes time of the cores. */
const TURN = 3;

/**
 * Times the product of generated rows with a generated matrix as training graphs have it: in float32 (`large`: without
 * packed copies, as a large base is trained where memory is short), and in 8 bits with the rounding of the rows. The forms take turns.
 */
export async function timeProducts(
  folder: string,
  [inner, outer]: MatrixShape,
  large: boolean,
  { rows = ROWS, threads }: { readonly rows?: number; readonly threads?: number } = {},
): Promise<ProductTimes> {
  const given = threads === undefined ? {} : { threads };
  const shape = [inner, Math.max(1, Math.min(outer, Math.floor(LARGEST / inner)))] as const;
  const [first, second] = [join(folder, 'float32.onnx'), join(folder, 'int8.onnx')];
  const file = new CodesFile(join(folder, 'codes'));
  const rounded = productOf(shape);
  roundProducts(rounded, file, new Set());
  writeAtomically([
    ...planModel(productOf(shape), first).outputs,
    file.output(),
    ...planModel(rounded, second, { weights: 'link' }).outputs,
  ]);
  const float32 = await OrtSession.open(first, { lowMemory: large, ...given });
  try {
    const int8 = await OrtSession.open(second, given);
    try {
      const feeds = { x: { type: 'float32', dims: [rows, inner], data: noise(rows * inner) } };
      const seconds = async (session: OrtSession): Promise<number> => {
        const start = performance.now();
        await session.run(feeds);
        return (performance.now() - start) / 1000;
      };
      const least = { float32: Infinity, int8: Infinity };
      const take = async (form: keyof typeof least, session: OrtSession): Promise<void> => {
        await seconds(session);
        for (let run = 1; run < TURN; run++) least[form] = Math.min(least[form], await seconds(session));
      };
      const end = performance.now() + 1000 * TURNS.seconds;
      for (let turn = 0; turn < TURNS.most && (turn < TURNS.least || performance.now() < end); turn++) {
        await take('float32', float32);
        await take('int8', int8);
      }
      return { rows, shape, ...least };
    } finally {
      await int8.close();
    }
  } finally {
    await float32.close();
  }
}

/** y = x W */
function productOf(shape: MatrixShape): Model {
  const graph = new Graph('product');
  const x = graph.addInput('x', tensorType('f32', ['rows', shape[0]]));
  const weight = graph.addInitializer('w', f32Tensor(shape, noise(shape[0] * shape[1])));
  const y = graph.append({ op: 'MatMul', inputs: [x, weight], outputs: ['y'] }).outputs[0]!;
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  inferShapes(model);
  return model;
}

/** Numbers between -1 and 1, the same in every run. */
function noise(count: number): Float32Array {
  const values = new Float32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
  return values;
}
