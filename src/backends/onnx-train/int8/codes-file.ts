import type { Output } from '../../../ir/files/atomic.js';
import { DigestingSink, type FileDigest } from '../../../ir/files/source-digest.js';
import type { TensorData } from '../../../ir/tensor.js';
import { RoundedMatrix, RoundedTensor } from './matrix.js';

/** Offsets in data files are multiples of this, so that a runtime can map them (ONNX, external data). */
const ALIGNMENT = 4096;

/** Codes [inner, outer] in i8 and scales [outer] in f32 of one matrix. */
export interface StoredCodes {
  readonly codes: TensorData;
  readonly scales: TensorData;
}

/** The file of a training directory that holds the rounded matrices of the base, each once, for all graphs. */
export class CodesFile {
  readonly #held = new Map<string, StoredCodes>();
  #size = 0;
  #digest: FileDigest | null = null;

  constructor(readonly path: string) {}

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  get byteLength(): number {
    return this.#size;
  }

  /** Room for a matrix as a product reads it; the same stored matrix in the same form is held once. */
  add(source: TensorData, turned: boolean): StoredCodes {
    const key = `${turned ? 'turned' : 'as stored'} ${identity(source)}`;
    const known = this.#held.get(key);
    if (known) return known;
    const matrix = new RoundedMatrix(source, turned);
    const { shape } = matrix;
    const codes = new RoundedTensor(
      'i8',
      shape,
      shape[0] * shape[1],
      this.#room(shape[0] * shape[1]),
      (sink) => matrix.writeCodes(sink),
    );
    const scales = new RoundedTensor('f32', [shape[1]], shape[1] * 4, this.#room(shape[1] * 4), (sink) =>
      sink.write(new Uint8Array(matrix.scales().buffer)),
    );
    const stored = { codes, scales };
    this.#held.set(key, stored);
    return stored;
  }

  #room(byteLength: number): { readonly path: string; readonly offset: number } {
    const offset = Math.ceil(this.#size / ALIGNMENT) * ALIGNMENT;
    this.#size = offset + byteLength;
    return { path: this.path, offset };
  }

  /** Writes the file; its digest is known afterwards. */
  output(): Output {
    return {
      path: this.path,
      write: (sink) => {
        const digesting = new DigestingSink(sink, this.#size);
        let at = 0;
        for (const tensor of [...this.#held.values()].flatMap(({ codes, scales }) => [codes, scales])) {
          const offset = tensor.origin.kind === 'file' ? tensor.origin.offset : at;
          if (offset > at) digesting.write(new Uint8Array(offset - at));
          tensor.copyTo(digesting);
          at = offset + tensor.byteLength;
        }
        this.#digest = { digest: digesting.digest(), byteLength: this.#size };
      },
    };
  }

  /** Length and digest of the file that was written. */
  get written(): FileDigest {
    if (!this.#digest) throw new Error('the file of codes is not written yet');
    return this.#digest;
  }
}

/** The same for all copies of one model. */
function identity(data: TensorData): string {
  const { origin, shape, dtype } = data;
  return origin.kind === 'file' ? `${dtype}[${shape}] ${origin.offset} ${origin.path}` : data.digest();
}
