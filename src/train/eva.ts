import type { Feeds, HostTensor } from '../backends/ort/messages.js';
import { OrtProcess } from '../backends/ort/process.js';
import { transposeMatrix } from '../init/dense.js';
import { BlockKrylov, OVERSAMPLING } from '../init/krylov.js';
import { calibratedLayer, calibrationData, calibrationMemory } from '../ir/codes/calibration.js';
import { fail } from '../ir/diagnostics.js';
import { bare } from '../ir/keys.js';
import type { Model } from '../ir/model.js';
import { writeModel } from '../ir/onnx/writer.js';
import { f32Tensor, MemoryTensor, type TensorData } from '../ir/tensor.js';
import { toF64, toIntegers } from '../ir/values.js';
import { type InputSketch, sketchInputs } from '../passes/adapters/input-sketches.js';
import { requirePlan } from '../passes/plan/plan.js';
import { type CalibrationRequest, openCalibration } from './calibration.js';

/** What came of a start from data. */
export interface EvaStart {
  readonly factors: ReadonlyMap<string, TensorData>;
  readonly examples: number;
  /** of each different start: its factors, and the share of the variance of what they read that lies in their directions */
  readonly rows: readonly { readonly factors: readonly string[]; readonly variance: number }[];
}

/** Passes over the data. Spectra of activations may be flat: after three, directions of 512 held 2 % less of the variance than the best ones. */
const PASSES = 5;
/** Bytes of vectors that are held at once. */
const MOST = 2 ** 30;

/**
 * EVA (arXiv 2410.07170): the factor on the input side starts as the leading principal directions of what the layer reads over the calibration
 * data, as orthonormal columns. Where layers share the factor, the covariances of all of them are added. The covariances are not made: blocks of vectors are multiplied
 * by them, in float64, while the model runs over the data, a few times (`BlockKrylov`). `model` is planned, and gets sketches in
 * place; `path` is a file for it. Throws LOTR3030 to LOTR3032, and what running the model and reading the data throw.
 */
export async function startByEva(
  model: Model,
  path: string,
  request: CalibrationRequest & { readonly seed: number },
): Promise<EvaStart> {
  const calibration = await openCalibration(model, request);
  const sketches = sketchInputs(model, requirePlan(model, 'start factors from data'));
  for (const { in: inn, rank, layer } of sketches) {
    const why = `it reads rows of ${inn} numbers, which have no ${rank} directions`;
    if (rank > inn) fail(calibratedLayer({ site: layer, why }));
  }
  // of each sketch a basis, its image, and the block on its way in and out
  const bytes = sketches.reduce(
    (sum, { in: inn, rank }) => sum + 8 * inn * Math.min(inn, rank + OVERSAMPLING) * (2 * PASSES + 2),
    0,
  );
  if (bytes > MOST) fail(calibrationMemory({ bytes, most: MOST }));
  writeModel(model, path, { weights: 'copy' });
  const jobs = sketches.map((sketch) => ({
    sketch,
    krylov: new BlockKrylov(sketch.in, sketch.rank, request.seed, 'eva/in', undefined, PASSES),
  }));
  const host = new OrtProcess();
  try {
    // narrow layers are done before wide ones
    const reads = new Map<string, Read>();
    for (;;) {
      const open = jobs.flatMap(({ sketch, krylov }) => {
        const block = krylov.block();
        return block ? [{ sketch, krylov, block }] : [];
      });
      if (open.length === 0) break;
      const pass = new Pass(sketches, open);
      for (const feeds of calibration.batches())
        pass.add(
          await host.run(path, { ...feeds, ...pass.vectors }, { outputs: pass.outputs, label: request.file }),
        );
      pass.requireNumbers(calibration.file);
      for (const { sketch, krylov, block } of open) krylov.absorb(pass.image(sketch, block));
      for (const [name, read] of pass.reads) reads.set(name, read);
    }
    const factors = new Map<string, TensorData>();
    const rows = jobs.map(({ sketch, krylov }) => {
      const { in: inn, rank } = sketch;
      const { values, vectors } = krylov.pairs();
      const columns = f32Tensor([inn, rank], transposeMatrix(vectors, rank, inn));
      for (const name of sketch.factors) factors.set(name, columns);
      const whole = sketch.reads.reduce(
        (sum, read) => sum + read.times * varianceOf(reads.get(read.sum)!),
        0,
      );
      const within = values.reduce((sum, value) => sum + value, 0);
      return { factors: sketch.factors, variance: whole > 0 ? Math.min(1, within / whole) : 1 };
    });
    return { factors, examples: calibration.examples, rows };
  } finally {
    host.close();
  }
}

type Block = NonNullable<ReturnType<BlockKrylov['block']>>;
interface Open {
  readonly sketch: InputSketch;
  readonly block: Block;
}

/** Sums over the rows of a value. */
interface Read {
  readonly sum: Float64Array;
  squares: number;
  count: number;
}

/** The sum of squares around the mean. */
function varianceOf({ sum, squares, count }: Read): number {
  return squares - sum.reduce((total, x) => total + x * x, 0) / count;
}

/** One pass over the data, in which covariances are multiplied by a block of vectors each. */
class Pass {
  readonly vectors: Readonly<Record<string, HostTensor>>;
  readonly outputs: readonly string[];
  readonly reads = new Map<string, Read>();
  readonly #sketches: readonly InputSketch[];
  readonly #products = new Map<string, Float64Array>();

  constructor(sketches: readonly InputSketch[], open: readonly Open[]) {
    const vectors = bare<HostTensor>();
    // ONNX Runtime wants every input: of those that are done, nothing is computed but zeros
    for (const { vectors: name, in: inn } of sketches)
      vectors[name] = columnsOf(new Float64Array(inn), 1, inn);
    for (const { sketch, block } of open)
      vectors[sketch.vectors] = columnsOf(block.rows, block.count, sketch.in);
    this.vectors = vectors;
    this.#sketches = open.map(({ sketch }) => sketch);
    for (const { sketch, block } of open)
      for (const { product } of sketch.reads)
        this.#products.set(product, new Float64Array(block.count * sketch.in));
    const reads = this.#sketches.flatMap((sketch) => sketch.reads);
    this.outputs = [
      ...new Set(reads.flatMap(({ product, sum, squares, shape }) => [product, sum, squares, shape])),
    ];
  }

  add(results: Feeds): void {
    const numbers = (name: string) => toF64(tensorOf(results[name]!));
    for (const { reads, in: inn } of this.#sketches)
      for (const { sum } of reads)
        if (!this.reads.has(sum)) this.reads.set(sum, { sum: new Float64Array(inn), squares: 0, count: 0 });
    const seen = new Set<string>();
    for (const { product, sum, squares, shape } of this.#sketches.flatMap((sketch) => sketch.reads)) {
      addTo(this.#products.get(product)!, numbers(product));
      if (seen.has(sum)) continue;
      seen.add(sum);
      const read = this.reads.get(sum)!;
      addTo(read.sum, numbers(sum));
      read.squares += numbers(squares)[0]!;
      read.count += toIntegers(tensorOf(results[shape]!))[0]!;
    }
  }

  /** Throws LOTR3030 for inputs that are not finite, LOTR3031 for fewer rows than there are directions. */
  requireNumbers(file: string): void {
    for (const { reads, layer, rank } of this.#sketches) {
      const rows = reads.reduce((sum, read) => sum + this.reads.get(read.sum)!.count, 0);
      const odd = reads.some(({ sum }) => !Number.isFinite(varianceOf(this.reads.get(sum)!)));
      if (odd) fail(calibratedLayer({ site: layer, why: 'its inputs are not finite' }));
      if (rows > rank) continue;
      const why = `layer "${layer}" reads ${rows} rows of it, and the rank is ${rank}`;
      fail(calibrationData({ file, why, hint: 'give more examples' }));
    }
  }

  /** The sum of the covariances times the vectors of a block, as rows. */
  image({ in: inn, reads }: InputSketch, { rows, count }: Block): Float64Array {
    const image = new Float64Array(count * inn);
    for (const { product, sum: name, times } of reads) {
      const { sum, count: seen } = this.reads.get(name)!;
      const turned = transposeMatrix(this.#products.get(product)!, inn, count);
      for (let k = 0; k < count; k++) {
        let along = 0;
        for (let i = 0; i < inn; i++) along += sum[i]! * rows[k * inn + i]!;
        for (let i = 0; i < inn; i++)
          image[k * inn + i]! += times * (turned[k * inn + i]! - (sum[i]! * along) / seen);
      }
    }
    return image;
  }
}

function addTo(sum: Float64Array, values: Float64Array): void {
  for (let k = 0; k < sum.length; k++) sum[k]! += values[k]!;
}

const tensorOf = ({ dtype, shape, data }: HostTensor) => new MemoryTensor(dtype, shape, data as Uint8Array);

/** Vectors as columns (length x count). */
function columnsOf(rows: Float64Array, count: number, length: number): HostTensor {
  const turned = transposeMatrix(rows, count, length);
  return { dtype: 'f64', shape: [length, count], data: new Uint8Array(turned.buffer, 0, turned.byteLength) };
}
