import type { HeldTensor, HeldTensors } from './runner.js';

/** Names and shapes of tensors, in an order. */
export type Shapes = readonly (readonly [name: string, dims: readonly number[]])[];

/** Tensors one behind another, as one row of numbers, which travels between processes in pieces. */
export class TensorRow {
  readonly #parts: readonly { readonly start: number; readonly data: Float32Array }[];
  readonly size: number;

  constructor(readonly tensors: HeldTensors) {
    let size = 0;
    this.#parts = [...tensors.values()].map(({ data }) => {
      const start = size;
      size += data.length;
      return { start, data };
    });
    this.size = size;
  }

  /** Tensors of zeros. */
  static zeros(shapes: Shapes): TensorRow {
    const zeros = ([name, dims]: Shapes[number]): [string, HeldTensor] => [
      name,
      { dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)) },
    ];
    return new TensorRow(new Map(shapes.map(zeros)));
  }

  get shapes(): Shapes {
    return [...this.tensors].map(([name, { dims }]) => [name, dims]);
  }

  /** A copy of the numbers from `start` up to `end`. */
  read(start: number, end: number): Float32Array {
    const values = new Float32Array(end - start);
    this.#each(start, values.length, (data, from, at, length) => {
      values.set(data.subarray(from, from + length), at);
    });
    return values;
  }

  write(start: number, values: Float32Array): void {
    this.#each(start, values.length, (data, from, at, length) => {
      data.set(values.subarray(at, at + length), from);
    });
  }

  /** Calls back for each tensor that has numbers of a range: where they are in the tensor and in the range, and how many. */
  #each(
    start: number,
    count: number,
    back: (data: Float32Array, from: number, at: number, length: number) => void,
  ): void {
    for (const { start: first, data } of this.#parts) {
      const [low, high] = [Math.max(start, first), Math.min(start + count, first + data.length)];
      if (low < high) back(data, low - first, low - start, high - low);
    }
  }
}
