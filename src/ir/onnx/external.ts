import type { TensorCarried } from '../carried.js';
import { badTensor, externalEscapes } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, type DType } from '../dtype.js';
import { elementCount } from '../shape.js';
import type { ModelFolder } from './model-folder.js';
import { FileTensor } from './tensor-read.js';

/**
 * Makes the tensors whose data lies outside the model. Whether the data is there is checked only when it is read: planning
 * works without the weights.
 */
export class ExternalData {
  readonly #folder: ModelFolder | null;

  /** `folder` is null for a model that was given as bytes only: it cannot have external data. */
  constructor(folder: ModelFolder | null) {
    this.#folder = folder;
  }

  /** The tensor that the `external_data` entries describe. Throws LOTR1101 when the path is not allowed. */
  tensor(dtype: DType, shape: readonly number[], carried: TensorCarried): FileTensor {
    const entries = new Map(carried.external ?? []);
    const name = carried.name;
    const location = entries.get('location') ?? '';
    const folder =
      this.#folder ??
      fail(externalEscapes({ name, location, why: 'and a model given as bytes has no folder' }));
    const path = folder.resolve(name, location);
    const offset = this.#number(carried, 'offset', entries.get('offset')) ?? 0;
    const wanted = byteLengthOf(dtype, elementCount(shape));
    const length = this.#number(carried, 'length', entries.get('length')) ?? wanted ?? 0;
    const locate = () => ({ source: folder.open(name, location, offset + length), offset });
    return new FileTensor(dtype, shape, length, { path, offset, locate }, carried);
  }

  #number(carried: TensorCarried, key: string, text: string | undefined): number | null {
    if (text === undefined) return null;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
      const why = `the ${key} of its external data is ${JSON.stringify(text)}`;
      fail(badTensor({ name: carried.name, file: carried.source.path, why }));
    }
    return value;
  }
}
