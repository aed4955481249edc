import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, sep } from 'node:path';
import type { ByteSource, TensorCarried } from '../carried.js';
import { badTensor, externalEscapes, externalMissing } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, type DType } from '../dtype.js';
import { elementCount } from '../shape.js';
import { FileSource } from './source.js';
import { FileTensor } from './tensor-read.js';

/**
 * Finds external data. Locations are relative paths inside the model's folder (ONNX, external data); a path that
 * leaves the folder, also through a symbolic link, is refused when the model is read. Where the model itself is a link (the
 * cache of Hugging Face: snapshots of links into one folder of blobs), data in the folder of the real file is allowed too, as
 * ONNX Runtime does. Whether the file exists is
 * checked only when the data is read: planning works without the weights.
 */
export class ExternalFiles {
  readonly #model: string | null;
  readonly #folder: string | null;
  readonly #sources = new Map<string, FileSource>();

  /** `modelPath` is null for a model in memory: it has no folder, so it cannot have external data. */
  constructor(modelPath: string | null) {
    this.#model = modelPath;
    this.#folder = modelPath === null ? null : dirname(modelPath);
  }

  /** The tensor that the `external_data` entries describe. Throws LOTR1101 when the path is not allowed. */
  tensor(dtype: DType, shape: readonly number[], carried: TensorCarried): FileTensor {
    const entries = new Map(carried.external ?? []);
    const name = carried.name;
    const location = entries.get('location') ?? '';
    const path = this.#resolve(name, location);
    const offset = this.#number(carried, 'offset', entries.get('offset')) ?? 0;
    const wanted = byteLengthOf(dtype, elementCount(shape));
    const length = this.#number(carried, 'length', entries.get('length')) ?? wanted ?? 0;
    const locate = () => ({ source: this.#open(name, location, path, offset + length), offset });
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

  #resolve(name: string, location: string): string {
    const refuse = (why: string): never => fail(externalEscapes({ name, location, why }));
    if (this.#folder === null) return refuse('and a model given as bytes has no folder');
    if (location === '') return refuse('which names no file');
    if (location.includes('\0')) return refuse('which holds a zero character');
    if (isAbsolute(location) || /^[A-Za-z]:|^[\\/]/.test(location)) return refuse('an absolute path');
    const path = normalize(join(this.#folder, location));
    const inner = normalize(location);
    if (inner === '..' || inner.startsWith(`..${sep}`)) return refuse("outside the model's folder");
    if (existsSync(path)) {
      const real = realpathSync(path);
      const roots = [realpathSync(this.#folder)];
      if (this.#model !== null && existsSync(this.#model)) roots.push(dirname(realpathSync(this.#model)));
      if (!roots.some((root) => real.startsWith(root.endsWith(sep) ? root : root + sep))) {
        return refuse("a link that leaves the model's folder");
      }
    }
    return path;
  }

  #open(name: string, location: string, path: string, end: number): ByteSource {
    if (!existsSync(path)) fail(externalMissing({ name, location, why: 'there is no such file' }));
    let source = this.#sources.get(path);
    if (!source) {
      // the file may have appeared, or been replaced by a link, since the model was read
      this.#resolve(name, location);
      source = new FileSource(path);
      // and a link may have been changed between that and the opening: the open file must be the one that is allowed
      source.checkIs(realpathSync(this.#resolve(name, location)));
      this.#sources.set(path, source);
    }
    if (end > source.size) {
      const why = `its data ends at byte ${end} and the file has ${source.size}`;
      fail(externalMissing({ name, location, why }));
    }
    return source;
  }
}
